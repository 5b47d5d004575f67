"""The confidence penalty: a reward for the entropy of the prediction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from smoothlab.losses.by_row import by_row
from smoothlab.losses.penalties.penalty import Weight, check_weight, taking_part, weight_at
from smoothlab.step import Step
from smoothlab.targets import SoftTarget


@dataclass(frozen=True)
class ConfidencePenalty:
    """Lowers the loss by the entropy of the prediction: ``-weight * H(p)``, with ``H(p) = -sum_k p_k log p_k`` in nats.

    Label smoothing adds ``KL(uniform || p)`` up to a constant; this is the same divergence in the other
    direction, ``KL(p || uniform) - log K``. It does not change when a constant is added to all logits.

    Args:
        weight: a finite number >= 0, or a schedule; the beta of the authors, commonly 0.1 to 1.

    A class whose logit is -inf takes no part: it adds 0, and has the gradient 0.

    Other implementations differ: that of Liu et al. (CVPR 2022) averages over classes too, so that its alpha is
    ``weight * K``; torch-uncertainty adds the constant ``weight * log K`` and 1e-6 inside the logarithm.

    Raises:
        InvalidArgument: for a weight that is negative, infinite or no number.

    Source: Pereyra, Tucker, Chorowski, Kaiser and Hinton, "Regularizing Neural Networks by Penalizing Confident Output
    Distributions", ICLR workshop 2017.
    """

    weight: Weight = 0.1

    def __post_init__(self) -> None:
        check_weight("weight", self.weight)

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The penalty of each row, ``(...)``, from logits ``(..., K)``; the target is not looked at."""
        z, masked = taking_part(logits)
        # the smallest float in place of -inf: its probability is 0 too, and a row that is masked as a whole has no nan
        log_p = torch.log_softmax(z.masked_fill(masked, torch.finfo(z.dtype).min), -1)
        return weight_at(step, "weight", self.weight) * (log_p.exp() * log_p.masked_fill(masked, 0)).sum(-1)
