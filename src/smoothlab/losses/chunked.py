"""Soft cross-entropy on a CPU, in chunks of rows that stay in the cache.

One visit to the logits gives loss and gradient. The softmax goes straight into the gradient's buffer, and the target is
subtracted there factor by factor. The log-sum-exp is read back from one class r of each row,
``lse = z_r - log p_r``. Beside the gradient nothing of the logits' size is held.

In float32 and float64 the gradient is made as it is to leave, divided by the count too, so that a plain
``loss.backward()`` has nothing left to do. In half precision it is that of the sum over rows, and ``backward`` divides:
a mean's gradient would round to zero before a loss scaler could reach it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from smoothlab.losses.terms import cut, terms_of
from smoothlab.losses.weights import accumulator
from smoothlab.targets import SoftTarget

# About an L2 cache, per thread: smaller chunks pay for more calls, much larger ones leave the caches.
CHUNK_BYTES_PER_THREAD = 1 << 20

ONCE = (
    "{function} makes its gradient once, in the forward pass: a second backward through the same "
    'loss, or create_graph=True, needs {function}(..., implementation="reference")'
)


def chunked_sum(logits: Tensor, target: SoftTarget, weight: Tensor | None, scale: float) -> Tensor:
    """``scale`` times the sum over rows of weight times loss: a scalar, float32 or wider.

    Args:
        logits: ``(N, K)`` of any float type, on the CPU, not empty.
        target: a flat target, its labels in [0, K).
        weight: ``(N,)`` in float32 or wider, or None. A row of weight 0 is absent, even if its logits are
            nan.
        scale: such as 1/N for a mean.
    """
    if torch.is_grad_enabled() and logits.requires_grad:
        return _ChunkedSum.apply(logits, target, weight, scale)
    return _Pass(logits, target, weight).rows().sum().mul_(scale)


def chunked_rows(logits: Tensor, target: SoftTarget, weight: Tensor | None) -> Tensor:
    """As :func:`chunked_sum`, but the weighted losses ``(N,)`` themselves."""
    if torch.is_grad_enabled() and logits.requires_grad:
        return _ChunkedRows.apply(logits, target, weight)
    return _Pass(logits, target, weight).rows()


def rows_in_place(logits: Tensor, target: SoftTarget, weight: Tensor | None, *, careful: bool) -> Tensor | None:
    """As :func:`chunked_rows`, for logits that nobody needs afterwards: they become the gradient of the losses' sum.

    Args:
        logits, target, weight: as in :func:`chunked_rows`.
        careful: do each row as one of a loss of inf or nan is done: right for every row, and slower.

    Returns:
        The weighted losses; None, with the logits lost, where one is inf or nan: they have to be made again, and done
        with care.
    """
    work = _Pass(logits, target, weight, logits)
    if careful:
        losses = logits.new_full((len(logits), 1), math.nan, dtype=work.dtype)
        work.mend(losses)
    else:
        losses = work.unmended()
        if not math.isfinite(losses.sum().item()):
            return None
    return work.weighed(losses)


def careful_rows(z: Tensor, target: SoftTarget, out: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The losses ``(n, 1)`` of any logits, -inf among them, and ``softmax - q``; never waits for a device.

    Args:
        z: ``(n, K)`` in float32 or wider.
        target: a flat target of these rows, its labels in [0, K).
        out: ``(n, K)`` for ``softmax - q``, other memory than z's; None for memory of its own.
    """
    q = target.dense(z.shape[1], z, dtype=z.dtype)
    inner = (q * z).masked_fill_(q == 0, 0).sum(1)  # without the fill, 0 * -inf
    return (z.logsumexp(1) - inner).unsqueeze(1), torch.softmax(z, 1, out=out).sub_(q)


class _ChunkedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: SoftTarget, weight: Tensor | None, scale: float) -> Tensor:
        wide = logits.dtype is accumulator(logits.dtype)
        ctx.scale = 1.0 if wide else scale
        rows = _remember(ctx, logits, target, weight, scale if wide else 1.0)
        return rows.sum().mul_(scale)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        return _recall(ctx, grad_outputs[0].item() * ctx.scale), None, None, None


class _ChunkedRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: SoftTarget, weight: Tensor | None) -> Tensor:
        return _remember(ctx, logits, target, weight, 1.0)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        return _recall(ctx, grad_outputs[0].unsqueeze(1)), None, None


def _remember(ctx: Any, logits: Tensor, target: SoftTarget, weight: Tensor | None, scale: float) -> Tensor:
    """The weighted losses; saves ``scale`` times the gradient of their sum."""
    gradient = torch.empty_like(logits)
    rows = _Pass(logits, target, weight, gradient, scale).rows()
    ctx.save_for_backward(gradient)
    ctx.spent = False
    return rows


def _recall(ctx: Any, factor: float | Tensor) -> Tensor:
    """The saved gradient times ``factor``, in its own memory."""
    if ctx.spent or torch.is_grad_enabled():
        raise RuntimeError(ONCE.format(function="soft_cross_entropy"))
    ctx.spent = True
    (gradient,) = ctx.saved_tensors
    return gradient if isinstance(factor, float) and factor == 1 else gradient.mul_(factor)


