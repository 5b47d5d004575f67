"""How sure a metric is: bootstrap intervals from resampled counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoothlab.errors import InvalidArgument
from smoothlab.metrics.bins import bin_index, binned, check_bins
from smoothlab.metrics.calibration_error import squared_error
from smoothlab.metrics.groups import ConfidenceGroups
from smoothlab.metrics.inputs import Array, reads
from smoothlab.metrics.prediction import Prediction
from smoothlab.metrics.smooth import smooth_error
from smoothlab.metrics.summary import metrics_of_predicted
from smoothlab.numbers import check_number, check_whole
from smoothlab.ties import ROUNDING, first_of_falling_ties

Positions = NDArray[np.int64]
MAX_CELLS = 2048  # more samples than that are resampled in cells of like ones
MEANS = ("nll", "brier", "accuracy", "confidence_gap", "aurc")
ERRORS = ("ece", "ece_equal_mass", "mce", "rmsce", "smece")  # biased upwards: noise adds to them
DEFAULT = ("nll", "brier", "accuracy", "confidence_gap", "aurc", "ece", "ece_equal_mass", "rmsce")


@dataclass(frozen=True)
class Interval:
    """A metric with its uncertainty over samples (not over trainings: seeds are another source)."""

    estimate: float  # of the data as they are
    low: float
    high: float
    bias: float  # mean of the resamples less the estimate; for a calibration error about its own bias

    @property
    def corrected(self) -> float:
        """The estimate less the bootstrap's estimate of its bias."""
        return self.estimate - self.bias


@dataclass(frozen=True)
class _Cells:
    """Samples, or cells of samples alike in rank and correctness, from the most to the least confident."""

    size: Array  # (C,) number of samples
    nll: Array  # (C,) means
    brier: Array
    nll_variance: Array  # (C,) within the cell; 0 for single samples
    brier_variance: Array
    correct: Array  # (C,) 0 or 1
    first: Positions  # (G,) where each group of equal rank begins among the cells
    confidence: Array  # (G,) mean confidence of each group
    index: Positions  # (G,) its equal-width bin


@reads(Prediction.of, weights=False)
def bootstrap(
    prediction: Prediction,
    *,
    metrics: Sequence[str] = DEFAULT,
    resamples: int = 400,
    level: float = 0.95,
    num_bins: int = 15,
    seed: int = 0,
) -> dict[str, Interval]:
    """Bootstrap intervals of metrics over the samples of one test set.

    Resampling n of n samples is drawing how often each one comes, so all metrics of a resample follow from
    one vector of counts, and of all resamples from one matrix. Beyond 2,048 samples the counts are those of
    cells: neighbours in rank, right or wrong, whose confidences differ by next to nothing.

    All get the percentile interval. That of a calibration error is moved by the bias of its resamples: chance makes an
    error larger, and resamples have it twice, so their quantiles less ``bias``, cut off at 0 and 1. It is thus an
    interval of what the metric is on average over test sets of this size, and holds the estimate; a part of both is
    chance, which :func:`ece_bias` tells apart. It is no interval of the error of endless data, which lies lower.
    Where the estimate is infinite, so is the interval.

    Args:
        values: ``(..., K)`` probabilities or logits.
        labels: ``(...)`` class indices, or ``(..., K)`` votes.
        from_logits: whether ``values`` are logits.
        mask: ``(...)`` bools, False where a position does not count.
        metrics: names out of nll, brier, accuracy, confidence_gap, aurc, ece, ece_equal_mass, mce, rmsce and
            smece (the last one takes a millisecond a resample).
        resamples: how many.
        level: coverage aimed at, in (0, 1).
        num_bins: bins of the binned errors.
        seed: of the draws; the same seed gives the same intervals.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993; the bias of ECE, Bröcker, Climate
    Dynamics 2012.
    """
    check_bins(num_bins)
    for name in metrics:
        if name not in MEANS + ERRORS:
            raise InvalidArgument("metrics", name, "names out of " + ", ".join(MEANS + ERRORS))
    check_number("level", level, above=0, below=1)
    check_whole("resamples", resamples, 2)
    cells = _cells(prediction, num_bins)
    random = np.random.default_rng(seed)
    counts = _draw(cells.size, resamples, random)
    exact = metrics_of_predicted(prediction, num_bins)
    exact["rmsce"] = float(np.sqrt(squared_error(binned(prediction, num_bins))))
    drawn = _resampled(cells, counts, metrics, num_bins, random)
    tail = 100.0 * (1.0 - level) / 2.0
    return {name: percentile_interval(exact[name], drawn[name], tail, moved=name in ERRORS) for name in metrics}


