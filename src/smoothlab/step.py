"""What strengths, priors, losses and penalties may look at in a training step, beside the logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from smoothlab.targets import check_tensor

SEQUENCE = "sequence"  # the metadata column of flat tokens that says which sequence each one is of


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """One batch of one training step.

    Args:
        labels: class indices ``(...,)``, or vote distributions ``(..., K)``.
        logits: the model's output ``(..., K)``, detached, or None where the caller has none.
        progress: share of the training that is done, in [0, 1].
        rows: the samples' numbers in the training data ``(...,)``, or None; for strategies that remember samples.
        metadata: columns of the data beside features and label, by name, each ``(...,)``.
        features: what the net took, for those that ask another net.

    Raises:
        InvalidArgument: for labels, logits, rows or a column that are no tensors.
    """

    labels: Tensor
    logits: Tensor | None = None
    progress: float = 0.0
    rows: Tensor | None = None
    metadata: Mapping[str, Tensor] = field(default_factory=dict)
    features: Any = None

    def __post_init__(self) -> None:
        check_tensor("labels", self.labels, "class indices (...,) or distributions (..., K)")
        for name, value in (("logits", self.logits), ("rows", self.rows)):
            if value is not None:
                check_tensor(name, value, "None or a tensor")
        for name, value in self.metadata.items():
            check_tensor(f"metadata[{name!r}]", value, "a column (...,)")

    @property
    def dtype(self) -> torch.dtype:
        """Of what strengths and priors make: float64 where labels or logits are, else float32."""
        wide = torch.float64 in (self.labels.dtype, None if self.logits is None else self.logits.dtype)
        return torch.float64 if wide else torch.float32

    @property
    def num_classes(self) -> int | None:
        """K as logits or votes show it; None where there are neither."""
        if self.logits is not None:
            return self.logits.shape[-1]
        return self.labels.shape[-1] if self.labels.is_floating_point() else None


class LazyStep(Step):
    """A step whose logits are made when something first looks at them, for a loss that can do without.

    Args:
        labels: as of :class:`Step`.
        make: gives the logits ``(..., K)``, with their graph.
        num_classes: K.
        dtype: of the logits.
        others: as of :class:`Step`.
    """

    __slots__ = ("_classes", "_grad", "_made", "_make", "_of_logits")
    _classes: int
    _grad: bool
    _made: Tensor | None
    _make: Callable[[], Tensor]
    _of_logits: torch.dtype

    def __init__(
        self, labels: Tensor, make: Callable[[], Tensor], num_classes: int, dtype: torch.dtype, **others: Any
    ) -> None:
        for name, default in (("progress", 0.0), ("rows", None), ("metadata", {}), ("features", None)):
            object.__setattr__(self, name, others.pop(name, default))
        assert not others, others
        told = {"labels": labels, "_make": make, "_classes": num_classes, "_of_logits": dtype, "_made": None}
        told["_grad"] = torch.is_grad_enabled()  # a learner may look first, where nothing is differentiated
        for name, value in told.items():
            object.__setattr__(self, name, value)

    @property
    def logits(self) -> Tensor:
        """The logits, detached."""
        return self.with_graph().detach()

    def with_graph(self) -> Tensor:
        """The logits, for a loss."""
        if self._made is None:
            with torch.set_grad_enabled(self._grad):
                object.__setattr__(self, "_made", self._make())
        assert self._made is not None
        return self._made

    @property
    def looked_at(self) -> bool:
        """Whether the logits were made."""
        return self._made is not None

    @property
    def dtype(self) -> torch.dtype:
        """See :class:`Step`."""
        return torch.float64 if torch.float64 in (self.labels.dtype, self._of_logits) else torch.float32

    @property
    def num_classes(self) -> int:
        """See :class:`Step`."""
        return self._classes
