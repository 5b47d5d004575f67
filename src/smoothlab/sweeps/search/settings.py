"""What a search was asked for, ``hydra.sweeper``, each key checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smoothlab.errors import UserMistake
from smoothlab.sweeps.search.databases import is_url
from smoothlab.sweeps.search.space import Space
from smoothlab.sweeps.search.storage import FILES
from smoothlab.sweeps.search.study import Objective

DEFAULT_TRIALS = 20


@dataclass(frozen=True)
class Settings:
    """The keys of ``hydra.sweeper``, beside its space.

    Args:
        n_trials: in all, those of former starts included; None is 20, or the whole grid.
        sampler: see ``SAMPLERS``.
        sampler_options: arguments of Optuna's class.
        objectives: names of validation metrics; empty for what the run's best checkpoint is chosen by.
        pruner: see ``PRUNERS``.
        pruner_options: arguments of Optuna's class.
        seed: of the sampler.
        storage: ``journal``, ``sqlite``, or the URL of a database.
        study: name of the study in a database; None is that of the sweep's directory.
        grace_s: seconds without a sign of life after which another command's trial is given up.
        retry_failed: try the failed trials of former starts again.
        batch_size: trials at a time with a launcher of Hydra's.
    """

    n_trials: int | None
    sampler: str
    sampler_options: dict[str, Any]
    objectives: tuple[str, ...]
    pruner: str
    pruner_options: dict[str, Any]
    seed: int
    storage: str
    study: str | None
    grace_s: int
    retry_failed: bool
    batch_size: int

    @classmethod
    def read(cls, node: Mapping[str, Any]) -> Settings:
        """From the plain values of ``hydra.sweeper``.

        Raises:
            UserMistake: a value of another kind.
        """
        known = {*cls.__dataclass_fields__, "params", "_target_"}
        if unknown := sorted(set(map(str, node)) - known):
            near = difflib.get_close_matches(unknown[0], known, n=1)
            raise UserMistake(f"hydra.sweeper.{unknown[0]}: no such key{f'; nearest: {near[0]}' if near else ''}")
        objectives = node["objectives"]
        named = [objectives] if isinstance(objectives, str) else objectives
        if named is not None and (not isinstance(named, Sequence) or not all(isinstance(name, str) for name in named)):
            raise UserMistake(f"hydra.sweeper.objectives = {objectives!r}: expected a list such as [val/nll,val/ece]")
        if named is not None and len(set(named)) < len(named):
            raise UserMistake(f"hydra.sweeper.objectives = {objectives!r}: one stands there twice")
        for name in ("sampler_options", "pruner_options"):
            if not isinstance(node[name], Mapping):
                raise UserMistake(f"hydra.sweeper.{name} = {node[name]!r}: expected key: value")
        if not isinstance(node["retry_failed"], bool):
            raise UserMistake(f"hydra.sweeper.retry_failed = {node['retry_failed']!r}: expected true or false")
        return cls(
            n_trials=None if node["n_trials"] is None else _whole(node, "n_trials", least=1),
            sampler=str(node["sampler"]),
            sampler_options=dict(node["sampler_options"]),
            objectives=tuple(named or ()),
            pruner=str(node["pruner"]),
            pruner_options=dict(node["pruner_options"]),
            seed=_whole(node, "seed", least=0),
            storage=_storage(node["storage"]),
            study=None if node["study"] is None else str(node["study"]),
            grace_s=_whole(node, "grace_s", least=1),
            retry_failed=node["retry_failed"],
            batch_size=_whole(node, "batch_size", least=1),
        )

    def total(self, space: Space) -> int:
        """How many trials the search has in all."""
        if self.sampler == "grid":
            points = len(space.grid())
            return points if self.n_trials is None else min(self.n_trials, points)
        return DEFAULT_TRIALS if self.n_trials is None else self.n_trials

    def lasting(self, space: Space, objectives: Sequence[Objective]) -> dict[str, Any]:
        """What must be the same when the search is continued."""
        return {
            "sampler": self.sampler,
            "sampler_options": self.sampler_options,
            "pruner": self.pruner,
            "pruner_options": self.pruner_options,
            "seed": self.seed,
            "objectives": [f"{objective.name} {objective.mode}" for objective in objectives],
            **{f"params.{key}": value for key, value in space.describe().items()},
        }


def find_objectives(
    named: Sequence[str], monitored: Mapping[str, str], callbacks: Mapping[str, Any]
) -> list[Objective]:
    """What the search looks for, each with its better direction.

    Args:
        named: metrics; empty for the one that the best checkpoint is chosen by.
        monitored: the task's metrics with their modes.
        callbacks: the resolved config's.

    Raises:
        UserMistake: a metric that validation does not have, or no checkpoint is chosen by a metric.
    """
    if not named:
        best = callbacks.get("best_checkpoint") or {}
        if best.get("monitor") is None:
            raise UserMistake("hydra.sweeper.objectives: none, and callbacks.best_checkpoint monitors no metric either")
        return [Objective(str(best["monitor"]), str(best.get("mode", "min")))]
    for name in named:
        if name not in monitored:
            if name.startswith("test/"):
                raise UserMistake(f"hydra.sweeper.objectives: {name}: a search that sees the test split spoils it")
            near = difflib.get_close_matches(name, monitored, n=1)
            hint = f"nearest: {near[0]}; " if near else ""
            raise UserMistake(f"hydra.sweeper.objectives: {name}: {hint}one of {', '.join(monitored)}")
    return [Objective(name, monitored[name]) for name in named]


def _storage(value: Any) -> str:
    if is_url(str(value)) or value in FILES:
        return str(value)
    raise UserMistake(
        f"hydra.sweeper.storage = {value!r}: expected {', '.join(FILES)}, or the URL of a database such as "
        "postgresql://user@host/name"
    )


def _whole(node: Mapping[str, Any], name: str, *, least: int) -> int:
    value = node[name]
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserMistake(f"hydra.sweeper.{name} = {value!r}: expected an integer of at least {least}")
    return value
