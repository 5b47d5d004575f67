"""A torchmetrics.Metric whose state is one vector of sums, to which batches and ranks add."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from smoothlab.metrics.costs import CostSums
from smoothlab.metrics.inputs import Array, read
from smoothlab.metrics.ordinal import OrdinalSums
from smoothlab.metrics.streaming import StreamingMetric


class Sums(Protocol):
    """What a batch adds, and what follows from all of it."""

    @property
    def length(self) -> int:
        """How many numbers the sums are."""

    def of(self, batch: Any, /) -> Array:
        """The sums of a batch as its metric reads it."""

    def metrics(self, sums: Array) -> dict[str, float]:
        """The metrics of sums."""


class SumsMetric(StreamingMetric):
    """One float64 vector on the CPU; exact, whatever the order of batches.

    Args:
        tallied: what is summed.
        from_logits: whether ``values`` are logits; never guessed.
        kwargs: those of torchmetrics.Metric.
    """

    sums: Tensor

    def __init__(self, tallied: Sums, from_logits: bool, **kwargs: Any) -> None:
        super().__init__(from_logits, **kwargs)
        self.tallied = tallied
        self.add_sums(sums=(tallied.length,))

    def read(self, values: Any, labels: Any, sample_weight: Any, mask: Any) -> Any:
        """A batch of one label a sample, which may be empty."""
        known: dict[str, Any] = {"from_logits": self.from_logits, "sample_weight": sample_weight, "mask": mask}
        return read(values, labels, allow_empty=True, **known)

    def update(self, values: Any, labels: Any, sample_weight: Any = None, mask: Any = None) -> None:
        """Count a batch, which may be empty; arguments as of the function that the metric streams."""
        self.sums += torch.from_numpy(self.tallied.of(self.read(values, labels, sample_weight, mask)))

    def compute(self) -> dict[str, float]:
        """All metrics over everything counted on all ranks; NaN where nothing was."""
        return self.tallied.metrics(self.sums.numpy())


class OrdinalMetrics(SumsMetric):
    """All metrics of :func:`ordinal_metrics`, exact, batch by batch and over ranks.

    Args:
        from_logits: whether ``values`` are logits; never guessed.
        kwargs: those of torchmetrics.Metric.
    """

    def __init__(self, from_logits: bool = True, **kwargs: Any) -> None:
        super().__init__(OrdinalSums(), from_logits, **kwargs)


class CostMetrics(SumsMetric):
    """All metrics of :func:`cost_metrics`, exact, batch by batch and over ranks.

    Args:
        costs: ``(K, K)``, true classes by decisions.
        from_logits: whether ``values`` are logits; never guessed.
        kwargs: those of torchmetrics.Metric.
    """

    def __init__(self, costs: Any, from_logits: bool = True, **kwargs: Any) -> None:
        super().__init__(CostSums(costs), from_logits, **kwargs)
