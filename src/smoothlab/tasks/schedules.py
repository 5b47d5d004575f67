"""Learning-rate curves of our own over a run's optimizer steps; ``schedule.py`` says when a scheduler steps."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from smoothlab.numbers import check_number, check_share, check_whole


def cosine(optimizer: Optimizer, total_steps: int, *, warmup: float = 0.0, end: float = 0.0) -> LambdaLR:
    """Linear warm-up, then half a cosine down (Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts).

    Args:
        optimizer: its learning rate is the peak.
        total_steps: optimizer steps of the whole run.
        warmup: share of the steps that rise from 0 to the peak, in [0, 1).
        end: learning rate at the last step, as a share of the peak, in [0, 1].
    """
    check_share("warmup", warmup)
    check_number("end", end, at_least=0, at_most=1)
    rising = warmup * total_steps

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        done = min(1.0, (step - rising) / max(1.0, total_steps - rising))
        return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * done))

    return LambdaLR(optimizer, factor)


def inverse_sqrt(
    optimizer: Optimizer, total_steps: int, *, warmup: float = 0.1, warmup_steps: int | None = None
) -> LambdaLR:
    """Linear warm-up, then down with the square root of the step.

        factor at step s = 1, 2, ... = min(s / w, sqrt(w / s))        w steps of warm-up, where the peak is

    Args:
        optimizer: its learning rate is the peak.
        total_steps: optimizer steps of the whole run.
        warmup: share of the steps that rise to the peak, in [0, 1); of less than one step, 1 step.
        warmup_steps: how many steps rise, at least 1, in the place of a share; the curve is then the same for a run of
            any length.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, equation 3, divided by its highest value.
    """
    check_share("warmup", warmup)
    if warmup_steps is not None:
        check_whole("warmup_steps", warmup_steps, 1, expected="an integer of at least 1, or null")
    rising = max(1.0, warmup * total_steps) if warmup_steps is None else warmup_steps

    def factor(step: int) -> float:
        return min((step + 1) / rising, math.sqrt(rising / (step + 1)))

    return LambdaLR(optimizer, factor)
