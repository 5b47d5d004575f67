"""Which of an arm's settings stands for it: the one with the best mean validation NLL; nothing else is looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smoothlab.comparing.arm import settings_text
from smoothlab.comparing.plan import Places, PlannedRun
from smoothlab.sweeps.ledger import is_done


@dataclass(frozen=True)
class Tried:
    """A point of an arm's grid.

    Args:
        settings: values by key.
        runs: those that are done.
        val_nll: the mean of their validation NLL over the seeds or folds that every point of the arm has; NaN of none.
    """

    settings: Mapping[str, Any]
    runs: tuple[PlannedRun, ...]
    val_nll: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        nll = None if math.isnan(self.val_nll) else self.val_nll
        return {"settings": dict(self.settings), "runs": len(self.runs), "val_nll": nll}


def choose(runs: Sequence[PlannedRun], places: Places) -> tuple[Tried | None, list[Tried]]:
    """The point that stands for an arm, None where no run of it is done, and all of its points.

    A point with fewer runs planned than another was left behind by a look, and stands for nothing.

    Args:
        runs: all of the arm at one level.
        places: where they stand.
    """
    points: dict[str, list[PlannedRun]] = {}
    for run in runs:
        points.setdefault(settings_text(run.settings), []).append(run)
    nll = {run: value for run in runs if (value := val_nll(run, places)) is not None}
    most = max((len(point) for point in points.values()), default=0)
    shared = [{(run.seed, run.fold) for run in point if run in nll} for point in points.values() if len(point) == most]
    shared = [units for units in shared if units]
    common = set.intersection(*shared) if shared else set()
    tried = []
    for point in points.values():
        done = tuple(run for run in point if run in nll)
        judged = [nll[run] for run in done if (run.seed, run.fold) in common or len(point) < most]
        tried.append(Tried(point[0].settings, done, sum(judged) / len(judged) if judged else math.nan))
    whole = [point for point, of in zip(tried, points.values(), strict=True) if len(of) == most]
    judged_points = [point for point in whole if not math.isnan(point.val_nll)]
    return (min(judged_points, key=lambda point: point.val_nll) if judged_points else None), tried


def val_nll(run: PlannedRun, places: Places) -> float | None:
    """The validation NLL of a run's best checkpoint; None where it is not done."""
    directory = places.of(run)
    if not is_done(directory):
        return None
    metrics = directory.read_results()["metrics"]
    value = metrics.get("val", {}).get("nll")
    return None if value is None else float(value)
