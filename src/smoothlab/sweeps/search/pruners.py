"""Pruners by name: when a trial is given up before its end."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from smoothlab.errors import UserMistake, reason_of
from smoothlab.sweeps.search.optional import load_optuna

PRUNERS = ("none", "median", "hyperband", "asha")
KEY = "hydra.sweeper.pruner"
CLASSES = {
    "none": "NopPruner",
    "median": "MedianPruner",
    "hyperband": "HyperbandPruner",
    "asha": "SuccessiveHalvingPruner",
}


FREE = 9  # a run may use the first one of so many parts of its epochs in peace


def make_pruner(name: str, options: Mapping[str, Any], *, objectives: int, epochs: int | None) -> Any:
    """A pruner of Optuna's; its steps are epochs, counted from 1.

    Args:
        name: one of ``PRUNERS``.
        options: further arguments of Optuna's class.
        objectives: how many metrics are searched for at once.
        epochs: of a run that is not pruned; None where that has no end.

    Raises:
        UserMistake: no such pruner or option, or several objectives, for which nothing says which trial is hopeless.
    """
    if name not in PRUNERS:
        raise UserMistake(f"{KEY} = {name!r}: expected one of {', '.join(PRUNERS)}")
    if name != "none" and objectives > 1:
        raise UserMistake(f"{KEY} = {name!r}: a search for several objectives cannot prune; expected none")
    kind = getattr(load_optuna().pruners, CLASSES[name])
    known = list(inspect.signature(kind).parameters)
    for option in options:
        if option not in known:
            expected = f"; expected {', '.join(known)}" if known else ""
            raise UserMistake(f"hydra.sweeper.pruner_options.{option}: {name} takes no such option{expected}")
    arguments = {**_defaults(name, epochs), **options}
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        reason = reason_of(error)
        raise UserMistake(f"hydra.sweeper.pruner_options: {reason}") from None


def _defaults(name: str, epochs: int | None) -> dict[str, Any]:
    """Early epochs say little: strong smoothing and small learning rates are slow at first, often good in the end."""
    free = max(1, (epochs or 1) // FREE)
    if name == "median":
        return {"n_warmup_steps": free}
    if name == "asha":
        return {"min_resource": free, "reduction_factor": 3}
    if name == "hyperband":
        return {"min_resource": free, **({} if epochs is None else {"max_resource": epochs})}
    return {}
