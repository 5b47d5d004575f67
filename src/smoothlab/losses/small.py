"""Soft cross-entropy for small batches on a CPU: ``-<q, log softmax(z)>`` in as few calls as there can be.

Here the calls cost more than the arithmetic, so the whole target is made at once, and one dot product does the
rest. With few classes and one epsilon there are only K different targets, and making it is one look-up in a
small table.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from smoothlab.losses.weights import accumulator
from smoothlab.targets import OtherClasses, PerSample, SoftTarget

TABLE_CLASSES = 128
TABLE_ELEMENTS = 1 << 18  # of logits; beyond, chunks win, and their sums are better than one long dot product
DENSE_ELEMENTS = 1 << 14


def table_sum(logits: Tensor, target: SoftTarget, scale: float) -> Tensor | None:
    """``scale`` times the sum of the losses, a scalar in float32 or wider; None where a table does not do.

    It does not do for vote bases, for an epsilon or prior by sample, for labels outside [0, K), which are
    ignored ones or mistakes, and for logits that are not finite.

    Args:
        logits: ``(N, K)`` of any float type, on the CPU.
        target: a flat target.
        scale: such as 1/N for a mean.
    """
    num_classes = logits.shape[1]
    if num_classes > TABLE_CLASSES or logits.numel() > TABLE_ELEMENTS or not target.is_index:
        return None
    if isinstance(target.epsilon, Tensor) or isinstance(target.prior, PerSample):
        return None
    dtype = accumulator(logits.dtype)
    if isinstance(target.prior, OtherClasses):
        table = replace(target, base=_one_hots(num_classes, dtype)).dense(num_classes, dtype=dtype).mul_(-scale)
    elif isinstance(target.prior, str):
        table = _named_table(target.prior, target.epsilon, num_classes, -scale, dtype)
    else:
        prior = target.prior_tensor  # (K,) for all labels, or (K, K), a row for each
        assert prior is not None
        table = torch.lerp(_one_hots(num_classes, dtype), prior.to(dtype), target.epsilon).mul_(-scale)
    try:
        rows = table.index_select(0, target.base)
    except IndexError:
        return None
    return _dot(logits, rows)


def dense_sum(logits: Tensor, target: SoftTarget, weight: Tensor | None, scale: float) -> Tensor | None:
    """As :func:`table_sum`, for any flat target with labels in [0, K); None where it does not do.

    It does not do for large batches, and for logits that are not finite.

    Args:
        logits: ``(N, K)`` of any float type, on the CPU.
        target: a flat target.
        weight: ``(N,)`` in float32 or wider, or None.
        scale: such as 1/N for a mean.
    """
    if logits.numel() > DENSE_ELEMENTS:
        return None
    num_classes, dtype = logits.shape[1], accumulator(logits.dtype)
    epsilon = target.epsilon
    uniform = isinstance(target.prior, str) and target.prior == "uniform"
    if uniform and target.is_index and num_classes <= TABLE_CLASSES and isinstance(epsilon, Tensor):
        one_hots = _one_hots(num_classes, dtype).index_select(0, target.base)
        column = epsilon.to(dtype).unsqueeze(-1) if epsilon.ndim else epsilon.to(dtype)
        rows = torch.lerp(one_hots, _even(num_classes, dtype), column)
    else:
        rows = target.dense(num_classes, dtype=dtype)
    return _dot(logits, rows * (-scale if weight is None else (weight * -scale).unsqueeze(1)))


def _dot(logits: Tensor, rows: Tensor) -> Tensor | None:
    log_p = torch.log_softmax(logits, 1, rows.dtype)
    loss = torch.dot(log_p.view(-1), rows.view(-1))
    # inf or nan: masked classes, perhaps, or a row to be ignored that holds nan
    return loss if math.isfinite(loss.item()) else None


@lru_cache(maxsize=32)
def _named_table(prior: str, epsilon: float, num_classes: int, factor: float, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):  # a tensor made in inference mode could never be used in training
        every_label = SoftTarget(_one_hots(num_classes, dtype), epsilon, prior, signed=True)  # type: ignore[arg-type]
        return every_label.dense(num_classes) * factor


@lru_cache(maxsize=16)
def _one_hots(num_classes: int, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):
        return torch.eye(num_classes, dtype=dtype, device="cpu")


@lru_cache(maxsize=16)
def _even(num_classes: int, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):
        return torch.full((num_classes,), 1 / num_classes, dtype=dtype, device="cpu")
