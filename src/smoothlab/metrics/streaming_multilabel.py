"""Binary and multi-label metrics as a torchmetrics.Metric, whose states do not grow with the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.metrics.bins import bin_index, check_bins, from_sums, sums_at
from smoothlab.metrics.groups import whole
from smoothlab.metrics.multilabel import NAMES, Cells, read_cells, scores_of
from smoothlab.metrics.sketch import append, ranked
from smoothlab.metrics.streaming import StreamingMetric, side_by_side
from smoothlab.numbers import check_whole


class MultilabelMetrics(StreamingMetric):
    """All metrics of :func:`multilabel_metrics`, batch by batch and over ranks; one label is the binary case.

    Exactness and states as in ``ClassificationMetrics``, with decisions in the place of samples.

    Args:
        num_labels: L.
        num_bins: bins of the binned calibration errors.
        from_logits: whether ``values`` are logits; never guessed.
        kwargs: those of torchmetrics.Metric.
    """

    full_state_update = True  # the tables of two halves cannot be joined by a sum

    totals: Tensor  # weight, nll, brier, right, probability, outcome, rows, right rows, fractional weights
    labels: Tensor  # (3, L) hits, positive decisions, positive outcomes
    bins: Tensor  # (L, B, 3) weight, probability, outcome
    table: Tensor
    filled: Tensor

    def __init__(self, num_labels: int, num_bins: int = 15, from_logits: bool = True, **kwargs: Any) -> None:
        super().__init__(from_logits, **kwargs)
        check_whole("num_labels", num_labels, 1)
        check_bins(num_bins)
        self.num_labels, self.num_bins = num_labels, num_bins
        self.add_sums(totals=(9,), labels=(3, num_labels), bins=(num_labels, num_bins, 3), filled=(1,))
        self.add_table()

    def update(self, values: Any, labels: Any, sample_weight: Any = None, mask: Any = None) -> None:
        """Count a batch; arguments as in :func:`multilabel_metrics`."""
        cells = read_cells(values, labels, from_logits=self.from_logits, sample_weight=sample_weight, mask=mask)
        if cells.weight.shape[1] != self.num_labels:
            raise InvalidArgument("values", cells.weight.shape, f"{self.num_labels} labels")
        if cells.counted.any():
            self._add(cells)

    def _add(self, cells: Cells) -> None:
        counted = cells.counted
        weight, probability, outcome = (part[counted] for part in (cells.weight, cells.probability, cells.outcome))
        totals = np.append(cells.totals(), 0.0 if whole(weight) else 1.0)
        self.totals += torch.from_numpy(totals)
        self.labels += torch.from_numpy(cells.label_counts())
        place = np.nonzero(counted)[1] * self.num_bins + bin_index(probability, self.num_bins)
        size = self.num_labels * self.num_bins
        masses = (weight, weight * probability, weight * outcome)
        added = np.stack([sums_at(place, mass, size) for mass in masses], 1)
        self.bins += torch.from_numpy(added.reshape(self.num_labels, self.num_bins, 3))
        new = np.stack((weight, probability, weight * outcome))
        self.filled[0] = append(self.table.numpy(), int(self.filled[0]), new)

    def compute(self) -> dict[str, float]:
        """All metrics over everything counted on all ranks; NaN where nothing was."""
        *totals, fractional = self.totals.numpy()
        if totals[0] <= 0:
            return dict.fromkeys(NAMES, float("nan"))
        edges = np.arange(self.num_bins + 1) / self.num_bins
        sums = self.bins.numpy()
        bins = from_sums(sums.sum(0).T, edges[:-1], edges[1:])
        seen = sums[:, :, 0].sum(1)
        apart = np.abs(sums[:, :, 1] - sums[:, :, 2]).sum(1)[seen > 0] / seen[seen > 0]
        groups = ranked(side_by_side(self.table), fractional == 0)
        return scores_of(np.array(totals), self.labels.numpy(), apart, bins, groups)
