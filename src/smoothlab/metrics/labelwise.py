"""Metrics of each label apart, where a sample has several."""

from __future__ import annotations

import numpy as np

from smoothlab.metrics.bins import check_bins
from smoothlab.metrics.inputs import Array, reads
from smoothlab.metrics.multilabel import Cells, labelwise_ece, read_counted
from smoothlab.metrics.ranking import average_precision


@reads(read_counted)
def labelwise_metrics(cells: Cells, *, num_bins: int = 15) -> dict[str, Array]:
    """What is known of each label, an array ``(L,)`` each, exact; NaN where there is nothing to tell from.

    ``known`` and ``present`` (weights of samples), ``nll``, ``ece`` (equal-width bins, of the positive outcome),
    ``confidence_gap`` (mean probability less the share of positives) and ``average_precision``. Arguments as of
    :func:`multilabel_metrics`.

    Raises:
        InvalidArgument: as of :func:`multilabel_metrics`, nothing counted included.
    """
    check_bins(num_bins)
    known = cells.weight.sum(0)

    def mean(per_cell: Array) -> Array:
        weighted = np.where(cells.counted, cells.weight * per_cell, 0.0).sum(0)
        return np.asarray(np.divide(weighted, known, out=np.full(len(known), np.nan), where=known > 0))

    return {
        "known": known,
        "present": (cells.weight * cells.outcome).sum(0),
        "nll": mean(cells.nll),
        "ece": labelwise_ece(cells, num_bins),
        "confidence_gap": mean(cells.probability - cells.outcome),
        "average_precision": average_precision(cells),
    }
