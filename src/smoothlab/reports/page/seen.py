"""What the test predictions of an arm's runs show, summed run by run, so that no predictions are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smoothlab.metrics.bins import ReliabilityBins, bins_of, from_sums
from smoothlab.metrics.calibration_error import expected_error
from smoothlab.metrics.groups import group
from smoothlab.metrics.prediction import Prediction
from smoothlab.metrics.selective import RiskCoverage
from smoothlab.reports.classes import class_table

if TYPE_CHECKING:
    from smoothlab.metrics.inputs import Array

NUM_BINS = 15
POINTS = 100  # of a risk-coverage curve
MOST_CLASSES = 1000  # with more, the classes are not told apart


@dataclass(frozen=True)
class Reliability:
    """Bins of all runs of an arm together.

    Args:
        bins: counts are those of all runs.
        independent: the share of the counts that are different samples; 1 / R for R runs on one test set.
        ece: mean over the runs of each run's own.
        gap: mean over the runs of mean confidence less accuracy.
    """

    bins: ReliabilityBins
    independent: float
    ece: float
    gap: float


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
    sums, edges = np.zeros((3, NUM_BINS)), np.arange(NUM_BINS + 1) / NUM_BINS
    eces, gaps, risks, areas, tables = [], [], [], [], []
    rows = np.empty(0, dtype=np.int64)
    samples = 0
    coverage = np.empty(0)
    for read in readers:
        one = read()
        if one is None or not len(one.labels):
            continue
        told = Prediction.of(one.probabilities, one.labels, from_logits=False)
        bins = bins_of(told.confidence, told.correct, told.weights, NUM_BINS, "width")
        filled = np.nan_to_num(np.stack([bins.count, bins.confidence * bins.count, bins.accuracy * bins.count]))
        sums += filled
        eces.append(expected_error(bins))
        gaps.append(told.mean(told.confidence - told.correct))
        curve = RiskCoverage(group(told.confidence, told.correct))
        coverage, risk = curve.curve(POINTS)
        risks.append(risk)
        areas.append(curve.area())
        samples += len(one.labels)
        rows = np.union1d(rows, one.rows)
        if told.num_classes <= MOST_CLASSES:
            names = list(one.class_names)
            tables.append(class_table(one.probabilities, one.labels, from_logits=False, class_names=names))
    if not eces:
        return None
    reliability = Reliability(
        bins=from_sums(sums, edges[:-1], edges[1:]),
        independent=min(1.0, len(rows) / samples),
        ece=float(np.mean(eces)),
        gap=float(np.mean(gaps)),
    )
    return Seen(
        len(eces), samples, reliability, coverage, np.mean(risks, axis=0), float(np.mean(areas)), _mean_of(tables)
    )


def _mean_of(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Each class's mean over the runs; of a number that some runs do not have, over those that have it."""
    if not tables or any(list(one["class"]) != list(tables[0]["class"]) for one in tables):
        return pd.DataFrame()
    numbers = np.stack([one.drop(columns="class").to_numpy(float) for one in tables])
    held = np.isfinite(numbers).sum(0)
    means = np.divide(np.nansum(numbers, 0), held, out=np.full(held.shape, np.nan), where=held > 0)
    mean = pd.DataFrame(means, columns=[name for name in tables[0].columns if name != "class"])
    mean.insert(0, "class", list(tables[0]["class"]))
    return mean
