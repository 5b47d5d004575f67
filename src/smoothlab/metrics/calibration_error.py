"""Binned calibration errors of the predicted class: ECE, MCE, root-mean-square, debiased."""

from __future__ import annotations

import numpy as np

from smoothlab.metrics.bins import (
    ReliabilityBins,
    Scheme,
    bin_index,
    binned,
    bins_of,
    check_bins,
    sums_at,
)
from smoothlab.metrics.inputs import Array, reads
from smoothlab.metrics.prediction import Prediction


def expected_error(bins: ReliabilityBins) -> float:
    """Sum over bins of their share times the distance of confidence and accuracy."""
    return float(bins.share @ np.abs(bins.gap))


def maximum_error(bins: ReliabilityBins) -> float:
    """The largest distance of confidence and accuracy over the bins that hold samples."""
    return float(np.abs(bins.gap).max())


def squared_error(bins: ReliabilityBins) -> float:
    """Sum over bins of their share times the squared distance."""
    return float(bins.share @ bins.gap**2)


def debiased_squared_error(bins: ReliabilityBins) -> float:
    """Squared error less what chance adds to it; a bin with one sample has no variance and counts nothing.

    The bins must share no sample: what chance adds is taken off for each as if it were alone.
    """
    several = bins.count > 1
    accuracy = bins.accuracy[several]
    chance = accuracy * (1.0 - accuracy) / (bins.count[several] - 1.0)
    return float(bins.share[several] @ (bins.gap[several] ** 2 - chance))


@reads(Prediction.of)
def ece(prediction: Prediction, *, num_bins: int = 15) -> float:
    """Expected calibration error of the predicted class over bins of equal width, in [0, 1]; 0 is best.

    ECE = sum_b n_b / N * |accuracy_b - confidence_b|, with bin b = [b/B, (b+1)/B) and 1.0 in the last bin.
    It is biased upwards at small N (see ``ece_bias``) and hides the sign (see ``confidence_gap``).

    Args:
        values: ``(..., K)`` probabilities or logits.
        labels: ``(...)`` class indices, or ``(..., K)`` votes, whose mode is the label.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0; like that many copies of the sample.
        mask: ``(...)`` bools, False where a position does not count.
        num_bins: 15 here and in most papers; torchmetrics and netcal default to others.

    Raises:
        InvalidArgument: NaN, a label outside [0, K), rows that are no distributions.

    Others: torchmetrics 1.9 puts confidence 1.0 into a bin of its own (as relplot's binnedECE does), takes
    logits between 0 and 1 for probabilities and sums in float32; given two columns, netcal scores the second
    column against the label, not the predicted class. With bins closed on the right, a confidence on an edge
    falls one bin lower.

    Source: Naeini et al., AAAI 2015; Guo et al., ICML 2017.
    """
    return expected_error(binned(prediction, num_bins))


@reads(Prediction.of)
def ece_equal_mass(prediction: Prediction, *, num_bins: int = 15) -> float:
    """Expected calibration error over bins of equally many samples ("adaptive" ECE), in [0, 1]; 0 is best.

    Arguments and formula as in :func:`ece`; the ranked samples are cut as ``numpy.array_split`` cuts them,
    and ties across a cut are shared out, so that their order does not matter.

    Others: torch-uncertainty returns NaN with fewer samples than bins, netcal fails when quantiles coincide,
    both and verified_calibration depend on the order of ties.

    Source: Nguyen and O'Connor, EMNLP 2015; Nixon et al., CVPR workshops 2019.
    """
    return expected_error(binned(prediction, num_bins, "mass"))


@reads(Prediction.of)
def mce(prediction: Prediction, *, num_bins: int = 15) -> float:
    """Maximum calibration error: the largest |accuracy_b - confidence_b| over bins of equal width, in [0, 1].

    Arguments as in :func:`ece`. Empty bins count as 0. A bin with a single sample can decide it, so read it
    only beside the counts.

    Source: Naeini et al., AAAI 2015.
    """
    return maximum_error(binned(prediction, num_bins))


@reads(Prediction.of)
def ace(prediction: Prediction, *, num_bins: int = 15) -> float:
    """Average calibration error: the plain mean of |accuracy_b - confidence_b| over filled bins.

    Arguments as in :func:`ece`. The name is also used for *adaptive* errors, which is :func:`ece_equal_mass`.

    Source: Neumann et al., 2018; as "ACE" in netcal.
    """
    bins = binned(prediction, num_bins)
    return float(np.abs(bins.gap[bins.count > 0]).mean())


@reads(Prediction.of)
def rmsce(prediction: Prediction, *, num_bins: int = 15, scheme: Scheme = "width") -> float:
    """Root-mean-square calibration error: sqrt(sum_b n_b / N * (accuracy_b - confidence_b)^2), in [0, 1].

    Arguments as in :func:`ece`; ``scheme="mass"`` takes bins of equally many samples, as verified_calibration
    and torch-uncertainty's adaptive form do, where torchmetrics' ``norm="l2"`` has equal width.

    Source: Hendrycks et al., ICLR 2019; Kumar et al., NeurIPS 2019.
    """
    bins = binned(prediction, num_bins, scheme)
    return float(np.sqrt(squared_error(bins)))


