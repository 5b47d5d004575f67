"""Soft cross-entropy on a CPU, in chunks of rows that stay in the cache.

One visit to the logits gives loss and gradient. The softmax goes straight into the gradient's buffer, the
target is subtracted there factor by factor, and the log-sum-exp is read back from the largest probability,
``lse = max z - log max p``. Beside the gradient nothing of the logits' size is held. The gradient made is
that of the sum over rows; ``backward`` scales it, so that a loss scaler reaches half-precision gradients
before they round to zero.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from smoothlab.losses.terms import terms_of
from smoothlab.losses.weights import accumulator

if TYPE_CHECKING:
    from smoothlab.targets import SoftTarget

# Half of a usual L2 cache, per thread: smaller chunks pay for more calls, larger ones fall out of the cache.
CHUNK_BYTES_PER_THREAD = 1 << 19

ONCE = (
    "soft_cross_entropy makes its gradient once, in the forward pass: a second backward through the same "
    'loss, or create_graph=True, needs soft_cross_entropy(..., implementation="reference")'
)


def chunked_sum(logits: Tensor, target: SoftTarget, weight: Tensor | None, scale: float) -> Tensor:
    """``scale`` times the sum over rows of weight times loss: a scalar, float32 or wider.

    Args:
        logits: ``(N, K)`` of any float type, on the CPU.
        target: a flat target, its labels in [0, K).
        weight: ``(N,)`` in float32 or wider, or None. A row of weight 0 is absent, even if its logits are
            nan.
        scale: such as 1/N for a mean.
    """
    if torch.is_grad_enabled() and logits.requires_grad:
        return _ChunkedSum.apply(logits, target, weight, scale)
    return _forward(logits, target, weight, None).sum() * scale


def chunked_rows(logits: Tensor, target: SoftTarget, weight: Tensor | None) -> Tensor:
    """As :func:`chunked_sum`, but the weighted losses ``(N,)`` themselves."""
    if torch.is_grad_enabled() and logits.requires_grad:
        return _ChunkedRows.apply(logits, target, weight)
    return _forward(logits, target, weight, None)


class _ChunkedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: SoftTarget, weight: Tensor | None, scale: float) -> Tensor:
        ctx.scale = scale
        return _ChunkedRows.forward(ctx, logits, target, weight).sum() * scale

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        return _scaled_gradient(ctx, grad_outputs[0] * ctx.scale), None, None, None


class _ChunkedRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: SoftTarget, weight: Tensor | None) -> Tensor:
        gradient = torch.empty_like(logits)
        rows = _forward(logits, target, weight, gradient)
        ctx.save_for_backward(gradient)
        ctx.spent = False
        return rows

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        return _scaled_gradient(ctx, grad_outputs[0].unsqueeze(-1)), None, None


def _scaled_gradient(ctx: Any, scale: Tensor) -> Tensor:
    if ctx.spent or torch.is_grad_enabled():
        raise RuntimeError(ONCE)
    ctx.spent = True
    return ctx.saved_tensors[0].mul_(scale)


def _forward(logits: Tensor, target: SoftTarget, weight: Tensor | None, gradient: Tensor | None) -> Tensor:
    """The weighted losses ``(N,)``; the gradient of their sum goes to ``gradient`` ``(N, K)``, if given."""
    num_rows, num_classes = logits.shape
    dtype = accumulator(logits.dtype)
    step = _rows_per_chunk(num_classes * dtype.itemsize)
    chunks = logits.split(step)
    terms = terms_of(target, logits, dtype, step)

    if gradient is not None and gradient.dtype is dtype:
        buffers = gradient.split(step)
    else:
        scratch = torch.empty(min(step, num_rows), num_classes, dtype=dtype, device="cpu")
        buffers = tuple(scratch[: len(chunk)] for chunk in chunks)

    def keep(index: int) -> None:
        """Weigh the gradient of a chunk, and take it out of scratch."""
        start, p = index * step, buffers[index]
        if weight is not None:
            factor = weight[start : start + step].unsqueeze(1)
            p.mul_(factor).masked_fill_(factor == 0, 0)
        if gradient is not None and gradient.dtype is not dtype:
            gradient[start : start + step] = p

    peak = torch.empty(num_rows, dtype=dtype, device="cpu")  # max z
    top = torch.empty(num_rows, dtype=dtype, device="cpu")  # max p
    peaks, tops = peak.split(step), top.split(step)
    for index, (chunk, p) in enumerate(zip(chunks, buffers, strict=True)):
        z = chunk.to(dtype)
        for term in terms:
            term.dot(index, z, p)
        torch.amax(z, 1, out=peaks[index])
        torch.softmax(z, 1, out=p)
        torch.amax(p, 1, out=tops[index])
        if gradient is not None:
            for term in terms:
                term.subtract_from(index, p)
            keep(index)

    rows = peak.sub_(top.log_())
    for term in terms:
        rows.sub_(term.dots())
    if not math.isfinite(rows.sum().item()):
        # A prior met a -inf logit, or a label is masked, or the logits are nan or inf. The few chunks that it
        # concerns are made again with care. To look here and not at the logits spares a pass over (N, K).
        for index, (chunk, losses) in enumerate(zip(chunks, rows.split(step), strict=True)):
            if not losses.isfinite().all():
                part = target.part(slice(index * step, (index + 1) * step))
                losses.copy_(_careful(chunk.to(dtype), part, buffers[index]))
                keep(index)
    return rows if weight is None else rows.mul_(weight).masked_fill_(weight == 0, 0)


def _careful(z: Tensor, target: SoftTarget, p: Tensor) -> Tensor:
    """The losses of rows with masked classes; leaves ``softmax(z) - q`` in p."""
    q = target.dense(z.shape[1], z).to(z.dtype)
    torch.softmax(z, 1, out=p).sub_(q)
    return z.logsumexp(1) - (q * z).masked_fill_(q == 0, 0).sum(1)  # without the fill, 0 * -inf


def _rows_per_chunk(row_bytes: int) -> int:
    threads = torch.get_num_threads()
    return threads * max(1, CHUNK_BYTES_PER_THREAD // row_bytes)
