"""Which rows of a batch count in a loss, and how much."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch._C import _are_functorch_transforms_active

from smoothlab.errors import LabelOutOfRange
from smoothlab.targets import SoftTarget


def accumulator(dtype: torch.dtype) -> torch.dtype:
    """The type that a loss of such logits is summed in: float32, or float64 for float64."""
    return torch.float64 if dtype is torch.float64 else torch.float32


def keep_rows(
    target: SoftTarget, num_classes: int, ignore_index: int, *, look: bool
) -> tuple[SoftTarget, Tensor | None]:
    """The target with its ignored labels replaced by 0, and which rows are kept; None for all of them.

    Args:
        target: of any leading shape. A row of a distribution base is ignored where it is filled with -100; such a base
            stays as it is.
        num_classes: K.
        ignore_index: the label that marks an ignored row of an index base.
        look: whether to look at the labels' values: then those outside [0, K) raise LabelOutOfRange, and a batch
            without ignored rows is found out. Not where that would make a device wait, or break a trace.
    """
    labels = target.base
    if not target.is_index:
        left_out = target.left_out
        return target, None if look and not bool(left_out.any()) else ~left_out
    if look and not 0 <= ignore_index < num_classes and _all_inside(labels, num_classes):
        return target, None
    counted = labels != ignore_index
    labels = labels.where(counted, 0)
    if look and not _all_inside(labels, num_classes):
        outside = labels[(labels < 0) | (labels >= num_classes)]
        raise LabelOutOfRange("target.base", int(outside[0]), num_classes)
    if labels.is_cuda and not _are_functorch_transforms_active():  # vmap has no rule for it
        torch._assert_async(((labels >= 0) & (labels < num_classes)).all())
    return replace(target, base=labels), counted


def row_weight(
    target: SoftTarget,
    counted: Tensor | None,
    class_weight: Tensor | None,
    sample_weight: Tensor | None,
    dtype: torch.dtype,
) -> Tensor | None:
    """The weight of every row, ``(...,)``; 0 for a row that is absent; None where all are 1.

    A row's class weight is that of its label, or the expected one under its vote distribution.
    """
    weight = None if sample_weight is None else sample_weight.to(dtype)
    if class_weight is not None:
        by_class = class_weight.to(dtype)
        of_row = by_class[target.base] if target.is_index else (target.base.to(dtype) * by_class).sum(-1)
        weight = of_row if weight is None else weight * of_row
    if counted is not None:
        weight = counted.to(dtype) if weight is None else weight.where(counted, 0)
    return weight


def _all_inside(labels: Tensor, num_classes: int) -> bool:
    if labels.numel() == 0:
        return True
    low, high = labels.aminmax()
    return low.item() >= 0 and high.item() < num_classes
