"""MaxSup: suppresses the largest logit, whether or not it is the label's."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from smoothlab.losses.by_row import by_row
from smoothlab.losses.penalties.penalty import Weight, check_weight, number_of, taking_part, weight_at
from smoothlab.step import Step
from smoothlab.targets import SoftTarget


@dataclass(frozen=True)
class MaxSup:
    """``weight * (max_k z_k - mean_k z_k)``.

    Smoothing with epsilon adds ``epsilon * (z_label - mean_k z_k)`` to the cross-entropy, which for a wrong
    prediction pulls down the label instead of the error. This takes the largest logit in its place, and is the same
    for a correct prediction. It does not change when a constant is added to all logits. Where several
    logits are the largest, one of them (the first) has the gradient, as in the original.

    Args:
        weight: a finite number >= 0, or a schedule. The authors raise it from 0.1 to 0.2 over the training, here
            ``Linear(0.1, 0.2)``. (Of their two schedules one divides by the number of epochs, and so never reaches
            its end.)

    A class whose logit is -inf takes no part: it has the gradient 0 and is not counted in the mean. In the
    original it makes the mean, and the loss, infinite.

    Raises:
        InvalidArgument: for a weight that is negative, infinite or no number.

    Source: Zhou et al., "MaxSup: Overcoming Representation Collapse in Label Smoothing", NeurIPS 2025.
    """

    weight: Weight = 0.1

    def __post_init__(self) -> None:
        check_weight("weight", self.weight)

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The penalty of each row, ``(...)``, from logits ``(..., K)``; the target is not looked at."""
        z, masked = taking_part(logits)
        distances = (z.max(-1, keepdim=True).values - z).masked_fill(masked, 0)
        return weight_at(step, "weight", self.weight) * distances.sum(-1) / number_of(masked)
