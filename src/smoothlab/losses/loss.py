"""What a loss beside the cross-entropy is."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.step import Step
from smoothlab.targets import SoftTarget


class Loss(Protocol):
    """Takes the place of the cross-entropy: any smoother makes its targets, any penalty is added to it.

    One whose formula has powers or logarithms of the target says ``needs_distributions = True``: a run then refuses it
    together with a smoother whose targets have entries below 0.
    """

    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The loss of each row.

        Args:
            logits: ``(..., K)``, of any float type; classes are the last dimension.
            target: the soft target of the same rows.
            step: the training step, for those that need its progress, features, ...; None where there is none.

        Returns:
            ``(...)`` in float32 or wider, not reduced: rows are weighed, left out and summed by the caller.
        """


def check_smoother(loss: object, smoother: object) -> None:
    """Raise InvalidArgument where a loss, or a class of losses, needs distributions and a smoother makes others."""
    if getattr(loss, "needs_distributions", False) and not getattr(smoother, "keeps_distributions", True):
        strength = type(getattr(smoother, "strength", smoother)).__name__
        name = loss.__name__ if isinstance(loss, type) else type(loss).__name__
        expected = f"one that never goes below 0: loss {name} has powers or logarithms of the target"
        raise InvalidArgument("strength", strength, expected)


def check_distributions(loss: object, target: SoftTarget) -> None:
    """Raise InvalidArgument where a target has entries below 0; on CUDA it is a device-side assertion."""
    if not target.signed:
        return
    epsilon = target.epsilon
    if isinstance(epsilon, Tensor):
        if epsilon.is_cuda:
            torch._assert_async((epsilon >= 0).all())
            return
        if epsilon.device.type == "meta" or bool((epsilon >= 0).all()):
            return
    elif epsilon >= 0:
        return
    expected = f"numbers of at least 0: {type(loss).__name__} has powers or logarithms of the target"
    raise InvalidArgument("target.epsilon", epsilon if isinstance(epsilon, float) else "a number below 0", expected)
