"""Bins of confidence: equal width with a closed last bin, or equal mass with ties shared out or kept whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from smoothlab.errors import InvalidArgument
from smoothlab.metrics.groups import ConfidenceGroups, group
from smoothlab.metrics.inputs import Array, reads
from smoothlab.metrics.prediction import Prediction
from smoothlab.numbers import check_whole

Scheme = Literal["width", "mass"]


@dataclass(frozen=True)
class ReliabilityBins:
    """What a reliability diagram draws; all arrays have one entry a bin.

    An empty bin has weight 0 and NaN for its means.
    """

    lower: Array  # (B,) left edge, inside the bin
    upper: Array  # (B,) right edge, outside the bin except for the last one
    count: Array  # (B,) summed weight: the number of samples where none are weighted
    confidence: Array  # (B,) mean confidence
    accuracy: Array  # (B,) mean correctness

    @property
    def gap(self) -> Array:
        """(B,) mean confidence less accuracy: positive is over-confident; 0 in an empty bin."""
        return np.where(self.count > 0, self.confidence - self.accuracy, 0.0)

    @property
    def share(self) -> Array:
        """(B,) each bin's share of the samples."""
        return np.asarray(self.count / self.count.sum())


def check_bins(num_bins: int) -> None:
    """Refuse anything but a positive whole number of bins."""
    check_whole("num_bins", num_bins, 1)


def bin_index(confidence: Array, num_bins: int) -> NDArray[np.int64]:
    """The equal-width bin of each confidence: bin b holds [b / B, (b + 1) / B), the last one 1.0 as well.

    The product alone can round across an edge, so it is compared with the edges as floats: a confidence equal
    to the float b / B is always in bin b.
    """
    index = (confidence * num_bins).astype(np.int64)
    index -= confidence < index / num_bins
    index += confidence >= (index + 1) / num_bins
    return np.clip(index, 0, num_bins - 1)


def sums_at(index: NDArray[np.int64], mass: Array, size: int) -> Array:
    """(size,) summed mass at each index, in float64 also where there is none: numpy's bincount of nothing is int64."""
    return np.bincount(index, mass, size).astype(np.float64, copy=False)


def from_sums(sums: Array, lower: Array, upper: Array) -> ReliabilityBins:
    """Bins from (3, B) sums of weight, weighted confidence and weighted correctness."""
    count, confidence, correct = sums
    filled = count > 0
    safe = np.where(filled, count, 1.0)
    means = [np.where(filled, total / safe, np.nan) for total in (confidence, correct)]
    return ReliabilityBins(lower, upper, count, means[0], means[1])


def width_bins(confidence: Array, correct: Array, weights: Array, num_bins: int) -> ReliabilityBins:
    """Equal-width bins over [0, 1]."""
    index = bin_index(confidence, num_bins)
    masses = (weights, weights * confidence, weights * correct)
    sums = np.stack([sums_at(index, mass, num_bins) for mass in masses])
    edges = np.arange(num_bins + 1) / num_bins
    return from_sums(sums, edges[:-1], edges[1:])


def _mass_cuts(groups: ConfidenceGroups, num_bins: int) -> Array:
    """(B + 1,) where bins of equal weight begin and end on the scale of cumulated weight.

    Whole weights are cut as ``numpy.array_split`` cuts copies: the first bins get one more where the number does not
    divide, and bins beyond the number of samples stay empty. Other weights are cut at equal shares.
    """
    total = groups.total
    if not groups.integral:
        return np.linspace(0.0, total, num_bins + 1)
    smaller, larger = divmod(round(total), num_bins)
    sizes = np.full(num_bins, float(smaller))
    sizes[:larger] += 1.0
    return np.concatenate(([0.0], np.cumsum(sizes)))


def mass_bins(groups: ConfidenceGroups, num_bins: int) -> ReliabilityBins:
    """Bins of equal weight over the ranked samples.

    A group of ties that a cut goes through gives both sides its mean, so the order of ties does not matter. Such bins
    share samples: where bins must be independent, take :func:`whole_tie_bins`.
    """
    cuts = _mass_cuts(groups, num_bins)
    reached = np.concatenate(([0.0], np.cumsum(groups.weight)))
    cuts[-1] = reached[-1]
    confident = np.concatenate(([0.0], np.cumsum(groups.weight * groups.confidence)))
    correct = np.concatenate(([0.0], np.cumsum(groups.correct)))
    sums = np.stack([np.diff(np.interp(cuts, reached, run)) for run in (reached, confident, correct)])
    last = len(groups.confidence) - 1
    first_inside = np.searchsorted(reached, cuts[:-1], side="right") - 1
    last_inside = np.searchsorted(reached, cuts[1:], side="left") - 1
    lower = groups.confidence[np.clip(first_inside, 0, last)]
    upper = groups.confidence[np.clip(last_inside, 0, last)]
    return from_sums(sums, lower, upper)


def whole_tie_bins(groups: ConfidenceGroups, num_bins: int) -> ReliabilityBins:
    """Bins of about equal weight that share no sample: a group of ties is in the bin in which its middle lies.

    Without ties they are those of :func:`mass_bins`. With them a bin may hold more than its share, and others none.
    """
    middle = np.cumsum(groups.weight) - groups.weight / 2.0
    index = np.searchsorted(_mass_cuts(groups, num_bins)[1:-1], middle, side="right")
    masses = (groups.weight, groups.weight * groups.confidence, groups.correct)
    sums = np.stack([sums_at(index, mass, num_bins) for mass in masses])
    last = len(index) - 1
    lower = groups.confidence[np.clip(np.searchsorted(index, np.arange(num_bins)), 0, last)]
    upper = groups.confidence[np.clip(np.searchsorted(index, np.arange(num_bins), side="right") - 1, 0, last)]
    return from_sums(sums, lower, upper)


def bins_of(
    confidence: Array, correct: Array, weights: Array, num_bins: int, scheme: Scheme, *, whole_ties: bool = False
) -> ReliabilityBins:
    """Bins of the named scheme over pairs of confidence and correctness; by mass with ties shared out, or whole."""
    check_bins(num_bins)
    if scheme == "width":
        return width_bins(confidence, correct, weights, num_bins)
    if scheme == "mass":
        return (whole_tie_bins if whole_ties else mass_bins)(group(confidence, correct, weights), num_bins)
    raise InvalidArgument("scheme", scheme, '"width" or "mass"')


def binned(
    prediction: Prediction, num_bins: int, scheme: Scheme = "width", *, whole_ties: bool = False
) -> ReliabilityBins:
    """Bins of the predicted class, as :func:`bins_of` makes them."""
    return bins_of(
        prediction.confidence, prediction.correct, prediction.weights, num_bins, scheme, whole_ties=whole_ties
    )


@reads(Prediction.of)
def reliability_bins(prediction: Prediction, *, num_bins: int = 15, scheme: Scheme = "width") -> ReliabilityBins:
    """Per bin of confidence: count, mean confidence, accuracy - what a reliability diagram draws.

    Args:
        values: ``(..., K)`` probabilities or logits.
        labels: ``(...)`` class indices, or ``(..., K)`` votes, whose mode is the label.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0.
        mask: ``(...)`` bools, False where a position does not count.
        num_bins: how many bins.
        scheme: ``"width"``: [b/B, (b+1)/B), 1.0 in the last one; ``"mass"``: equally many samples a bin.

    Source: DeGroot and Fienberg, The Statistician 1983; Guo et al., ICML 2017.
    """
    return binned(prediction, num_bins, scheme)
