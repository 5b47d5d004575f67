"""Bi-tempered loss: logarithm and softmax with temperatures, one that bounds the loss and one with heavy tails."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from smoothlab.losses.by_row import by_row
from smoothlab.losses.weights import accumulator
from smoothlab.numbers import check_number, check_whole
from smoothlab.step import Step
from smoothlab.targets import SoftTarget

NEWTON_STEPS = 20


@dataclass(frozen=True)
class BiTempered:
    """``sum_k q_k (log_t1 q_k - log_t1 p_k) - (q_k^(2 - t1) - p_k^(2 - t1)) / (2 - t1)``, with p a tempered softmax.

        log_t(x) = (x^(1 - t) - 1) / (1 - t)
        exp_t(x) = max(0, 1 + (1 - t) x)^(1 / (1 - t))
        p_k = exp_t2(z_k - l(z)), with the l for which p sums to 1

    With t1 < 1 the loss of a row is bounded, so that a mistaken label far from the boundary pulls no harder and harder;
    with t2 > 1 the probabilities fall as a power of the logits' distances and not exponentially. It is 0 where p is q:
    with t1 = t2 = 1 it is ``KL(q || p)``, the cross-entropy less the entropy of the target, with the same gradient.

    Args:
        t1: in [0, 2); published: 0.2 to 1. From 1 on the loss is not bounded.
        t2: above 0; published: 1 to 4. Below 1 far classes get the probability 0.
        iterations: of the fixed point for l where t2 > 1, at least 1; published: 5, which leaves the sum of p off 1 by
            5e-4 at t2 = 4 and 5e-6 at 1.2.

    The gradient is the published one, which takes l as exact, ``g - p^t2 sum(g) / sum(p^t2)`` with ``g = (p - q)
    p^(t2 - t1)``, and so are those of higher order; a target that is trained, such as one with the prior ``Learnable``,
    has one as well. Where t2 < 1 l is found by Newton's
    method; the published bisection is left at 1/32 of its interval by 5 steps.

    A class whose logit is -inf takes no part, and gets no smoothing mass; a masked label has the loss inf. As
    published, 1e-10 is added to q inside the logarithm, which no gradient sees. A net predicts with the tempered
    softmax or the plain one; the order of the classes is the same.

    Raises:
        InvalidArgument: for a temperature or number of iterations out of range; in a step, for a signed target with an
            epsilon below 0, which has no power.

    Source: Amid, Warmuth, Anil and Koren, "Robust Bi-Tempered Logistic Loss Based on Bregman Divergences", NeurIPS
    2019.
    """

    t1: float = 0.8
    t2: float = 1.2
    iterations: int = 5

    needs_distributions: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number("t1", self.t1, at_least=0, below=2)
        check_number("t2", self.t2, above=0)
        check_whole("iterations", self.iterations, 1)

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The loss of each row, ``(...)`` in float32 or wider, from logits ``(..., K)``."""
        z = logits.to(accumulator(logits.dtype))
        q = target.dense(z.shape[-1], logits, dtype=z.dtype)
        return _Rows.apply(z, q, self)[0]

    def rows(self, q: Tensor, log_p: Tensor) -> Tensor:
        """The loss of each row ``(...)`` from targets and tempered log-probabilities ``(..., K)``."""
        t1 = self.t1
        return (q * self.near(q, log_p) - (q ** (2 - t1) - (log_p * (2 - t1)).exp()) / (2 - t1)).sum(-1)

    def near(self, q: Tensor, log_p: Tensor) -> Tensor:
        """``log_t1 q - log_t1 p`` ``(..., K)``, 0 where q is: the gradient of the rows by the target, too."""
        none = q == 0
        log_q = (q.masked_fill(none, 1) + 1e-10).log()
        return (tempered_log(log_q, self.t1) - tempered_log(log_p.masked_fill(none, 0), self.t1)).masked_fill(none, 0)

    def gradient(self, q: Tensor, log_p: Tensor) -> Tensor:
        """The published gradient of the rows by the logits, ``(..., K)``."""
        none = log_p == -math.inf  # no slope where p is 0; of a number in its place, whose slope is a number
        log_p = log_p.masked_fill(none, 0)
        p = log_p.exp().masked_fill(none, 0)
        g = p - q
        if self.t2 != self.t1:
            g = (g * (log_p * (self.t2 - self.t1)).exp()).masked_fill(none, 0)
        return normalised(g, log_p, none, self.t2)


