"""A linear layer and its soft cross-entropy in chunks of rows: logits, losses and gradients of one, then of the next.

In float32 and float64 on the CPU the gradients are made as they are to leave, divided by the count too, so that a plain
``loss.backward()`` has nothing left to do. Elsewhere they are those of the sum over rows, and ``backward`` divides: in
half precision a mean's gradient would round to zero before a loss scaler could reach it, and on a device the count is
not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from smoothlab.losses.chunked import ONCE, careful_rows, chunked_rows, rows_in_place, weigh
from smoothlab.losses.weights import accumulator
from smoothlab.targets import OtherClasses, PerClass, SoftTarget

# Each chunk reads weight and its gradient once, so that a matrix product wants many rows.
ROWS_ON_CPU = 256
ROWS_ON_DEVICE = 1024
SMALLEST_CHUNK_BYTES = 1 << 22  # with few classes the calls of a chunk would cost more than its arithmetic


def matmul_dtype(tensor: Tensor) -> torch.dtype:
    """The type in which a linear layer takes such a tensor; autocast leaves float64 alone."""
    device = tensor.device.type
    available = torch.amp.is_autocast_available(device)
    if available and torch.is_autocast_enabled(device) and tensor.dtype is not torch.float64:
        return torch.get_autocast_dtype(device)
    return tensor.dtype


def rows_at_once(num_rows: int, num_classes: int, dtype: torch.dtype, device: torch.device) -> int:
    """Rows of a chunk, such that all chunks are about equal."""
    rows = ROWS_ON_CPU if device.type == "cpu" else ROWS_ON_DEVICE
    rows = max(rows, SMALLEST_CHUNK_BYTES // (num_classes * dtype.itemsize))
    num_chunks = -(-num_rows // rows)
    return -(-num_rows // num_chunks)


def linear_sum(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    target: SoftTarget,
    row_weight: Tensor | None,
    scale: float | Tensor,
    step: int,
) -> Tensor:
    """``scale`` times the sum over rows of row weight times loss: a scalar, float32 or wider.

    Args:
        hidden: ``(N, D)``, N >= 1.
        weight: ``(K, D)``.
        bias: ``(K,)`` or None.
        target: a flat target, its labels in [0, K).
        row_weight: ``(N,)`` in float32 or wider, or None. A row of weight 0 is absent, even if its hidden is nan.
        scale: such as 1/N for a mean; a number on the CPU.
        step: rows of a chunk.
    """
    learned = any(tensor is not None and tensor.requires_grad for tensor in (hidden, weight, bias))
    if learned and torch.is_grad_enabled():
        return _LinearSum.apply(hidden, weight, bias, target, row_weight, scale, step)
    with torch.no_grad():
        return _Walk(hidden, weight, bias, target, row_weight, step).sum() * scale


class _LinearSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        target: SoftTarget,
        row_weight: Tensor | None,
        scale: float | Tensor,
        step: int,
    ) -> Tensor:
        gradients = _Gradients(hidden, weight, bias, ctx.needs_input_grad, scale)
        total = _Walk(hidden, weight, bias, target, row_weight, step, gradients).sum() * scale
        ctx.save_for_backward(gradients.of_hidden, gradients.of_weight, gradients.of_bias)
        ctx.dtypes = [None if tensor is None else tensor.dtype for tensor in (hidden, weight, bias)]
        ctx.left = gradients.left
        ctx.spent = False
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.spent or torch.is_grad_enabled():
            raise RuntimeError(ONCE.format(function="linear_soft_cross_entropy"))
        ctx.spent = True
        above = grad_outputs[0]
        factor = (above.item() if above.is_cpu else above) * ctx.left
        done = isinstance(factor, float) and factor == 1
        leaving: list[Tensor | None] = []
        for gradient, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True):
            if gradient is not None and not done:
                gradient.mul_(factor)
            leaving.append(None if gradient is None else gradient.to(dtype))
        return (*leaving, None, None, None, None)


class _Gradients:
    """Those of hidden, weight and bias that are wanted, summed over the chunks."""

    def __init__(
        self, hidden: Tensor, weight: Tensor, bias: Tensor | None, wanted: Sequence[bool], scale: float | Tensor
    ) -> None:
        matmul = matmul_dtype(hidden)
        dtype = accumulator(matmul)
        self.of_hidden = torch.empty_like(hidden, memory_format=torch.contiguous_format) if wanted[0] else None
        self.of_weight = torch.empty_like(weight, dtype=dtype) if wanted[1] else None
        self.of_bias = torch.zeros_like(bias, dtype=dtype) if bias is not None and wanted[2] else None
        self.wide = matmul is dtype
        self.scale, self.left = (scale, 1.0) if self.wide and isinstance(scale, float) else (1.0, scale)
        self.started = False

    def add(self, rows: slice, gradient: Tensor, hidden: Tensor, weight: Tensor) -> None:
        """Take in a chunk.

        Args:
            rows: which rows it has.
            gradient: ``(n, K)``, that of the chunk's logits, as any type that a matrix product takes.
            hidden: ``(n, D)``, in that type.
            weight: ``(K, D)``, in that type.
        """
        if self.of_hidden is not None:
            out = self.of_hidden[rows]
            if self.wide:
                torch.addmm(out, gradient, weight, beta=0, alpha=self.scale, out=out)
            else:
                out.copy_(gradient @ weight)
        if self.of_weight is not None:
            if self.wide:
                self.of_weight.addmm_(gradient.t(), hidden, beta=int(self.started), alpha=self.scale)
            elif self.started:
                self.of_weight.add_(gradient.t() @ hidden)
            else:
                self.of_weight.copy_(gradient.t() @ hidden)
        if self.of_bias is not None:
            self.of_bias.add_(gradient.sum(0, dtype=self.of_bias.dtype), alpha=self.scale)
        self.started = True


class _Walk:
    """One walk over the rows, with one chunk of logits in hand."""

    def __init__(
        self,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        target: SoftTarget,
        row_weight: Tensor | None,
        step: int,
        gradients: _Gradients | None = None,
    ) -> None:
        matmul = matmul_dtype(hidden)
        self.hidden, self.weight = hidden.to(matmul), weight.to(matmul)
        self.bias = None if bias is None else bias.to(matmul)
        self.dtype = accumulator(matmul)
        self.target = _in_type(target, self.dtype)
        self.row_weight, self.step, self.gradients = row_weight, step, gradients
        self.logits = hidden.new_empty(min(step, len(hidden)), len(weight), dtype=matmul)
        # masked classes; on the CPU they are looked for once, elsewhere every chunk is ready for them
        self.careful = bias is not None and bias.is_cpu and bool(bias.isinf().any())

    def sum(self) -> Tensor:
        """The sum of the weighted losses, a scalar."""
        chunk_sum = self.on_cpu if self.hidden.is_cpu else self.on_device
        starts = range(0, len(self.hidden), self.step)
        return torch.cat([chunk_sum(slice(start, start + self.step)) for start in starts]).sum()

    def on_cpu(self, rows: slice) -> Tensor:
        """The weighted losses of a chunk; its logits become their gradient in their own memory."""
        hidden, weight = self.rows(rows)
        part = self.target.part(rows)
        logits = self.make(hidden)
        if self.gradients is None:
            return chunked_rows(logits, part, weight)
        losses = rows_in_place(logits, part, weight, careful=self.careful)
        if losses is None:
            losses = rows_in_place(self.make(hidden), part, weight, careful=True)
            assert losses is not None
        self.gradients.add(rows, logits, hidden, self.weight)
        return losses

    def on_device(self, rows: slice) -> Tensor:
        """The same where caches want whole chunks, and where no value may be looked at."""
        hidden, weight = self.rows(rows)
        losses, p = careful_rows(self.make(hidden).to(self.dtype), self.target.part(rows))
        if weight is not None:
            weigh(losses, weight.unsqueeze(1))
            weigh(p, weight.unsqueeze(1))
        if self.gradients is not None:
            self.gradients.add(rows, p.to(self.logits.dtype), hidden, self.weight)
        return losses.squeeze(1)

    def rows(self, rows: slice) -> tuple[Tensor, Tensor | None]:
        """A chunk of hidden, zeros for absent rows, and its row weights."""
        hidden = self.hidden[rows]
        if self.row_weight is None:
            return hidden, None
        weight = self.row_weight[rows]
        return hidden.masked_fill((weight == 0).unsqueeze(1), 0), weight

    def make(self, hidden: Tensor) -> Tensor:
        """The logits of a chunk, in the memory of the one before."""
        logits = self.logits[: len(hidden)]
        if self.bias is None:
            return torch.mm(hidden, self.weight.t(), out=logits)
        return torch.addmm(self.bias, hidden, self.weight.t(), out=logits)


def _in_type(target: SoftTarget, dtype: torch.dtype) -> SoftTarget:
    """A vector or matrix in ``dtype``, so that no chunk has to convert it again."""
    if isinstance(target.prior, Tensor):
        return replace(target, prior=target.prior.to(dtype))
    if isinstance(target.prior, PerClass):
        return replace(target, prior=PerClass(target.prior.matrix.to(dtype)))
    if isinstance(target.prior, OtherClasses):
        return replace(target, prior=OtherClasses(target.prior.weights.to(dtype)))
    return target
