"""Sums over validation samples, class by class, of penalties that learn from them."""

from __future__ import annotations

import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.learner import widest


def class_zeros(num_classes: int, device: torch.device) -> Tensor:
    """``(K,)`` in float64, which sums of many samples need, where the device has it."""
    return torch.zeros(num_classes, dtype=widest(device), device=device)


def check_classes(learned: Tensor | None, num_classes: int) -> None:
    """Refuse logits that have not the classes something was learned of, ``(K,)``; None is nothing yet."""
    if learned is not None and len(learned) != num_classes:
        raise InvalidArgument("logits", f"{num_classes} classes", f"{len(learned)}, as were learned")


def add_to_classes(sums: dict[str, Tensor], masked: Tensor, **values: Tensor) -> None:
    """Add values ``(..., K)`` to their sums, and to ``count`` the samples of each class that are not masked."""
    for name, value in values.items():
        sums[name] += value.masked_fill(masked, 0).flatten(0, -2).sum(0, dtype=sums[name].dtype)
    sums["count"] += (~masked).flatten(0, -2).sum(0)


def means(sums: dict[str, Tensor], name: str, *, otherwise: Tensor) -> Tensor:
    """The mean of each class, ``(K,)``, or what it is otherwise where a class has no sample."""
    count = sums["count"]
    return torch.where(count > 0, sums[name] / count.clamp_min(1), otherwise)
