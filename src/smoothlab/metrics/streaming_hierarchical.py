"""Metrics on a tree of classes as torchmetrics.Metric, whose states are a few sums that ranks add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torchmetrics import Metric

from smoothlab.metrics.hierarchical import LabelSetSums, TreeSums
from smoothlab.metrics.inputs import read
from smoothlab.metrics.multilabel import read_cells
from smoothlab.metrics.streaming import gather_from_cpu

if TYPE_CHECKING:
    from smoothlab.classes.hierarchy import Hierarchy


class _Sums(Metric):
    """One float64 vector on the CPU, to which batches and ranks add."""

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    sums: Tensor

    def __init__(self, tallied: TreeSums | LabelSetSums, from_logits: bool, **kwargs: Any) -> None:
        kwargs.setdefault("dist_sync_fn", gather_from_cpu)
        super().__init__(**kwargs)
        self.tallied, self.from_logits = tallied, from_logits
        self.add_state("sums", torch.zeros(tallied.length, dtype=torch.float64), dist_reduce_fx="sum")

    def _apply(self, *_: Any, **__: Any) -> _Sums:
        """Stay on the CPU, in float64."""
        return self

    def compute(self) -> dict[str, float]:
        """All metrics over everything counted on all ranks; NaN where nothing was."""
        return self.tallied.metrics(self.sums.numpy())


class HierarchicalMetrics(_Sums):
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

    def update(self, values: Any, labels: Any, sample_weight: Any = None, mask: Any = None) -> None:
        """Count a batch, which may be empty; arguments as in :func:`hierarchical_metrics`."""
        batch = read(
            values, labels, from_logits=self.from_logits, sample_weight=sample_weight, mask=mask, allow_empty=True
        )
        assert isinstance(self.tallied, TreeSums)
        self.sums += torch.from_numpy(self.tallied.of(batch))


class MultilabelHierarchicalMetrics(_Sums):
    """All metrics of :func:`multilabel_hierarchical_metrics`, exact, batch by batch and over ranks.

    Args:
        hierarchy: the K labels in the tree.
        from_logits: whether ``values`` are logits; never guessed.
        kwargs: those of torchmetrics.Metric.
    """

    def __init__(self, hierarchy: Hierarchy, from_logits: bool = True, **kwargs: Any) -> None:
        super().__init__(LabelSetSums(hierarchy), from_logits, **kwargs)

    def update(self, values: Any, labels: Any, sample_weight: Any = None, mask: Any = None) -> None:
        """Count a batch; arguments as in :func:`multilabel_hierarchical_metrics`."""
        cells = read_cells(values, labels, from_logits=self.from_logits, sample_weight=sample_weight, mask=mask)
        assert isinstance(self.tallied, LabelSetSums)
        self.sums += torch.from_numpy(self.tallied.of(cells))
