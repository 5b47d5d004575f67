"""The margin penalty (MbLS): logits may lie a margin below the largest one for nothing, and no further."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from smoothlab.losses.by_row import by_row
from smoothlab.losses.penalties.penalty import Weight, check_weight, number_of, taking_part, weight_at
from smoothlab.numbers import check_number
from smoothlab.step import Step
from smoothlab.targets import SoftTarget


@dataclass(frozen=True)
class MarginPenalty:
    """``weight * mean_k max(0, max_j z_j - z_k - margin)``: bounds the distances of the logits.

    Smoothing asks for one fixed distance between the label's logit and the others; this asks for nothing
    until a distance exceeds the margin. It does not change when a constant is added to all logits. The largest
    logit has a gradient too; where several are the largest, one of them (the first) has it all.

    Args:
        weight: a finite number >= 0, or a schedule; the authors' alpha, 0.1.
        margin: a distance of logits, a finite number >= 0; the authors take 6 to 20, mostly 10. With 0 it is
            ``weight * (max_k z_k - mean_k z_k)``, as :class:`MaxSup`.

    A class whose logit is -inf takes no part: it has the gradient 0 and is not counted in the mean.

    The original drops ignored rows from this term only where its ``ignore_index >= 0``, so that with the usual
    -100 they still move the net; here the caller's weight 0 drops them. It fails where one row is left.

    Raises:
        InvalidArgument: for a weight or margin that is negative, infinite or no number.

    Source: Liu, Ben Ayed, Galdran and Dolz, "The Devil is in the Margin: Margin-based Label Smoothing for Network
    Calibration", CVPR 2022.
    """

    weight: Weight = 0.1
    margin: float = 10.0

    def __post_init__(self) -> None:
        check_weight("weight", self.weight)
        check_number("margin", self.margin, at_least=0)

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The penalty of each row, ``(...)``, from logits ``(..., K)``; the target is not looked at."""
        z, masked = taking_part(logits)
        distances = z.max(-1, keepdim=True).values - z
        excess = (distances - self.margin).relu().masked_fill(masked, 0)
        return weight_at(step, "weight", self.weight) * excess.sum(-1) / number_of(masked)
