"""What a loss beside the cross-entropy is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from smoothlab.step import Step
    from smoothlab.targets import SoftTarget


class Loss(Protocol):
    """Takes the place of the cross-entropy: any smoother makes its targets, any penalty is added to it."""

    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The loss of each row.

        Args:
            logits: ``(..., K)``, of any float type; classes are the last dimension.
            target: the soft target of the same rows.
            step: the training step, for those that need its progress, features, ...; None where there is none.

        Returns:
            ``(...)`` in float32 or wider, not reduced: rows are weighed, left out and summed by the caller.
        """
