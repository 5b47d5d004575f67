"""Strengths: how much probability mass leaves the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from smoothlab.step import Step
from smoothlab.targets import checked_epsilon


class Strength(Protocol):
    """What a smoother asks of a strength: one method.

    One that may give numbers below 0 says so: ``signed = True``, and ``keeps_distributions = False``.
    """

    def __call__(self, step: Step) -> float | Tensor:
        """The epsilon of this step: a number in [0, 1), or a tensor with one value per sample."""


@dataclass(frozen=True)
class Constant:
    """The same epsilon in every step; ``Constant(0.0)`` is no smoothing.

    Args:
        epsilon: in [0, 1). 0.1 is usual (Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016).

    Raises:
        InvalidArgument: for anything that is not a number in [0, 1).
    """

    epsilon: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", checked_epsilon(self.epsilon))

    def __call__(self, step: Step) -> float:
        """The constant."""
        return self.epsilon
