"""The focal family: cross-entropies that weigh a row less, the better its label is predicted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from smoothlab.losses.by_row import by_row
from smoothlab.losses.probabilities import probabilities
from smoothlab.numbers import check_number
from smoothlab.step import Step
from smoothlab.targets import SoftTarget


@dataclass(frozen=True)
class Focal:
    """``-sum_k q_k (1 - p_k)^gamma log p_k``; for a plain label, ``(1 - p_y)^gamma (-log p_y)``.

    Every class of a soft target is weighed by its own probability. The gradient flows through the weight,
    too. With gamma 0 it is the cross-entropy. Below 1 the plain formula has the gradient nan where p_y
    rounds to 1; here it is 0, as in the limit.

    Args:
        gamma: a finite number >= 0; 2 for detection (Lin et al.), 1 to 3 for calibration (Mukhoti et al.).

    A class whose logit is -inf takes no part, and gets no smoothing mass; a masked label has the loss inf.
    The published codes sum over the rows by default, and divide by their number where rows are weighed by class;
    here the caller does both.

    Raises:
        InvalidArgument: for a gamma that is negative, infinite or no number.

    Source: Lin, Goyal, Girshick, He and Dollar, "Focal Loss for Dense Object Detection", ICCV 2017; Mukhoti et al.,
    "Calibrating Deep Neural Networks using Focal Loss", NeurIPS 2020.
    """

    gamma: float = 2.0

    def __post_init__(self) -> None:
        check_number("gamma", self.gamma, at_least=0)

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The loss of each row, ``(...)`` in float32 or wider, from logits ``(..., K)``."""
        q, _, log_p = probabilities(logits, target)
        return -(q * power(-torch.expm1(log_p), self.gamma) * log_p).sum(-1)


@dataclass(frozen=True)
class SampleDependentFocal:
    """Focal loss whose gamma depends on the label's probability p_y.

    It is ``gamma_below`` for p_y < threshold, ``gamma_middle`` from there to below ``upper``, and ``gamma`` from there
    on. With its defaults FLSD-53: 5 below 0.2, then 3. Each class of a soft target has the gamma of its own
    probability. The choice of gamma has no gradient, so that the loss jumps at the threshold.

    Args:
        gamma: a finite number >= 0.
        gamma_middle: a finite number >= 0.
        gamma_below: a finite number >= 0.
        threshold: a probability in [0, 1].
        upper: a probability in [threshold, 1].

    A class whose logit is -inf takes no part, and gets no smoothing mass; a masked label has the loss inf.

    Raises:
        InvalidArgument: for a gamma that is negative, infinite or no number; for a threshold outside [0, 1], or an
            ``upper`` outside [threshold, 1].

    Source: Mukhoti et al., "Calibrating Deep Neural Networks using Focal Loss", NeurIPS 2020.
    """

    gamma: float = 3.0
    gamma_middle: float = 3.0
    gamma_below: float = 5.0
    threshold: float = 0.2
    upper: float = 0.5

    def __post_init__(self) -> None:
        check_number("gamma", self.gamma, at_least=0)
        check_number("gamma_middle", self.gamma_middle, at_least=0)
        check_number("gamma_below", self.gamma_below, at_least=0)
        check_number("threshold", self.threshold, at_least=0, at_most=1)
        check_number("upper", self.upper, at_least=self.threshold, at_most=1)

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The loss of each row, ``(...)`` in float32 or wider, from logits ``(..., K)``."""
        q, p, log_p = probabilities(logits, target)
        rest = -torch.expm1(log_p)
        weight = power(rest, self.gamma)
        if self.gamma_middle != self.gamma:
            weight = torch.where(p < self.upper, power(rest, self.gamma_middle), weight)
        weight = torch.where(p < self.threshold, power(rest, self.gamma_below), weight)
        return -(q * weight * log_p).sum(-1)


@dataclass(frozen=True)
class DualFocal:
    """``-sum_k q_k (1 - p_k + r_k)^gamma log p_k``, with r_k the largest probability below p_k, 0 if there is none.

    For a plain label, the weight falls with the distance of its probability to that of the next class below.
    The gradient flows through both probabilities. "Below" is strict: an equal probability is not below.

    Args:
        gamma: a finite number >= 0; 5 in the authors' experiments.

    A class whose logit is -inf takes no part, and gets no smoothing mass; a masked label has the loss inf.
    The published code sums over the rows by default; here the caller does.

    Raises:
        InvalidArgument: for a gamma that is negative, infinite or no number.

    Source: Tao, Dong and Xu, "Dual Focal Loss for Calibration", ICML 2023.
    """

    gamma: float = 5.0

    def __post_init__(self) -> None:
        check_number("gamma", self.gamma, at_least=0)

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The loss of each row, ``(...)`` in float32 or wider, from logits ``(..., K)``."""
        q, p, log_p = probabilities(logits, target)
        if target.is_index and isinstance(target.epsilon, float) and target.epsilon == 0:
            # one class a row counts, so one maximum takes the place of sorting the row
            label = target.base.unsqueeze(-1)
            below = p.masked_fill(p >= p.gather(-1, label), 0).max(-1, keepdim=True).values
        else:
            below = next_below(p)
        return -(q * power(below - torch.expm1(log_p), self.gamma) * log_p).sum(-1)


def power(rest: Tensor, gamma: float | Tensor) -> Tensor:
    """``rest ** gamma`` for numbers >= 0, with the gradient 0 at 0, where that of the plain power may be infinite."""
    return rest.clamp_min(torch.finfo(rest.dtype).tiny) ** gamma


def next_below(p: Tensor) -> Tensor:
    """For each entry of the rows ``(..., K)`` the largest one of its row that is smaller, or 0; with its gradient."""
    rising, order = p.detach().sort(-1)
    # in sorted rows: how many entries are smaller, which is where the last run of equal ones began
    smaller = torch.zeros_like(order)
    place = torch.arange(1, p.shape[-1], device=p.device)
    smaller[..., 1:] = torch.where(rising[..., 1:] > rising[..., :-1], place, 0)
    smaller = smaller.cummax(-1).values
    source = order.gather(-1, (smaller - 1).clamp_min(0)).masked_fill(smaller == 0, -1)
    source = torch.empty_like(order).scatter_(-1, order, source)  # back in the order of the classes
    return p.gather(-1, source.clamp_min(0)).masked_fill(source < 0, 0)
