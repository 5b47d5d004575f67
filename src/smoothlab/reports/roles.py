"""What each arm is to the question whether smoothing helps: baseline, smoothing, rival, or made after training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smoothlab.reports.records import RunRecord

BASELINE, SMOOTHING, RIVAL, POST_HOC = "baseline", "smoothing", "rival", "post_hoc"
WORDS = {BASELINE: "baseline", SMOOTHING: "smoothing", RIVAL: "rival", POST_HOC: "after training"}


def roles_of(by_arm: Mapping[str, Sequence[RunRecord]], base: str) -> dict[str, str]:
    """The role of each arm, told from its runs alone, whoever made the arm.

    - ``baseline``: the arm that the others are compared with.
    - ``post_hoc``: made from the predictions of another arm's runs (``made_of`` in results.json).
    - ``smoothing``: its resolved ``smoothing`` moves mass, and is not that of the baseline.
    - ``rival``: anything else.

    Args:
        by_arm: the runs of each arm, at least one.
        base: name of the baseline.
    """
    of_base = _smoothing(by_arm[base])

    def role(name: str) -> str:
        if name == base:
            return BASELINE
        if any(record.results.get("made_of") for record in by_arm[name]):
            return POST_HOC
        own = _smoothing(by_arm[name])
        return SMOOTHING if own != of_base and smooths(own) else RIVAL

    return {name: role(name) for name in by_arm}


def smooths(flat: Mapping[str, Any]) -> bool:
    """Whether a config, by dotted keys, lets mass leave the label: a strength that is not the constant 0."""
    strength = {key: value for key, value in flat.items() if key.startswith("smoothing.strength.")}
    epsilon = strength.get("smoothing.strength.epsilon")
    return bool(strength) and (epsilon is None or bool(epsilon))


def _smoothing(records: Sequence[RunRecord]) -> dict[str, Any]:
    """The settings of ``smoothing`` in the first run whose config is known."""
    flat = next((record.flat for record in records if record.flat), {})
    return {key: value for key, value in flat.items() if key.startswith("smoothing.")}
