"""What a penalty is, and which classes of a row take part in one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from smoothlab.losses.weights import accumulator

if TYPE_CHECKING:
    from torch import Tensor

    from smoothlab.step import Step
    from smoothlab.targets import SoftTarget


class Penalty(Protocol):
    """A term on the logits that is added to the loss of every row."""

    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The penalty of each row.

        Args:
            logits: ``(..., K)``, of any float type; classes are the last dimension.
            target: the soft target of the same rows.
            step: the training step, for those that need its progress, features, ...; None where there is none.

        Returns:
            ``(...)`` in float32 or wider, multiplied by the penalty's own weight, not reduced: rows are weighed,
            left out and summed with those of the loss, by the caller.
        """


def taking_part(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Logits ``(..., K)`` in the type that losses are computed in, and which classes are masked by -inf."""
    return logits.to(accumulator(logits.dtype)), logits == -math.inf


def number_of(masked: Tensor, *, but: int = 0) -> Tensor:
    """How many classes of a row are left ``(...)``, less ``but``; at least 1, so that it can divide a sum."""
    return (masked.shape[-1] - but - masked.sum(-1)).clamp_min(1)
