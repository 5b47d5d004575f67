"""Poly-1: cross-entropy with another weight on the first term of its series."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from smoothlab.losses.by_row import by_row
from smoothlab.losses.probabilities import probabilities
from smoothlab.numbers import check_number
from smoothlab.step import Step
from smoothlab.targets import SoftTarget


@dataclass(frozen=True)
class Poly1:
    """``-sum_k q_k log p_k + coefficient * sum_k q_k (1 - p_k)``.

    ``-log p = (1 - p) + (1 - p)^2 / 2 + ...``: the coefficient is added to the first term's weight 1.

    Args:
        coefficient: a finite number >= -1 (below, the loss would reward mistakes of good predictions); the authors'
            epsilon_1, mostly 1 or 2. 0 is the cross-entropy.

    A class whose logit is -inf takes no part, and gets no smoothing mass; a masked label has the loss inf.

    Raises:
        InvalidArgument: for a coefficient below -1, infinite or no number.

    Source: Leng et al., "PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions", ICLR 2022.
    """

    coefficient: float = 1.0

    def __post_init__(self) -> None:
        check_number("coefficient", self.coefficient, at_least=-1)

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The loss of each row, ``(...)`` in float32 or wider, from logits ``(..., K)``."""
        q, p, log_p = probabilities(logits, target)
        return (q * (self.coefficient * (1 - p) - log_p)).sum(-1)
