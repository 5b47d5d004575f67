"""What the test predictions of an arm's runs show together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from smoothlab.metrics.bins import from_sums
from smoothlab.reports.curve import Curve
from smoothlab.reports.evidence import NUM_BINS, POINTS, Shown
from smoothlab.reports.reliability import Reliability


@dataclass(frozen=True)
class Seen:
    """An arm's test predictions, summed up.

    Args:
        runs: how many runs had predictions.
        samples: how many predictions in all.
        reliability: of what the model gives.
        risk: error rate among the accepted samples over their share, mean over the runs.
        aurc: mean over the runs.
        classes: a row a class, mean over the runs; empty where there are too many.
    """

    runs: int
    samples: int
    reliability: Reliability
    risk: Curve
    aurc: float
    classes: pd.DataFrame


def look(runs: Sequence[Shown]) -> Seen | None:
    """Sum up the predictions of an arm's runs; None where there are none."""
    if not runs:
        return None
    tests = {run.test: run.rows for run in runs}
    samples = sum(len(run.rows) for run in runs)
    different = len(np.unique(np.concatenate(list(tests.values()))))
    edges = np.arange(NUM_BINS + 1) / NUM_BINS
    reliability = Reliability(
        from_sums(np.sum([run.bins for run in runs], axis=0), edges[:-1], edges[1:]),
        ece=float(np.mean([run.ece for run in runs])),
        gap=float(np.mean([run.gap for run in runs])),
        independent=min(1.0, different / samples),
    )
    return Seen(
        runs=len(runs),
        samples=samples,
        reliability=reliability,
        risk=Curve.of("risk", np.arange(1, POINTS + 1) / POINTS, np.mean([run.risk for run in runs], axis=0)),
        aurc=float(np.mean([run.aurc for run in runs])),
        classes=_of_classes(runs),
    )


def _of_classes(runs: Sequence[Shown]) -> pd.DataFrame:
    """Each class's mean over the runs; of a number that some runs do not have, over those that have it."""
    first = runs[0]
    if any(run.class_names != first.class_names or not run.classes for run in runs):
        return pd.DataFrame()
    means = {}
    for name in first.classes:
        numbers = np.stack([run.classes[name] for run in runs])
        held = np.isfinite(numbers).sum(0)
        means[name] = np.divide(np.nansum(numbers, 0), held, out=np.full(held.shape, np.nan), where=held > 0)
    return pd.DataFrame({"class": list(first.class_names)} | means)
