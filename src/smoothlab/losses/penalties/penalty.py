"""What a penalty is, what its weight may be, and which classes of a row take part in one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.learner import Learner
from smoothlab.losses.weights import accumulator
from smoothlab.numbers import check_number
from smoothlab.step import Step
from smoothlab.targets import SoftTarget

# The weight of a penalty: a number, or what gives it for a step, such as a schedule on the training's progress.
Weight = float | Callable[[Step], float | Tensor]


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


def check_weight(name: str, weight: object) -> None:
    """Raise InvalidArgument unless it is a finite number >= 0, or something without a state that is called with a step.

    What learns is refused, since a training loop would not find it in a penalty, and it would stay as it began.
    """
    if isinstance(weight, Learner):
        raise InvalidArgument(name, type(weight).__name__, "a number, or a schedule, which learns nothing")
    if not callable(weight):
        check_number(name, weight, at_least=0)


def weight_at(step: Step | None, name: str, weight: Weight) -> float | Tensor:
    """The weight at this step: itself, or what the schedule says: a number, or a tensor of one value or one a row.

    Raises:
        InvalidArgument: there is a schedule and no step, or it gives a number that is negative or infinite.
    """
    if not callable(weight):
        return weight
    if step is None:
        raise InvalidArgument("step", None, f"the training step, since {name} is {type(weight).__name__}")
    value = weight(step)
    if not isinstance(value, Tensor):
        check_number(name, value, at_least=0)
    return value


def taking_part(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Logits ``(..., K)`` in the type that losses are computed in, and which classes are masked by -inf."""
    return logits.to(accumulator(logits.dtype)), logits == -math.inf


def number_of(masked: Tensor, *, but: int = 0) -> Tensor:
    """How many classes of a row are left ``(...)``, less ``but``; at least 1, so that it can divide a sum."""
    return (masked.shape[-1] - but - masked.sum(-1)).clamp_min(1)
