"""Runs that have as many test samples and classes, judged in one pass: a few large operations in place of many small.

All arrays are of R runs with N samples and K classes each, without weights.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from smoothlab.metrics.bins import bin_index, sums_at
from smoothlab.metrics.calibration_error import classwise_errors
from smoothlab.metrics.correctness import f1_from_counts
from smoothlab.metrics.inputs import Array
from smoothlab.metrics.prediction import Prediction
from smoothlab.statistics import resample_counts
from smoothlab.ties import ROUNDING, first_of_ties

Number = TypeVar("Number", bound=np.generic)
BLOCKS = 256  # samples are resampled in so many groups at most
RESAMPLES = 300


class Stack:
    """The predictions of R runs.

    Args:
        prediction: of the runs' samples, run by run: ``R * N`` rows.
        runs: R.
    """

    def __init__(self, prediction: Prediction, runs: int) -> None:
        self._prediction = prediction
        self.runs, self.classes = runs, prediction.num_classes
        self.samples = len(prediction.confidence) // runs
        self.labels: NDArray[np.int64] = self._by_run(prediction.labels.numpy())
        self.predicted: NDArray[np.int64] = self._by_run(prediction.predicted.numpy())
        self.confidence, self.correct = self._by_run(prediction.confidence), self._by_run(prediction.correct)
        self.nll, self.brier = self._by_run(prediction.nll), self._by_run(prediction.brier)
        self.gap = self.confidence - self.correct

    def values(self, num_bins: int) -> dict[str, Array]:
        """(R,) each metric: NLL, Brier score, accuracy, macro F1, both ECEs, confidence gap, AURC."""
        return {
            "nll": self.nll.mean(1) + 0.0,  # and never -0.0
            "brier": self.brier.mean(1),
            "accuracy": self.correct.mean(1),
            "macro_f1": np.nanmean(self._f1, 1),
            "ece": self._error(self.width_sums(num_bins)),
            "ece_equal_mass": self._equal_mass_error(num_bins),
            "confidence_gap": self.gap.mean(1) + 0.0,
            "aurc": self.risk.mean(1),
        }

    def noise(self, num_bins: int) -> dict[str, Array]:
        """(R, B) each metric's error over resampled test samples (see :class:`smoothlab.reports.evidence.Evidence`).

        Means have the noise of the bootstrap with endless resamples, AURC and macro F1 that of their influence
        functions (the infinitesimal jackknife), in blocks where samples are many. A binned error is no smooth function
        of its samples where a bin is calibrated, and is resampled.
        """
        smooth = {
            "nll": self.nll,
            "brier": self.brier,
            "accuracy": self.correct,
            "macro_f1": self.influence_on_macro_f1,
            "confidence_gap": self.gap,
            "aurc": self.influence_on_aurc,
        }
        noise = {name: self._in_blocks(influence) for name, influence in smooth.items()}
        own = np.arange(self.gap.size)
        binned = {
            "ece": self._resampled(own, bin_index(self.confidence.ravel(), num_bins), self.gap.ravel(), num_bins),
            "ece_equal_mass": self._resampled(*self._shares_of_mass_bins(num_bins), num_bins),
        }
        return noise | binned

    def width_sums(self, num_bins: int) -> Array:
        """(R, 3, B) of bins of equal width: how many samples, summed confidence, how many right."""
        place = self._place(bin_index(self.confidence, num_bins), num_bins)
        masses = (np.ones(place.size), self.confidence.ravel(), self.correct.ravel())
        sums = [sums_at(place, mass, self.runs * num_bins).reshape(self.runs, num_bins) for mass in masses]
        return np.stack(sums, 1)

    def curve(self, points: int) -> Array:
        """(R, P) the error rate among the most confident share 1/P, 2/P, ... 1."""
        accepted = np.linspace(0.0, self.samples, points + 1)[1:]
        errors = np.concatenate([np.zeros((self.runs, 1)), np.cumsum(self._error_of_ties, 1)], 1)
        below = np.minimum(accepted.astype(np.int64), self.samples - 1)
        reached = errors[:, below] + (accepted - below) * (errors[:, below + 1] - errors[:, below])
        return np.asarray(reached / accepted)

    def of_classes(self, num_bins: int) -> dict[str, Array]:
        """(R, K) each: how often a class is the label, what is made of it, how far its probability can be trusted."""
        hits, predicted, labelled = self._counts
        share = labelled / self.samples
        mean = self._by_run(self._prediction.probabilities.numpy()).mean(1)
        precision = _ratio(hits, predicted)
        confidence = _ratio(self._of_classes(self.predicted, self.confidence), predicted)
        return {
            "samples": labelled,
            "share": share,
            "predicted": predicted,
            "mean_probability": mean,
            "probability_gap": mean - share,
            "ece": classwise_errors(self._prediction, num_bins, self.runs),
            "nll": _ratio(self._of_classes(self.labels, self.nll), labelled),
            "precision": precision,
            "recall": _ratio(hits, labelled),
            "f1": self._f1,
            "confidence": confidence,
            "confidence_gap": confidence - precision,
        }

    @cached_property
    def risk(self) -> Array:
        """(R, N) the expected error rate among the i most confident samples, i = 1..N; ties in any order."""
        return np.asarray(np.cumsum(self._error_of_ties, 1) / np.arange(1, self.samples + 1))

    @cached_property
    def influence_on_aurc(self) -> Array:
        """(R, N) the derivative of the area under the risk-coverage curve by each sample's weight; ties share theirs.

        With R_i the risk of the i most confident ones, a sample k adds R_k at its own coverage and (error_k - R_i) / i
        at each one after.
        """
        accepted = np.arange(1, self.samples + 1)
        later_weight = np.cumsum((1.0 / accepted)[::-1])[::-1]
        later_risk = np.cumsum((self.risk / accepted)[:, ::-1], 1)[:, ::-1]
        # What ties add is known of their mean alone, and each place among them is as likely for each.
        own, weight, after = (
            self._mean_of_ties(np.broadcast_to(part, self.gap.shape)[:, ::-1])
            for part in (self.risk, later_weight, later_risk)
        )
        influence = np.empty(self.gap.size)
        influence[self._rising] = (own - after).ravel() + (1.0 - self.correct.ravel()[self._rising]) * weight.ravel()
        return influence.reshape(self.gap.shape)

    @cached_property
    def influence_on_macro_f1(self) -> Array:
        """(R, N) the derivative of the mean of 2 h_k / d_k by each sample's weight; d_k predictions and labels."""
        _, named, labelled = self._counts
        seen = named + labelled
        known = np.where(seen > 0, self._f1, 0.0)
        scale = self.samples / np.maximum((seen > 0).sum(1, keepdims=True), 1)
        share = 1.0 / np.where(seen > 0, seen, 1.0)
        of_label, of_predicted = (
            [np.take_along_axis(part, index, 1) for part in (share, known * share)]
            for index in (self.labels, self.predicted)
        )
        return np.asarray(scale * (2.0 * self.correct * of_label[0] - of_label[1] - of_predicted[1]))

    @cached_property
    def _rising(self) -> NDArray[np.int64]:
        """(R * N,) the samples of each run in rising order of confidence, as places among all."""
        order = np.argsort(self.confidence, axis=1, kind="stable")
        return np.asarray((order + self.samples * np.arange(self.runs)[:, None]).ravel())

    @cached_property
    def _ties(self) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Where each group of ties begins in rising order, and how many samples it has."""
        ranked = self.confidence.ravel()[self._rising].reshape(self.gap.shape)
        first = first_of_ties(ranked, ROUNDING)
        return first, np.diff(np.append(first, ranked.size))

    def _mean_of_ties(self, rising: Array) -> Array:
        """(R, N) numbers in rising order of confidence, each the mean of its group of ties."""
        first, sizes = self._ties
        if len(first) == rising.size:
            return rising
        return np.repeat(np.add.reduceat(rising.ravel(), first) / sizes, sizes).reshape(rising.shape)

    @cached_property
    def _error_of_ties(self) -> Array:
        """(R, N) the error of each sample from the most to the least confident, ties shared out."""
        errors = (1.0 - self.correct.ravel()[self._rising]).reshape(self.gap.shape)
        return self._mean_of_ties(errors)[:, ::-1]

    @cached_property
    def _counts(self) -> tuple[Array, Array, Array]:
        """(R, K) each: right predictions, predictions, labels."""
        ones = np.ones(self.gap.shape)
        parts = (self.labels, self.correct), (self.predicted, ones), (self.labels, ones)
        hits, named, labelled = (self._of_classes(index, mass) for index, mass in parts)
        return hits, named, labelled

    @cached_property
    def _f1(self) -> Array:
        return f1_from_counts(*self._counts)

    def _of_classes(self, index: NDArray[np.int64], mass: Array) -> Array:
        """(R, K) summed mass of the samples of each class."""
        sums = sums_at(self._place(index, self.classes), mass.ravel(), self.runs * self.classes)
        return sums.reshape(self.runs, self.classes)

    def _place(self, index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        """(R * N,) an index below ``size`` in each run, as a place among all runs'."""
        return np.asarray((index + size * np.arange(self.runs)[:, None]).ravel())

    def _error(self, sums: Array) -> Array:
        return np.asarray(np.abs(sums[:, 1] - sums[:, 2]).sum(1) / self.samples)

    def _equal_mass_error(self, num_bins: int) -> Array:
        """(R,) the ECE over bins cut as ``numpy.array_split`` cuts; a group of ties gives both sides its mean."""
        smaller, larger = divmod(self.samples, num_bins)
        cuts = np.concatenate([[0], np.cumsum(smaller + (np.arange(num_bins) < larger))])
        gaps = self._mean_of_ties(self.gap.ravel()[self._rising].reshape(self.gap.shape))
        reached = np.concatenate([np.zeros((self.runs, 1)), np.cumsum(gaps, 1)], 1)[:, cuts]
        return np.asarray(np.abs(np.diff(reached, axis=1)).sum(1) / self.samples)

    def _shares_of_mass_bins(self, num_bins: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
        """Which samples are in which bins of equal mass, ``(M,)`` each, and their gaps times the share in it."""
        first, sizes = self._ties
        start = first % self.samples
        begin, end = (np.repeat(place, sizes) * (num_bins / self.samples) for place in (start, start + sizes))
        lowest = np.minimum(np.floor(begin + 1e-9), num_bins - 1).astype(np.int64)
        many = np.maximum(np.ceil(end - 1e-9).astype(np.int64) - lowest, 1)
        ranked = np.repeat(np.arange(len(many)), many)
        index = lowest[ranked] + np.arange(len(ranked)) - np.repeat(np.cumsum(many) - many, many)
        within = np.minimum(end[ranked], index + 1.0) - np.maximum(begin[ranked], index)
        sample = self._rising[ranked]
        return sample, index, within / (end - begin)[ranked] * self.gap.ravel()[sample]

    @property
    def _blocks(self) -> int:
        return min(self.samples, BLOCKS)

    def _in_blocks(self, influence: Array) -> Array:
        """(R, B) the noise that the derivatives by each sample's weight, (R, N), give."""
        blocks = self._blocks
        filled = np.zeros((self.runs, -(-self.samples // blocks) * blocks))
        filled[:, : self.samples] = influence - influence.mean(1, keepdims=True)
        summed = filled.reshape(self.runs, -1, blocks).sum(1)
        return np.asarray(summed / self.samples * np.sqrt(blocks / max(blocks - 1, 1)))

    def _resampled(self, sample: NDArray[np.int64], index: NDArray[np.int64], gaps: Array, num_bins: int) -> Array:
        """(R, RESAMPLES) the noise of a binned error, from gaps of samples and the bins that they are in."""
        blocks = self._blocks
        run, within = np.divmod(sample, self.samples)
        place = (run * blocks + within % blocks) * num_bins + index
        summed = sums_at(place, gaps, self.runs * blocks * num_bins).reshape(self.runs, blocks, num_bins)
        drawn = np.stack([np.abs(_resamples(blocks) @ of_run).sum(1) for of_run in summed]) / self.samples
        return np.asarray((drawn - drawn.mean(1, keepdims=True)) / np.sqrt(RESAMPLES - 1))

    def _by_run(self, values: NDArray[Number]) -> NDArray[Number]:
        return values.reshape(self.runs, -1, *values.shape[1:])


def _ratio(above: Array, below: Array) -> Array:
    return np.asarray(np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0))


@lru_cache(maxsize=8)
def _resamples(blocks: int) -> NDArray[np.float64]:
    """The same resamples for all runs of as many samples, so that errors which they share are seen as shared."""
    return resample_counts(blocks, RESAMPLES, 0)
