"""Learning rate schedules over a run's optimizer steps."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from smoothlab.errors import InvalidArgument


def cosine(optimizer: Optimizer, total_steps: int, *, warmup: float = 0.0, end: float = 0.0) -> LambdaLR:
    """Linear warm-up, then half a cosine down (Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts).

    Args:
        optimizer: its learning rate is the peak.
        total_steps: optimizer steps of the whole run.
        warmup: share of the steps that rise from 0 to the peak, in [0, 1).
        end: learning rate at the last step, as a share of the peak, in [0, 1].
    """
    if not 0 <= warmup < 1:
        raise InvalidArgument("warmup", warmup, "a number in [0, 1)")
    if not 0 <= end <= 1:
        raise InvalidArgument("end", end, "a number in [0, 1]")
    rising = warmup * total_steps

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        done = min(1.0, (step - rising) / max(1.0, total_steps - rising))
        return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * done))

    return LambdaLR(optimizer, factor)
