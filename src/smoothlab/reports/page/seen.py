"""What the test predictions of an arm's runs show, summed run by run, so that no predictions are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smoothlab.metrics.groups import group
from smoothlab.metrics.prediction import Prediction
from smoothlab.metrics.selective import RiskCoverage
from smoothlab.reports.classes import class_table
from smoothlab.reports.reliability import Reliability

if TYPE_CHECKING:
    from smoothlab.metrics.inputs import Array

NUM_BINS = 15
POINTS = 100  # of a risk-coverage curve
MOST_CLASSES = 1000  # with more, the classes are not told apart


@dataclass(frozen=True)
class Seen:
    """An arm's test predictions, summed up.

    Args:
        runs: how many runs had predictions.
        samples: how many predictions in all.
        reliability: of what the model gives.
        coverage: (P,) shares of samples accepted.
        risk: (P,) error rate among them, mean over the runs.
        aurc: mean over the runs.
        classes: a row a class, mean over the runs; empty where there are too many.
    """

    runs: int
    samples: int
    reliability: Reliability
    coverage: Array
    risk: Array
    aurc: float
    classes: pd.DataFrame


def look(readers: Sequence[Callable[[], Any]]) -> Seen | None:
    """Sum up the predictions of an arm's runs; None where there are none.

    Args:
        readers: one a run; each gives ``probabilities`` (N, K), ``labels`` (N,), ``rows`` (N,) and ``class_names``,
            or None where the run has no such predictions.
    """
    reliabilities, risks, areas, tables = [], [], [], []
    rows = np.empty(0, dtype=np.int64)
    samples = 0
    coverage = np.empty(0)
    for read in readers:
        run = read()
        if run is None or not len(run.labels):
            continue
        prediction = Prediction.of(run.probabilities, run.labels, from_logits=False)
        reliabilities.append(Reliability.of(prediction, NUM_BINS))
        curve = RiskCoverage(group(prediction.confidence, prediction.correct))
        coverage, risk = curve.curve(POINTS)
        risks.append(risk)
        areas.append(curve.area())
        samples += len(run.labels)
        rows = np.union1d(rows, run.rows)
        if prediction.num_classes <= MOST_CLASSES:
            names = list(run.class_names)
            tables.append(class_table(run.probabilities, run.labels, from_logits=False, class_names=names))
    if not reliabilities:
        return None
    return Seen(
        runs=len(reliabilities),
        samples=samples,
        reliability=Reliability.together(reliabilities, independent=min(1.0, len(rows) / samples)),
        coverage=coverage,
        risk=np.mean(risks, axis=0),
        aurc=float(np.mean(areas)),
        classes=_mean_of(tables),
    )


def _mean_of(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Each class's mean over the runs; of a number that some runs do not have, over those that have it."""
    if not tables or any(list(table["class"]) != list(tables[0]["class"]) for table in tables):
        return pd.DataFrame()
    numbers = np.stack([table.drop(columns="class").to_numpy(float) for table in tables])
    held = np.isfinite(numbers).sum(0)
    means = np.divide(np.nansum(numbers, 0), held, out=np.full(held.shape, np.nan), where=held > 0)
    mean = pd.DataFrame(means, columns=[name for name in tables[0].columns if name != "class"])
    mean.insert(0, "class", list(tables[0]["class"]))
    return mean