class _Pass:
    """One pass over the logits; fills ``gradient`` ``(N, K)``, where it is given, with its multiple ``scale``.

    ``gradient`` may be the logits themselves; then only :meth:`unmended` and :meth:`mend` are of use, once.
    """

    def __init__(
        self,
        logits: Tensor,
        target: SoftTarget,
        weight: Tensor | None,
        gradient: Tensor | None = None,
        scale: float = 1.0,
    ) -> None:
        num_rows, num_classes = logits.shape
        self.target = target
        self.scale = scale
        self.dtype = accumulator(logits.dtype)
        self.smallest = torch.finfo(self.dtype).smallest_normal
        self.step = _rows_per_chunk(num_classes * self.dtype.itemsize)
        self.chunks = cut(logits, self.step)
        self.weight = None if weight is None else weight.unsqueeze(1)
        self.labels = cut(target.base.unsqueeze(1), self.step) if target.is_index else None
        self.gradients = None if gradient is None else cut(gradient, self.step)
        self.terms = terms_of(target, num_classes, self.dtype, self.step, scale)
        if self.gradients is not None and gradient is not logits and logits.dtype is self.dtype:
            self.buffers = self.gradients  # p is made in place
        else:
            scratch = torch.empty(min(self.step, num_rows), num_classes, dtype=self.dtype, device="cpu")
            self.buffers = [scratch[: chunk.shape[0]] for chunk in self.chunks]

    def rows(self) -> Tensor:
        """The weighted losses, ``(N,)``."""
        rows = self.unmended()
        if not math.isfinite(rows.sum().item()):
            self.mend(rows)
        return self.weighed(rows)

    def unmended(self) -> Tensor:
        """The losses ``(N, 1)``, not yet weighted; inf or nan where they may have to be mended."""
        logits, probabilities = [], []  # of the class that gives the log-sum-exp
        dots: list[list[Tensor]] = [[] for _ in self.terms]
        for index, (chunk, p) in enumerate(zip(self.chunks, self.buffers, strict=True)):
            z = chunk.to(self.dtype)
            torch.softmax(z, 1, out=p)  # first, because it is the best at bringing a chunk into the cache
            for term, products in zip(self.terms, dots, strict=True):
                products.append(term.dot(index, z))
            logit, probability = self.anchor(index, z, p, dots[0][-1])
            logits.append(logit)
            probabilities.append(probability)
            if self.gradients is not None:
                for term in self.terms:
                    term.subtract_from(index, p)
                self.keep(index)
        rows = _joined(logits) - _joined(probabilities).log_()
        for term, products in zip(self.terms, dots, strict=True):
            if isinstance(term.coefficient, Tensor):
                rows.addcmul_(_joined(products), term.coefficient, value=-1)
            else:
                rows.sub_(_joined(products), alpha=term.coefficient)
        return rows

    def weighed(self, rows: Tensor) -> Tensor:
        """Losses ``(N, 1)``, weighted, as ``(N,)``."""
        return rows.squeeze(1) if self.weight is None else weigh(rows, self.weight).squeeze(1)

    def anchor(self, index: int, z: Tensor, p: Tensor, label_logit: Tensor) -> tuple[Tensor, Tensor]:
        """Logit and probability, ``(rows, 1)``, of the class that gives the log-sum-exp.

        Any class does whose probability lost no digits to underflow. The label costs one look-up; where it
        will not do, and for vote bases, it is the largest one.
        """
        if self.labels is not None:
            probability = p.gather(1, self.labels[index])
            if probability.min().item() >= self.smallest:
                return label_logit, probability
        return z.amax(1, keepdim=True), p.amax(1, keepdim=True)

    def keep(self, index: int) -> None:
        """Weigh the gradient of a chunk, and take it out of scratch."""
        p = self.buffers[index]
        if self.weight is not None:
            weigh(p, self.weight[index * self.step : (index + 1) * self.step])
        if self.gradients is not None and self.gradients is not self.buffers:
            self.gradients[index].copy_(p)

    def mend(self, rows: Tensor) -> None:
        """Make the chunks again, with care, that have a loss of inf or nan in ``rows`` ``(N, 1)``.

        There a prior met a -inf logit, or a label is masked, or the logits are nan or inf. To find that out
        from the losses, and not from the logits, spares a pass over (N, K).
        """
        for index, (chunk, losses) in enumerate(zip(self.chunks, cut(rows, self.step), strict=True)):
            if not losses.isfinite().all():
                z, p = chunk.to(self.dtype), self.buffers[index]
                part = self.target.part(slice(index * self.step, (index + 1) * self.step))
                losses.copy_(careful_rows(z, part, p)[0])
                p.mul_(self.scale)
                self.keep(index)


def _joined(chunks: Sequence[Tensor]) -> Tensor:
    return chunks[0] if len(chunks) == 1 else torch.cat(list(chunks))


def weigh(rows: Tensor, weight: Tensor) -> Tensor:
    """``rows *= weight``, in place; a weight of 0 makes 0 even of nan."""
    return rows.mul_(weight).masked_fill_(weight == 0, 0)


def _rows_per_chunk(row_bytes: int) -> int:
    threads = torch.get_num_threads()
    return threads * max(1, CHUNK_BYTES_PER_THREAD // row_bytes)