class _Rows(torch.autograd.Function):
    """The losses ``(...)`` of logits ``(..., K)`` and targets, and the tempered log-probabilities beside them.

    Both have the derivatives that take the normaliser l as exact, however many iterations found it. They are made of
    the log-probabilities, which are an output: where they are differentiated in turn, the same holds again.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, q: Tensor, loss: BiTempered) -> tuple[Tensor, Tensor]:
        masked = z == -math.inf
        log_p = tempered_log_softmax(z.masked_fill(masked, 0), masked, loss.t2, loss.iterations)
        return loss.rows(q, log_p).masked_fill(((q > 0) & masked).any(-1), math.inf), log_p

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, BiTempered], output: tuple[Tensor, Tensor]) -> None:
        _, q, ctx.loss = inputs
        ctx.save_for_backward(q, output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *above: Tensor | None) -> tuple[Tensor | None, Tensor | None, None]:
        (q, log_p), (of_rows, of_log_p) = ctx.saved_tensors, above
        total: Tensor | None = None
        of_target: Tensor | None = None
        if of_rows is not None:
            if ctx.needs_input_grad[1]:
                of_target = of_rows.unsqueeze(-1) * ctx.loss.near(q, log_p)
            total = of_rows.unsqueeze(-1) * ctx.loss.gradient(q, log_p)
        if of_log_p is not None:
            t, none = ctx.loss.t2, log_p == -math.inf
            finite = log_p.masked_fill(none, 0)
            g = (of_log_p * ((t - 1) * finite).exp()).masked_fill(none, 0)
            g = normalised(g, finite, none, t)
            total = g if total is None else total + g
        return total, of_target, None


def normalised(g: Tensor, log_p: Tensor, none: Tensor, t: float) -> Tensor:
    """``g - p^t sum(g) / sum(p^t)``: what g, by logits less the normaliser l, is by logits alone.

    Args:
        g: ``(..., K)``.
        log_p: ``(..., K)``, 0 where there is no probability.
        none: ``(..., K)``, where there is none.
        t: the softmax's temperature.
    """
    share = (log_p * t).exp().masked_fill(none, 0)
    total = share.sum(-1, keepdim=True)
    return g - share * g.sum(-1, keepdim=True) / total.where(total > 0, 1)


def tempered_log(log_x: Tensor, t: float) -> Tensor:
    """``log_t(x)`` by the plain logarithm of x; exact near t = 1."""
    return log_x if t == 1 else torch.expm1((1 - t) * log_x) / (1 - t)


def tempered_log_softmax(z: Tensor, masked: Tensor, t: float, iterations: int) -> Tensor:
    """``log exp_t(z - l(z))`` ``(..., K)``; -inf for classes that are masked, and where t < 1 for those far below.

    Args:
        z: ``(..., K)``, finite.
        masked: ``(..., K)``, classes that are left out.
        t: the temperature, above 0.
        iterations: of the fixed point where t > 1.
    """
    if t == 1:
        return torch.log_softmax(z.masked_fill(masked, -math.inf), -1)
    top = z.masked_fill(masked, -math.inf).amax(-1, keepdim=True)
    below = (z - top).masked_fill(masked, 0)  # <= 0

    def log_exp(x: Tensor) -> Tensor:
        return (torch.log1p(((1 - t) * x).clamp_min(-1)) / (1 - t)).masked_fill(masked, -math.inf)

    if t > 1:
        scaled = below
        for _ in range(iterations):
            log_sum = log_exp(scaled).exp().sum(-1, keepdim=True).log()
            scaled = below * ((1 - t) * log_sum).exp()
        log_sum = log_exp(scaled).exp().sum(-1, keepdim=True).log()
        return log_exp(below + tempered_log(-log_sum, t))
    level = torch.zeros_like(top)
    for _ in range(NEWTON_STEPS):  # from below: the sum is convex and falls, so that no step leads too far
        log_p = log_exp(below - level)
        level = level + (log_p.exp().sum(-1, keepdim=True) - 1) / (t * log_p).exp().sum(-1, keepdim=True)
    return log_exp(below - level)