def percentile_interval(estimate: float, drawn: Array, tail: float, *, moved: bool = False) -> Interval:
    """Between the ``tail`` and ``100 - tail`` percentiles of (R,) resampled values, ``moved`` by their bias.

    The interval holds the estimate.
    """
    if not np.isfinite(estimate):
        return Interval(estimate, estimate, estimate, 0.0)
    bias = float(drawn.mean()) - estimate
    low, high = np.percentile(drawn, (tail, 100.0 - tail))
    if moved:
        low, high = max(0.0, low - bias), min(1.0, high - bias)
    # Where nearly all resamples are the same their mean, or rounding, may lie outside of them.
    return Interval(estimate, min(float(low), estimate), max(float(high), estimate), bias)


def _cells(prediction: Prediction, num_bins: int) -> _Cells:
    order = np.lexsort((prediction.correct, -prediction.confidence))
    confidence, correct = prediction.confidence[order], prediction.correct[order]
    index = bin_index(confidence, num_bins)
    starts_group = np.zeros(len(order), dtype=np.bool_)
    starts_group[first_of_falling_ties(confidence, ROUNDING)] = True
    if len(order) > MAX_CELLS:
        # Neighbours in rank become one group, but never across a bin's edge, nor a part of a group of ties.
        rank = np.cumsum(starts_group) * (MAX_CELLS // 2) // int(starts_group.sum() + 1)
        starts_group = np.concatenate(([True], (rank[1:] != rank[:-1]) | (index[1:] != index[:-1])))
        order = order[np.lexsort((correct, np.cumsum(starts_group)))]
        correct = prediction.correct[order]
        starts_cell = starts_group | np.concatenate(([True], correct[1:] != correct[:-1]))
    else:
        starts_cell = np.ones(len(order), dtype=np.bool_)
    groups, cells = np.flatnonzero(starts_group), np.flatnonzero(starts_cell)
    size = np.diff(np.append(cells, len(order))).astype(np.float64)
    sizes = np.diff(np.append(groups, len(order)))

    def moments(per_sample: Array) -> tuple[Array, Array]:
        ordered = per_sample[order]
        mean = np.add.reduceat(ordered, cells) / size
        spread = ordered - np.repeat(mean, size.astype(np.int64))
        return mean, np.add.reduceat(spread**2, cells) / size

    finite = np.where(np.isfinite(prediction.nll), prediction.nll, 0.0)  # an infinite mean has an infinite interval
    (nll, nll_variance), (brier, brier_variance) = moments(finite), moments(prediction.brier)
    mean_confidence = np.add.reduceat(prediction.confidence[order], groups) / sizes
    return _Cells(
        size=size,
        nll=nll,
        brier=brier,
        nll_variance=nll_variance,
        brier_variance=brier_variance,
        correct=correct[cells],
        first=np.searchsorted(cells, groups),
        confidence=mean_confidence,
        index=index[groups],
    )


def _draw(size: Array, resamples: int, random: np.random.Generator) -> Array:
    """(R, C) how many samples of each cell come in each resample; rows sum to the number of samples."""
    total = int(size.sum())
    if total > len(size):
        return random.multinomial(total, size / total, resamples).astype(np.float64)
    picked = random.integers(0, total, (resamples, total))
    picked += np.arange(resamples)[:, None] * total
    counts = np.bincount(picked.ravel(), minlength=resamples * total)
    return counts.reshape(resamples, total).astype(np.float64)


def _resampled(
    cells: _Cells, counts: Array, metrics: Sequence[str], num_bins: int, random: np.random.Generator
) -> dict[str, Array]:
    """(R,) values of each metric over the resamples."""
    total = float(counts[0].sum())
    weight = np.add.reduceat(counts, cells.first, axis=1)  # (R, G)
    right = np.add.reduceat(counts * cells.correct, cells.first, axis=1)
    gap = weight * cells.confidence - right
    result = {"accuracy": right.sum(1) / total, "confidence_gap": gap.sum(1) / total}
    for name, mean, variance in (
        ("nll", cells.nll, cells.nll_variance),
        ("brier", cells.brier, cells.brier_variance),
    ):
        # What varies within a cell has no count of its own; its sum over many samples is normal.
        noise = random.standard_normal(len(counts)) * np.sqrt(counts @ variance)
        result[name] = (counts @ mean + noise) / total
    # groups stand in order of confidence, so each bin is a run of them
    bins = np.flatnonzero(np.diff(cells.index, prepend=-1))
    count, apart = np.zeros((2, len(counts), num_bins))
    count[:, cells.index[bins]] = np.add.reduceat(weight, bins, axis=1)
    apart[:, cells.index[bins]] = np.abs(np.add.reduceat(gap, bins, axis=1))
    mean_gap = apart / np.where(count > 0, count, 1.0)
    result["ece"] = apart.sum(1) / total
    result["mce"] = mean_gap.max(1)
    result["rmsce"] = np.sqrt((apart * mean_gap).sum(1) / total)
    if "aurc" in metrics:
        result["aurc"] = _areas(weight, weight - right)
    if "ece_equal_mass" in metrics:
        result["ece_equal_mass"] = _equal_mass(weight, gap, num_bins)
    if "smece" in metrics:
        result["smece"] = np.array([_smooth(cells, *row) for row in zip(weight, right, strict=True)])
    return result


def _smooth(cells: _Cells, weight: Array, right: Array) -> float:
    held = np.flatnonzero(weight > 0)[::-1]
    return smooth_error(ConfidenceGroups(cells.confidence[held], weight[held], right[held], True))


def _areas(weight: Array, wrong: Array) -> Array:
    """(R,) AURC of each resample: the closed form of RiskCoverage.area, with a table of harmonic numbers."""
    total = round(float(weight[0].sum()))
    harmonic = np.concatenate(([0.0], np.cumsum(1.0 / np.arange(1, total + 1))))
    reached = np.cumsum(weight, 1)
    start = reached - weight
    before = np.cumsum(wrong, 1) - wrong
    rate = wrong / np.where(weight > 0, weight, 1.0)
    steps = harmonic[reached.astype(np.int64)] - harmonic[start.astype(np.int64)]
    return np.asarray((wrong.sum(1) + ((before - rate * start) * steps).sum(1)) / total)


def _equal_mass(weight: Array, gap: Array, num_bins: int) -> Array:
    """(R,) equal-mass ECE of each resample, cut as ``mass_bins`` cuts, all rows in one search."""
    resamples = len(weight)
    total = round(float(weight[0].sum()))
    # mass_bins cuts from the least confident end
    weight, gap = weight[:, ::-1], gap[:, ::-1]
    smaller, larger = divmod(total, num_bins)
    cuts = np.cumsum(np.where(np.arange(num_bins) < larger, smaller + 1.0, smaller))[:-1]
    reached = np.cumsum(weight, 1)
    summed = np.cumsum(gap, 1)
    offset = np.arange(resamples)[:, None] * (total + 1.0)
    place = np.searchsorted((reached + offset).ravel(), (cuts + offset).ravel(), side="left")
    past, ends = summed.ravel()[place], reached.ravel()[place]
    mass = np.where(weight > 0, weight, 1.0).ravel()[place]
    inside = past - gap.ravel()[place] * (ends - np.tile(cuts, resamples)) / mass
    edges = np.zeros((resamples, num_bins + 1))
    edges[:, 1:-1] = inside.reshape(resamples, -1)
    edges[:, -1] = summed[:, -1]
    return np.asarray(np.abs(np.diff(edges, axis=1)).sum(1) / total)
