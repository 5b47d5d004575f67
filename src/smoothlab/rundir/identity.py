"""What makes two runs the same run."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from smoothlab.rundir.named_files import checkpoint_in, contents_of

FORMAT = 1

# Where results go, what is printed and how work is spread: none of it changes what a run computes. What `monitor` says
# stands in callbacks and scheduler.
NOT_IDENTITY = frozenset(
    {"logger", "resume", "code", "name", "output_root", "progress", "threads", "figures", "monitor"}
)
# Likewise, within a group.
NOT_IDENTITY_WITHIN = {"trainer": ("sigterm", "timeout_s")}
# What comes after the training, or before it: it changes the results, so it counts, but only where it is set; a run
# without it is the same run as before there was such a choice.
COUNTS_IF_SET = frozenset({"calibrator", "decision", "model", "init"})
# How runs are trained counts where digits may differ by it: those of nets that train in a stack.
ENGINE, SINGLE_ENGINES = "engine", (None, "auto", "single")
# What trains a net, and so means nothing to a model in its place.
OF_NETS = frozenset({"net", "optimizer", "scheduler", "trainer"})


def run_identity(config: dict[str, Any], data_fingerprint: str) -> str:
    """A hash of what determines a run's result: 64 hexadecimal digits.

    Args:
        config: the resolved config, plain values.
        data_fingerprint: a hash of the content of the data (and of own code), so that two files of one name are two
            runs and one file at two places is one. What stands in other files that the config names (a tree, a teacher)
            is looked up here.
    """
    without = NOT_IDENTITY | (OF_NETS if config.get("model") else frozenset())
    counting = {
        key: value for key, value in config.items() if key not in without and (value or key not in COUNTS_IF_SET)
    }
    if counting.get(ENGINE) in SINGLE_ENGINES:
        counting.pop(ENGINE, None)
    if isinstance(counting.get("init"), str):  # what `prepare` writes in its place, whoever asks before
        counting["init"] = checkpoint_in(counting["init"])
    for group, names in NOT_IDENTITY_WITHIN.items():
        if isinstance(counting.get(group), dict):
            counting[group] = {key: value for key, value in counting[group].items() if key not in names}
    text = json.dumps([FORMAT, in_order(counting), data_fingerprint + contents_of(counting)])
    return hashlib.sha256(text.encode()).hexdigest()


def in_order(value: Any) -> Any:
    """Plain values with each mapping's keys in order, numbers before text: ``json`` sorts keys of one type only."""
    if isinstance(value, dict):
        number = {key: isinstance(key, int | float) for key in value}
        keys = sorted(value, key=lambda key: (not number[key], key if number[key] else 0, str(key)))
        return {key: in_order(value[key]) for key in keys}
    return [in_order(item) for item in value] if isinstance(value, list) else value


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The keys of identity in which two configs differ, as ``key: old -> new``."""
    before, after = flat(old), flat(new)
    return [
        f"{key}: {before.get(key, '(absent)')} -> {after.get(key, '(absent)')}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key) and _counts(key)
    ]


def _counts(key: str) -> bool:
    group, _, name = key.partition(".")
    return group not in NOT_IDENTITY and name not in NOT_IDENTITY_WITHIN.get(group, ())


def flat(config: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested mappings by their dotted keys."""
    if not isinstance(config, dict) or not config:
        return {prefix: config}
    leaves: dict[str, Any] = {}
    for key, value in config.items():
        leaves |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return leaves
