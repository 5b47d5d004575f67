"""The logit penalty: the squared length of the logits."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from smoothlab.losses.by_row import by_row
from smoothlab.losses.penalties.penalty import Weight, check_weight, taking_part, weight_at
from smoothlab.step import Step
from smoothlab.targets import SoftTarget


@dataclass(frozen=True)
class LogitPenalty:
    """``weight * sum_k z_k^2 / 2``: a weight decay on the logits.

    It looks at the logits themselves and not at their differences, so it changes when a constant is added to
    all of them, and pulls their mean to 0.

    Args:
        weight: a finite number >= 0, or a schedule; 0.002 where it was compared with label smoothing.

    A class whose logit is -inf takes no part: it adds 0, and has the gradient 0.

    Raises:
        InvalidArgument: for a weight that is negative, infinite or no number.

    Source: Dauphin and Cubuk, "Deconstructing the Regularization of BatchNorm", ICLR 2021.
    """

    weight: Weight = 0.002

    def __post_init__(self) -> None:
        check_weight("weight", self.weight)

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The penalty of each row, ``(...)``, from logits ``(..., K)``; the target is not looked at."""
        z, masked = taking_part(logits)
        return weight_at(step, "weight", self.weight) / 2 * z.masked_fill(masked, 0).square().sum(-1)
