"""Soft cross-entropy as one plain autograd formula: the definition that the fast paths are tested against.

It runs where they cannot: on a GPU (whose caches want whole tensors), under torch.compile and torch.func, for
double backward, and where the target or a weight wants a gradient of its own. It never waits for a device.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from smoothlab.losses.weights import accumulator
from smoothlab.targets import SoftTarget


def reference_rows(logits: Tensor, target: SoftTarget, weight: Tensor | None, inner_weight: Tensor | None) -> Tensor:
    """The weighted loss of every row, ``(...,)``: ``-weight sum_k q_k log softmax(z)_k``.

    Args:
        logits: ``(..., K)``.
        target: its soft target, labels in [0, K).
        weight: ``(...,)`` or None. A row of weight 0 has loss 0 and gradient 0, even if its logits are nan.
        inner_weight: ``(K,)`` factors inside the sum over classes, or None.
    """
    logits = logits.to(accumulator(logits.dtype))
    if weight is not None:
        absent = weight == 0
        logits = logits.masked_fill(absent.unsqueeze(-1), 0)
    q = target.dense(logits.shape[-1], logits, dtype=logits.dtype)
    if inner_weight is not None:
        q = q * inner_weight
    log_p = torch.log_softmax(logits, -1)
    # 0 * -inf is nan, but a masked class without mass adds nothing; one with mass (a masked label) makes the loss inf
    log_p = log_p.masked_fill((logits == -math.inf) & (q == 0), 0)
    rows = -(q * log_p).sum(-1)
    return rows if weight is None else (rows * weight).masked_fill(absent, 0)
