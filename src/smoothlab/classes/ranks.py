"""Classes by rank, and weights that fall with it."""

from __future__ import annotations

import torch
from torch import Tensor


def zipf_weights(scores: Tensor, power: float = 1.0) -> Tensor:
    """``1 / rank ** power`` of each score among its row's, not normalised.

    Args:
        scores: ``(..., K)``; the highest has rank 1, and equal ones share the best of their ranks.
        power: above 0.

    Returns:
        ``(..., K)`` in float32 or wider.
    """
    return ranks(scores)[0] ** -power


def integrated_zipf_weights(scores: Tensor, power: float, classes: Tensor, left: float = 0.01) -> Tensor:
    """The integral of ``1 / r ** power`` over a class's part of ``[left, 1]``, not normalised.

    The interval is cut into as many parts of equal length as there are classes, the first for the highest score; equal
    scores share their parts evenly.

    Args:
        scores: ``(..., K)``.
        power: above 0.
        classes: how many there are in each row, ``(..., 1)``; fewer than K where the lowest scores stand for none.
        left: where the interval begins, in (0, 1).

    Returns:
        ``(..., K)`` in float32 or wider.
    """
    first, count = ranks(scores)
    part = (1 - left) / classes.to(first.dtype)
    low, high = left + (first - 1) * part, left + (first + count - 1) * part
    if power == 1:
        return torch.log(high / low) / count
    return (low ** (1 - power) - high ** (1 - power)).abs() / count


def ranks(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The rank of each score among its row's, 1 for the highest, and how many share it; equal ones share the best.

    Args:
        scores: ``(..., K)``.

    Returns:
        Two tensors ``(..., K)`` in float32 or wider.
    """
    scores = scores.contiguous()
    ascending = scores.sort(-1).values
    above = scores.shape[-1] - torch.searchsorted(ascending, scores, right=True)
    not_below = scores.shape[-1] - torch.searchsorted(ascending, scores)
    dtype = torch.promote_types(scores.dtype, torch.float32)
    return (above + 1).to(dtype), (not_below - above).to(dtype)
