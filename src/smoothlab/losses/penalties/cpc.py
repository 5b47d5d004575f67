"""CPC: each pair of logits as a binary decision, the label against the others and the others among themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothlab.losses.by_row import by_row
from smoothlab.losses.penalties.penalty import Weight, check_weight, taking_part, weight_at
from smoothlab.step import Step
from smoothlab.targets import SoftTarget

PAIRS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class CPC:
    """With y the label, ``s(x) = log(1 + exp(-x))`` and K classes,

        label_weight * sum_{k != y} s(z_y - z_k) / (K - 1)
        + other_weight * sum_{j, k != y} s(z_j - z_k) / 2 / ((K - 1)(K - 2))

    The first term (binary discrimination) wants the label above each of the others, the second (binary exclusion) wants
    the others level with each other, as no label favours one of them. A soft target has the expected penalty of its
    classes. It does not change when a constant is added to all logits.

    Args:
        label_weight: of the first term, a finite number >= 0, or a schedule; the published code takes 1.
        other_weight: of the second term, a finite number >= 0, or a schedule; the published code takes 1.

    A class whose logit is -inf takes no part and is not counted in K; a masked label has the penalty 0. With two
    classes left the second term is 0, where the published code divides by 0; with one both are. The sum over j and k
    includes j = k, as published: that is ``log(2) / 2 / (K - 2)``, which no gradient sees.

    The time is that of N K^2 pairs, the memory that of N K: pairs are made in parts, and made again for the gradient
    and for the second derivative. There is no third: it is refused with a RuntimeError.

    Raises:
        InvalidArgument: for a weight that is negative, infinite or no number.

    Source: Cheng and Vasconcelos, "Calibrating Deep Neural Networks by Pairwise Constraints", CVPR 2022; code: CALS of
    Liu et al., CVPR 2023.
    """

    label_weight: Weight = 1.0
    other_weight: Weight = 1.0

    def __post_init__(self) -> None:
        check_weight("label_weight", self.label_weight)
        check_weight("other_weight", self.other_weight)

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The penalty of each row, ``(...)`` in float32 or wider, from logits ``(..., K)``."""
        z, masked = taking_part(logits)
        q = target.dense(z.shape[-1], z, dtype=z.dtype).masked_fill(masked, 0)
        left = z.masked_fill(masked, 0)
        others = (masked.shape[-1] - 1 - masked.sum(-1)).to(z.dtype)
        below = pair_sums(z, masked)  # sum_k s(z_j - z_k), so for each j what it costs to lie low
        above = below + (others + 1).unsqueeze(-1) * left - left.sum(-1, keepdim=True)  # sum_k s(z_k - z_j)
        above = above.masked_fill(masked, 0)
        mass = q.sum(-1)  # 1, but 0 for a masked label
        of_label = (q * below).sum(-1) - math.log(2) * mass
        of_others = mass * below.sum(-1) - (q * (below + above)).sum(-1) + math.log(2) * mass
        of_label = of_label / others.clamp_min(1)
        of_others = (of_others / (2 * others * (others - 1)).clamp_min(1)).where(others > 1, 0)
        label_weight = weight_at(step, "label_weight", self.label_weight)
        return label_weight * of_label + weight_at(step, "other_weight", self.other_weight) * of_others


def pair_sums(z: Tensor, masked: Tensor) -> Tensor:
    """``sum_k log(1 + exp(z_k - z_j))`` for each j of the rows ``(..., K)``, among the classes that are not masked."""
    # the smallest float in place of -inf adds 0 to the sums of others, and has no nan of its own
    low = z.masked_fill(masked, torch.finfo(z.dtype).min)
    return _PairSums.apply(low.reshape(-1, z.shape[-1])).reshape(z.shape).masked_fill(masked, 0)


class _PairSums(torch.autograd.Function):
    """Over all pairs of a row, a block of them at a time: sums ``(N, K)`` of logits ``(N, K)``."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        sums = torch.empty_like(z)
        for rows, columns in _blocks(z):
            differences = z[rows].unsqueeze(1) - z[rows, columns].unsqueeze(2)
            sums[rows, columns] = F.softplus(differences, threshold=40).sum(-1)
        return sums

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return _PairGradient.apply(z, above[0])


class _PairGradient(torch.autograd.Function):
    """The gradient of the sums' inner product with ``above`` ``(N, K)``, and its own derivatives.

    With w_jm = sigmoid(z_m - z_j) it is ``sum_j above_j w_jm - above_m sum_k w_mk``. Its inner product with c is
    ``sum_jm (c_m - c_j) above_j w_jm``, and since w' is symmetric in j and m, what c has of z_m is
    ``sum_j (c_m - c_j) (above_j + above_m) w'_jm``, and of above_j ``sum_m (c_m - c_j) w_jm``.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, above: Tensor) -> Tensor:
        ctx.save_for_backward(z, above)
        total = torch.zeros_like(z)
        for rows, columns, wins in _wins(z):
            share = above[rows, columns]
            total[rows, columns] -= share * wins.sum(-1)
            total[rows] += wins.mul_(share.unsqueeze(2)).sum(1)
        return total

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, Tensor]:
        if torch.is_grad_enabled():
            raise RuntimeError("CPC has first and second derivatives; for a third one create_graph=True cannot be used")
        (z, above), c = ctx.saved_tensors, outer[0]
        of_z, of_above = torch.zeros_like(z), torch.zeros_like(z)
        for rows, columns, wins in _wins(z):
            apart = c[rows].unsqueeze(1) - c[rows, columns].unsqueeze(2)  # (n, j, m)
            of_above[rows, columns] += (apart * wins).sum(-1)
            both = above[rows].unsqueeze(1) + above[rows, columns].unsqueeze(2)
            of_z[rows] += apart.mul_(both).mul_(wins.mul_(1 - wins)).sum(1)
        return of_z, of_above


def _wins(z: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """A block of pairs at a time: rows, their classes j, and ``sigmoid(z_m - z_j)`` ``(n, j, m)`` for all classes m."""
    for rows, columns in _blocks(z):
        yield rows, columns, (z[rows].unsqueeze(1) - z[rows, columns].unsqueeze(2)).sigmoid_()


def _blocks(z: Tensor) -> Iterator[tuple[slice, slice]]:
    """Rows, and classes j of them, whose pairs with all classes are held at once."""
    num_rows, num_classes = z.shape
    of_rows = max(1, PAIRS_AT_ONCE // num_classes**2)
    of_classes = max(1, min(num_classes, PAIRS_AT_ONCE // num_classes))
    for row in range(0, num_rows, of_rows):
        for column in range(0, num_classes, of_classes):
            yield slice(row, row + of_rows), slice(column, column + of_classes)
