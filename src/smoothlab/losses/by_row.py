"""What every loss and penalty of rows does first: check its arguments, and leave out rows without a label."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from torch import Tensor

from smoothlab.losses.dispatch import is_eager
from smoothlab.losses.loss import check_distributions
from smoothlab.losses.shapes import check_shapes
from smoothlab.losses.weights import keep_rows
from smoothlab.step import Step
from smoothlab.targets import IGNORED, SoftTarget


def by_row(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A method ``(logits, target, step)`` that gives a number a row, with the rule for labels that all of them have.

    A row whose label is -100 (whose distribution is filled with it) has the number 0 and the gradient 0, whatever its
    logits; the method sees zeros there. No value is looked at but on a CPU, so that no device has to wait.

    Raises:
        InvalidArgument: logits that are no float tensor ``(..., K)``, a target that does not fit them.
        LabelOutOfRange: any other label outside [0, K), on the CPU; on CUDA it is a device-side assertion.
    """

    @wraps(function)
    def rows_of(self: Any, logits: Tensor, target: SoftTarget, step: Step | None = None, **more: Any) -> Tensor:
        check_shapes(logits, target, None, None)
        if getattr(self, "needs_distributions", False):
            check_distributions(self, target)
        target, counted = keep_rows(target, logits.shape[-1], IGNORED, look=logits.is_cpu and is_eager(logits))
        if counted is None:
            return function(self, logits, target, step, **more)
        absent = ~counted
        rows = function(self, logits.masked_fill(absent.unsqueeze(-1), 0), target, step, **more)
        return rows.masked_fill(absent, 0)

    return rows_of
