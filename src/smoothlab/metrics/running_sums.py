"""Sums over samples, fixed in size, from which all classification metrics follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from smoothlab.metrics.binned_scores import calibration_scores
from smoothlab.metrics.bins import ReliabilityBins, bin_index, from_sums, sums_at
from smoothlab.metrics.correctness import f1_from_counts
from smoothlab.metrics.groups import ConfidenceGroups, whole
from smoothlab.metrics.inputs import Array, Batch
from smoothlab.metrics.row_sums import RowSums, row_sums
from smoothlab.metrics.selective import RiskCoverage
from smoothlab.metrics.sketch import append, ranked
from smoothlab.metrics.summary import NAMES, OF_PREDICTED

TOTALS = ("weight", "nll", "brier", "confidence", "correct", "filled", "fractional", "rows")


class RunningSums:
    """Named views into two arrays that belong to someone else (the states of a torchmetrics.Metric).

    - ``sums``, a flat array that adds up over ranks: totals, bins of confidence, counts by class, bins of
      each class's probability;
    - ``table`` (3, CAPACITY), the ranked summary of ``smoothlab.metrics.sketch``, for what depends on the
      ranking: exact while all samples fit.

    With ``num_classes`` 0 nothing is counted by class.
    """

    def __init__(self, sums: Array, table: Array, num_classes: int, num_bins: int) -> None:
        self.num_classes, self.num_bins = num_classes, num_bins
        shapes = {
            "totals": (len(TOTALS),),
            "bins": (num_bins, 3),  # weight, confidence, correct
            "classes": (3, num_classes),  # right predictions, predictions, labels
            "classwise": (3, num_classes, num_bins),  # weight, probability, is the label
        }
        views, start = {}, 0
        for name, shape in shapes.items():
            stop = start + int(np.prod(shape))
            views[name] = sums[start:stop].reshape(shape)
            start = stop
        self.totals, self.bins, self.classes = views["totals"], views["bins"], views["classes"]
        self.classwise = views["classwise"]
        self.table = table

    @staticmethod
    def length(num_classes: int, num_bins: int) -> int:
        """How many numbers ``sums`` has."""
        return len(TOTALS) + 3 * (num_bins + num_classes + num_classes * num_bins)

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        reduced = row_sums(batch, edge=1.0 / self.num_bins if self.num_classes else 2.0)
        labels = batch.labels.cpu().numpy()
        weights = np.ones(len(batch)) if batch.weights is None else batch.weights
        correct = (reduced.predicted == labels).astype(np.float64)
        columns = np.stack((weights, weights * reduced.confidence, weights * correct))

        self.totals[0] += columns[0].sum()
        self.totals[1] += weights @ reduced.nll
        self.totals[2] += weights @ reduced.brier
        self.totals[3] += columns[1].sum()
        self.totals[4] += columns[2].sum()
        self.totals[6] += not whole(batch.weights)
        self.totals[7] += len(batch)
        self._add_by(self.bins, bin_index(reduced.confidence, self.num_bins), columns)
        if self.num_classes:
            self.classes[0] += sums_at(labels, columns[2], self.num_classes)
            self.classes[1] += sums_at(reduced.predicted, weights, self.num_classes)
            self.classes[2] += sums_at(labels, weights, self.num_classes)
            self._add_classwise(reduced, labels, weights)
        new = np.stack((weights, reduced.confidence, columns[2]))
        self.totals[5] = append(self.table, int(self.totals[5]), new)

    @staticmethod
    def _add_by(sums: Array, index: NDArray[np.int64], columns: Array) -> None:
        for i, column in enumerate(columns):
            sums[:, i] += sums_at(index, column, len(sums))

    def _add_classwise(self, reduced: RowSums, labels: NDArray[np.int64], weights: Array) -> None:
        """Add each class's probabilities to its bins.

        Only entries above the first edge are binned; the first bin gets what is left of each class's total.
        """
        classes = np.concatenate((reduced.predicted, reduced.entry_class))
        probability = np.concatenate((reduced.confidence, reduced.entry_probability))
        mass = np.concatenate((weights, weights[reduced.entry_row]))
        size = self.num_classes * self.num_bins
        place = classes * self.num_bins + bin_index(probability, self.num_bins)
        shape = (self.num_classes, self.num_bins)
        count = sums_at(place, mass, size).reshape(shape)
        summed = sums_at(place, mass * probability, size).reshape(shape)
        # An entry exactly at the edge may have been listed in lower precision: whatever bin it went to, it is
        # counted.
        total = reduced.class_mass + sums_at(reduced.predicted, weights * reduced.confidence, self.num_classes)
        count[:, 0] += weights.sum() - count.sum(1)
        summed[:, 0] += total - summed.sum(1)
        self.classwise[0] += count
        self.classwise[1] += summed
        own = labels * self.num_bins + bin_index(reduced.label_probability, self.num_bins)
        self.classwise[2] += sums_at(own, weights, size).reshape(shape)

    def groups(self) -> ConfidenceGroups:
        """Samples, or atoms of neighbours, ranked by confidence."""
        groups = ranked(self.table, bool(self.totals[6] == 0))
        if groups.integral:
            return groups
        scale = self.totals[7] / self.totals[0]  # as ``scaled`` does for the exact metrics
        return replace(groups, weight=groups.weight * scale, correct=groups.correct * scale)

    def reliability_bins(self) -> ReliabilityBins:
        """Equal-width bins of the confidence."""
        edges = np.arange(self.num_bins + 1) / self.num_bins
        return from_sums(self.bins.T, edges[:-1], edges[1:])

    def metrics(self) -> dict[str, float]:
        """Metrics of ``summary.NAMES``, those of the predicted class where none is counted; NaN where nothing was."""
        names = NAMES if self.num_classes else OF_PREDICTED
        weight, nll, brier, confidence, correct = self.totals[:5]
        if weight <= 0:
            return dict.fromkeys(names, float("nan"))
        bins = self.reliability_bins()
        groups = self.groups()
        scores = {
            "nll": float(nll / weight) + 0.0,
            "accuracy": float(correct / weight),
            **calibration_scores(bins, groups),
            "brier": float(brier / weight),
            "confidence_gap": float((confidence - correct) / weight),
            "aurc": RiskCoverage(groups).area(),
        }
        if self.num_classes:
            # |sum of probabilities - sum of outcomes| / N is share x gap, summed over bins, averaged over classes
            apart = np.abs(self.classwise[1] - self.classwise[2]).sum(1) / weight
            scores["macro_f1"] = float(np.nanmean(f1_from_counts(*self.classes)))
            scores["ece_classwise"] = float(apart.mean())
        return {name: scores[name] for name in names}
