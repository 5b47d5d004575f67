"""ACLS: squared margins, above for the predicted class and below for the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from smoothlab.losses.by_row import by_row
from smoothlab.losses.penalties.penalty import Weight, check_weight, number_of, taking_part, weight_at
from smoothlab.numbers import check_choice, check_number
from smoothlab.step import Step
from smoothlab.targets import SoftTarget


@dataclass(frozen=True)
class ACLS:
    """Adaptive and conditional label smoothing, with h the predicted class (the first where several are largest).

        weight * (predicted_weight * max(0, z_h - origin - margin)^2
                  + other_weight * sum_{k != h} max(0, stop(z_h) - z_k - margin)^2 / (K - 1))

    The gradient grows with the distance beyond the margin, so that the strength of the smoothing adapts to the
    sample; ``stop`` passes no gradient.

    Args:
        weight: of the whole, a finite number >= 0 or a schedule; the authors' alpha, 0.1.
        margin: a distance of logits, a finite number >= 0; the authors take 10.
        predicted_weight: the authors' first lambda, a finite number >= 0 or a schedule.
        other_weight: their second lambda, a finite number >= 0 or a schedule.
        origin: where the predicted logit is measured from: ``"zero"``, as in the published code, which then
            changes when a constant is added to all logits; or ``"lowest"``, the row's smallest logit, detached,
            with which it does not.

    A class whose logit is -inf takes no part: it has the gradient 0, is not the lowest, and is not counted in
    K. With one class left, only its own term is.

    In the published code each of several equal largest logits counts as predicted, while the sum is still divided by
    one a row, so that a tie doubles the term (and logits in half precision tie often); here there is one
    predicted class. Its ``ignore_index`` does nothing; here the caller's weight 0 drops a row.

    Raises:
        InvalidArgument: for a weight or margin that is negative, infinite or no number, and for another origin.

    Source: Park, Noh, Oh, Baek and Ham, "ACLS: Adaptive and Conditional Label Smoothing for Network Calibration",
    ICCV 2023.
    """

    weight: Weight = 0.1
    margin: float = 10.0
    predicted_weight: Weight = 1.0
    other_weight: Weight = 0.1
    origin: Literal["zero", "lowest"] = "zero"

    def __post_init__(self) -> None:
        for name in ("weight", "predicted_weight", "other_weight"):
            check_weight(name, getattr(self, name))
        check_number("margin", self.margin, at_least=0)
        check_choice("origin", self.origin, ("zero", "lowest"))

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The penalty of each row, ``(...)``, from logits ``(..., K)``; the target is not looked at."""
        z, masked = taking_part(logits)
        top = z.max(-1, keepdim=True).values
        height = top
        if self.origin == "lowest":
            height = top - z.detach().masked_fill(masked, torch.inf).amin(-1, keepdim=True)
        above = (height - self.margin).relu().squeeze(-1).square()
        # the predicted class is 0 below itself, and so adds nothing: margins are not negative
        below = (top.detach() - z - self.margin).masked_fill(masked, 0).relu().square().sum(-1)
        above = weight_at(step, "predicted_weight", self.predicted_weight) * above
        below = weight_at(step, "other_weight", self.other_weight) * below / number_of(masked, but=1)
        return weight_at(step, "weight", self.weight) * (above + below)