@reads(Prediction.of)
def rmsce_debiased(prediction: Prediction, *, num_bins: int = 15, scheme: Scheme = "mass") -> float:
    """Root-mean-square calibration error less the part that chance adds, in [0, 1].

    sqrt(max(0, sum_b n_b / N * [(accuracy_b - confidence_b)^2 - accuracy_b (1 - accuracy_b) / (n_b - 1)])).
    Arguments as in :func:`ece`. Bins with a single sample count nothing. Bins of equal mass keep ties whole, since
    what chance adds is known of independent bins only: a group of ties is in the bin in which its middle lies.

    Others: verified_calibration's bins are those here where nothing ties; where ties lie across a cut, it takes all
    samples up to the confidence at the cut.

    Source: Kumar et al., NeurIPS 2019 (verified_calibration), there with bins of equal mass, the default
    here too.
    """
    bins = binned(prediction, num_bins, scheme, whole_ties=True)
    return float(np.sqrt(max(0.0, debiased_squared_error(bins))))


def classwise_bins(prediction: Prediction, num_bins: int, scheme: Scheme = "width") -> list[ReliabilityBins]:
    """One-against-the-rest bins of each class: its probability against whether it is the label; ties stay whole."""
    probabilities, outcomes = (
        prediction.probabilities.T.contiguous().numpy(),
        prediction.outcomes.T.contiguous().numpy(),
    )
    return [
        bins_of(probability, outcome, prediction.weights, num_bins, scheme, whole_ties=True)
        for probability, outcome in zip(probabilities, outcomes, strict=True)
    ]


def classwise_errors(prediction: Prediction, num_bins: int, runs: int = 1) -> Array:
    """(runs, K) the equal-width ECE of each class against the rest, in each of so many parts of as many samples.

    Rows sum to 1, so few entries reach the second bin: those are binned one by one, and the first bin is what is left
    of each class's total.
    """
    classes = prediction.num_classes
    size = runs * classes * num_bins
    probability, weights, labels = prediction.probabilities.numpy(), prediction.weights, prediction.labels.numpy()
    base = np.repeat(np.arange(runs) * classes, len(labels) // runs)  # (N,) where the part's classes begin
    row, column = np.divmod(np.flatnonzero(probability >= 1.0 / num_bins), classes)
    listed = probability[row, column]
    place = (base[row] + column) * num_bins + bin_index(listed, num_bins)
    gaps = sums_at(place, weights[row] * listed, size).reshape(runs, classes, num_bins)
    by_run = weights.reshape(runs, 1, -1)
    gaps[..., 0] += (by_run @ probability.reshape(runs, -1, classes))[:, 0] - gaps.sum(2)
    own = bin_index(probability[np.arange(len(labels)), labels], num_bins)
    gaps -= sums_at((base + labels) * num_bins + own, weights, size).reshape(gaps.shape)
    return np.asarray(np.abs(gaps).sum(2) / by_run.sum(2))


@reads(Prediction.of)
def ece_classwise(prediction: Prediction, *, num_bins: int = 15) -> float:
    """Class-wise (static, marginal) calibration error: the mean over classes of class k's ECE.

    (1/K) sum_k sum_b n_kb / N * |frequency_kb - probability_kb|, each class against the rest; every class
    counts the same, absent ones included. Arguments as in :func:`ece`. At large K nearly all mass is in the
    lowest bin, and the value is small for any model.

    Others: thresholded variants leave out small probabilities (Nixon et al., 2019); torchmetrics has none.

    Source: Nixon et al., CVPR workshops 2019 (SCE); Kull et al., NeurIPS 2019.
    """
    check_bins(num_bins)
    return float(classwise_errors(prediction, num_bins).mean())


@reads(Prediction.of)
def rmsce_classwise_debiased(prediction: Prediction, *, num_bins: int = 15, scheme: Scheme = "mass") -> float:
    """Debiased root-mean-square error over classes: sqrt(max(0, mean_k of class k's debiased squared error)).

    Arguments as in :func:`rmsce_debiased`. A class's debiased square may be negative, and then takes off from the mean
    what chance adds to the others.

    Others: the "marginal" mode of verified_calibration (0.1.4) sets each class's negative square to 0 before the mean:
    the same where no class has one, more elsewhere. On 500 rows of a calibrated model with three classes: 0.032
    against 0.022 here, 0.009 against 0.

    Source: Kumar et al., NeurIPS 2019.
    """
    errors = [debiased_squared_error(bins) for bins in classwise_bins(prediction, num_bins, scheme)]
    return float(np.sqrt(max(0.0, float(np.mean(errors)))))
