"""Metrics on a tree of classes as torchmetrics.Metric, whose states are a few sums that ranks add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from smoothlab.metrics.hierarchical import LabelSetSums, TreeSums
from smoothlab.metrics.multilabel import Cells, read_cells
from smoothlab.metrics.streaming_sums import SumsMetric

if TYPE_CHECKING:
    from smoothlab.classes.hierarchy import Hierarchy


class HierarchicalMetrics(SumsMetric):
    """All metrics of :func:`hierarchical_metrics`, exact, batch by batch and over ranks.

    Args:
        hierarchy: the K classes in the tree.
        from_logits: whether ``values`` are logits; never guessed.
        top_k: for each, the distance of the k most probable classes too.
        kwargs: those of torchmetrics.Metric.
    """

    def __init__(
        self, hierarchy: Hierarchy, from_logits: bool = True, top_k: Sequence[int] = (), **kwargs: Any
    ) -> None:
        super().__init__(TreeSums(hierarchy, top_k), from_logits, **kwargs)


class MultilabelHierarchicalMetrics(SumsMetric):
    """All metrics of :func:`multilabel_hierarchical_metrics`, exact, batch by batch and over ranks.

    Args:
        hierarchy: the K labels in the tree.
        from_logits: whether ``values`` are logits; never guessed.
        kwargs: those of torchmetrics.Metric.
    """

    def __init__(self, hierarchy: Hierarchy, from_logits: bool = True, **kwargs: Any) -> None:
        super().__init__(LabelSetSums(hierarchy), from_logits, **kwargs)

    def read(self, values: Any, labels: Any, sample_weight: Any, mask: Any) -> Cells:
        """A batch of any number of labels a sample."""
        return read_cells(values, labels, from_logits=self.from_logits, sample_weight=sample_weight, mask=mask)
