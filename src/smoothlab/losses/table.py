"""Soft cross-entropy for a few classes, from a small table of targets.

With K classes and one epsilon there are only K different targets. ``<T[y], log softmax(z)>``, with T of shape
(K, K), is three calls: for small batches, whose cost is calls and not arithmetic, nothing in plain torch is
faster.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from smoothlab.losses.weights import accumulator
from smoothlab.targets import PerSample, SoftTarget

MAX_CLASSES = 128
MAX_ELEMENTS = 1 << 18  # beyond, the chunked path wins, and its sums are better than one long dot product


def table_sum(logits: Tensor, target: SoftTarget, scale: float) -> Tensor | None:
    """``scale`` times the sum of the rows' losses: a scalar, float32 or wider; None where a table does not
    do.

    A table does not do for vote bases, epsilons or priors by sample, masked (-inf) logits and labels outside
    [0, K), ignored ones included; the chunked path then does, or raises.

    Args:
        logits: ``(N, K)`` of any float type, on the CPU.
        target: a flat target.
        scale: such as 1/N for a mean.
    """
    num_rows, num_classes = logits.shape
    if (
        not 2 <= num_classes <= MAX_CLASSES
        or not 0 < num_rows * num_classes <= MAX_ELEMENTS
        or not target.is_index
    ):
        return None
    if not isinstance(target.epsilon, float) or isinstance(target.prior, PerSample):
        return None
    dtype = accumulator(logits.dtype)
    if isinstance(target.prior, str):
        table = _named_table(target.prior, target.epsilon, num_classes, -scale, dtype)
    else:
        prior = target.prior_tensor  # (K,) for all labels, or (K, K), a row for each
        assert prior is not None
        table = torch.lerp(_one_hots(num_classes, dtype), prior.to(dtype), target.epsilon).mul_(-scale)
    try:
        rows = table.index_select(0, target.base)
    except IndexError:
        return None
    log_p = torch.log_softmax(logits, 1, dtype)
    loss = torch.dot(log_p.view(-1), rows.view(-1))
    return loss if math.isfinite(loss.item()) else None


@lru_cache(maxsize=64)
def _named_table(prior: str, epsilon: float, num_classes: int, factor: float, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):  # a tensor made in inference mode could never be used in training
        labels = torch.arange(num_classes, device="cpu")
        target = SoftTarget(labels, epsilon, prior)  # type: ignore[arg-type]
        return target.dense(num_classes).to(dtype).mul_(factor)


@lru_cache(maxsize=16)
def _one_hots(num_classes: int, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):
        return torch.eye(num_classes, dtype=dtype, device="cpu")
