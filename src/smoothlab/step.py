"""What strengths, priors, losses and penalties may look at in a training step, beside the logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from smoothlab.targets import check_tensor

SEQUENCE = "sequence"  # the metadata column of flat tokens that says which sequence each one is of


class LazyLogits:
    """Logits that are made when something first looks at them, for a loss that can do without.

    Args:
        make: gives the logits ``(..., K)``, with their graph.
        num_classes: K.
        dtype: of the logits.
    """

    def __init__(self, make: Callable[[], Tensor], num_classes: int, dtype: torch.dtype) -> None:
        self.num_classes, self.dtype = num_classes, dtype
        self.made: Tensor | None = None
        self._make = make
        self._grad = torch.is_grad_enabled()  # a learner may look first, where nothing is differentiated

    def with_graph(self) -> Tensor:
        """The logits, for a loss."""
        if self.made is None:
            with torch.set_grad_enabled(self._grad):
                self.made = self._make()
        return self.made


@dataclass(init=False, frozen=True, eq=False, slots=True)
class Step:
    """One batch of one training step.

    Args:
        labels: class indices ``(...,)``, or vote distributions ``(..., K)``.
        logits: the model's output ``(..., K)``, detached or lazy, or None where the caller has none.
        progress: share of the training that is done, in [0, 1].
        rows: the samples' numbers in the training data ``(...,)``, or None; for strategies that remember samples.
        metadata: columns of the data beside features and label, by name, each ``(...,)``.
        features: what the net took, for those that ask another net.
        source: in place of logits, as ``dataclasses.replace`` hands them on: lazy ones stay so.

    Raises:
        InvalidArgument: for labels, logits, rows or a column that are no tensors.
    """

    labels: Tensor
    source: Tensor | LazyLogits | None
    progress: float
    rows: Tensor | None
    metadata: Mapping[str, Tensor]
    features: Any

    def __init__(
        self,
        labels: Tensor,
        logits: Tensor | LazyLogits | None = None,
        progress: float = 0.0,
        rows: Tensor | None = None,
        metadata: Mapping[str, Tensor] | None = None,
        features: Any = None,
        *,
        source: Tensor | LazyLogits | None = None,
    ) -> None:
        source, metadata = source if logits is None else logits, {} if metadata is None else metadata
        check_tensor("labels", labels, "class indices (...,) or distributions (..., K)")
        for name, value in (("logits", source), ("rows", rows)):
            if value is not None and not isinstance(value, LazyLogits):
                check_tensor(name, value, "None or a tensor")
        for name, column in metadata.items():
            check_tensor(f"metadata[{name!r}]", column, "a column (...,)")
        fields = {"labels": labels, "source": source, "progress": progress, "rows": rows}
        for name, field in (fields | {"metadata": metadata, "features": features}).items():
            object.__setattr__(self, name, field)

    @property
    def logits(self) -> Tensor | None:
        """The model's output ``(..., K)``, detached; lazy ones are made."""
        return self.source.with_graph().detach() if isinstance(self.source, LazyLogits) else self.source

    @property
    def dtype(self) -> torch.dtype:
        """Of what strengths and priors make: float64 where labels or logits are, else float32."""
        wide = torch.float64 in (self.labels.dtype, None if self.source is None else self.source.dtype)
        return torch.float64 if wide else torch.float32

    @property
    def num_classes(self) -> int | None:
        """K as logits or votes show it; None where there are neither."""
        if self.source is not None:
            return self.source.num_classes if isinstance(self.source, LazyLogits) else self.source.shape[-1]
        return self.labels.shape[-1] if self.labels.is_floating_point() else None
