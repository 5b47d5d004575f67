"""What strengths, priors, losses and penalties may look at in a training step, beside the logits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


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
    """

    labels: Tensor
    logits: Tensor | None = None
    progress: float = 0.0
    rows: Tensor | None = None
    metadata: Mapping[str, Tensor] = field(default_factory=dict)
    features: Any = None
