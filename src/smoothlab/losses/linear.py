"""Soft cross-entropy of a linear layer's outputs, for vocabularies whose logits would fill the memory."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.losses.cross_entropy import soft_cross_entropy
from smoothlab.losses.dispatch import is_eager, wants_gradient
from smoothlab.losses.linear_chunks import linear_sum, matmul_dtype, rows_at_once
from smoothlab.losses.shapes import check_factors, check_kind, check_linear, described
from smoothlab.losses.weights import accumulator, keep_rows, row_weight
from smoothlab.numbers import check_choice, check_whole
from smoothlab.targets import SoftTarget


def linear_soft_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    target: SoftTarget,
    *,
    sample_weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum"] = "mean",
    chunk_size: int | None = None,
    implementation: Literal["auto", "reference"] = "auto",
) -> Tensor:
    """``soft_cross_entropy(hidden @ weight.T + bias, target)``, in nats, with no more than a chunk of logits at a time.

    The gradients of hidden, weight and bias (of those that want one) are made in the forward pass, chunk by chunk, and
    nothing of the logits' size is kept. On a CPU one or two buffers of (chunk, K) are held beside the gradients. Other
    devices take the same chunks with plain torch calls, about six such buffers, and never wait for the device; that
    path is tested on the CPU and on torch's meta device, and has not been run or timed on a GPU.

    Args:
        hidden: ``(..., D)``, of any float type.
        weight: ``(K, D)``, of hidden's type; it may be the embedding's (tied). Under autocast both are cast as
            torch.nn.functional.linear casts them; softmax and sums stay in float32, and the gradient of weight is
            summed over the chunks in float32.
        bias: ``(K,)`` or None. A bias of -inf masks its class, as a logit of -inf does in
            :func:`smoothlab.soft_cross_entropy`.
        target: base ``(...,)`` or ``(..., K)``, with its epsilon and any prior.
        sample_weight: ``(...,)``, weights >= 0, or None. A row of weight 0 is ignored, even if its hidden is nan.
        ignore_index: rows with this label contribute no loss, no gradient and no count, even if their hidden is nan.
        reduction: ``"mean"`` divides the sum by the sum of the kept rows' weights (their number, without weights);
            with nothing kept it is 0.0. There is no ``"none"``: the gradients are those of one sum.
        chunk_size: rows of hidden at a time, >= 1; None chooses. Fewer need less memory, and are slower: weight and
            its gradient are read once for each chunk.
        implementation: ``"auto"``; or ``"reference"``, which makes all logits, and allows double backward and several
            backward passes. It is taken by itself under torch.compile and torch.func, for tensor subclasses, and where
            a factor of the target or sample_weight wants a gradient.

    Returns:
        The loss, a scalar in float32 or wider.

    Raises:
        InvalidArgument: an unknown option, or shapes or types that do not fit, such as a prior of another K.
        LabelOutOfRange: a label outside [0, K) that is not ignored, on the CPU; on CUDA it is a device-side assertion.
        RuntimeError: in a second backward, or with create_graph=True.

    Source: Hsu et al., "Liger Kernel: Efficient Triton Kernels for LLM Training", arXiv 2410.10989, 2024, for chunks of
    rows whose gradients are made in the forward pass (there with uniform smoothing alone).
    """
    check_choice("reduction", reduction, ("mean", "sum"))
    check_choice("implementation", implementation, ("auto", "reference"))
    if chunk_size is not None:
        check_whole("chunk_size", chunk_size, 1)
    check_kind(target)
    check_linear(hidden, weight, bias)
    dtype = matmul_dtype(hidden)
    for name, other in (("weight", weight), ("bias", bias)):
        if other is not None and matmul_dtype(other) is not dtype:
            raise InvalidArgument(name, described(other), f"{dtype}, the type of hidden, or autocast")
    leading, num_classes = hidden.shape[:-1], weight.shape[0]
    num_rows = leading.numel()
    check_factors(torch.Size((*leading, num_classes)), target, None, sample_weight)

    eager = all(is_eager(tensor) for tensor in (hidden, weight, bias) if tensor is not None)
    learned = wants_gradient(target, sample_weight)
    if implementation == "reference" or not eager or learned or num_rows == 0:
        hidden = _without_ignored(hidden, target, sample_weight, ignore_index)
        return soft_cross_entropy(
            F.linear(hidden, weight, bias),
            target,
            sample_weight=sample_weight,
            ignore_index=ignore_index,
            reduction=reduction,
            implementation=implementation,
        )

    target, counted = keep_rows(target.flatten(), num_classes, ignore_index, look=hidden.is_cpu)
    flat_weight = None if sample_weight is None else sample_weight.reshape(-1)
    by_row = row_weight(target, counted, None, flat_weight, accumulator(dtype))
    scale: float | Tensor = 1.0
    if reduction == "mean":
        scale = 1 / num_rows if by_row is None else _inverse(by_row.sum())
    step = chunk_size or rows_at_once(num_rows, num_classes, dtype, hidden.device)
    return linear_sum(hidden.reshape(num_rows, hidden.shape[-1]), weight, bias, target, by_row, scale, step)


def _without_ignored(hidden: Tensor, target: SoftTarget, sample_weight: Tensor | None, ignore_index: int) -> Tensor:
    """Zeros for ignored rows: a nan there would reach weight's gradient, as 0 * nan."""
    ignored = target.base == ignore_index if target.is_index else target.left_out
    hidden = hidden.masked_fill(ignored.unsqueeze(-1), 0)
    if sample_weight is not None:
        hidden = hidden.masked_fill((sample_weight == 0).unsqueeze(-1), 0)
    return hidden


def _inverse(count: Tensor) -> float | Tensor:
    """1 / count, and 1 for a count of 0; a number on the CPU, a tensor where a look would make the device wait."""
    return 1 / (count.item() or 1.0) if count.is_cpu else 1 / count.where(count != 0, 1)
