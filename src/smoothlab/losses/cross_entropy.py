"""Soft cross-entropy: the cross-entropy of logits against soft targets."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from smoothlab.losses.chunked import chunked_rows, chunked_sum
from smoothlab.losses.dispatch import is_eager, wants_gradient
from smoothlab.losses.reference import reference_rows
from smoothlab.losses.shapes import check_shapes
from smoothlab.losses.small import dense_sum, table_sum
from smoothlab.losses.weights import accumulator, keep_rows, row_weight
from smoothlab.numbers import check_choice
from smoothlab.targets import SoftTarget


def soft_cross_entropy(
    logits: Tensor,
    target: SoftTarget,
    *,
    class_weight: Tensor | None = None,
    sample_weight: Tensor | None = None,
    class_weight_mode: Literal["sample", "torch"] = "sample",
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    implementation: Literal["auto", "reference"] = "auto",
) -> Tensor:
    """Cross-entropy against a soft target: ``CE(q, z) = logsumexp(z) - <q, z>``, in nats.

    A logit of -inf (a masked class) gets no smoothing mass: the prior is renormalised over the other classes,
    and its mass returns to the base where nothing of it is left. A masked label has the loss inf. Only -inf
    counts as a mask, not a large negative number.

    Args:
        logits: ``(..., K)``, of any float type; classes are the last dimension.
        target: base ``(...,)`` or ``(..., K)``, with its epsilon and prior.
        class_weight: ``(K,)``, weights >= 0, or None.
        sample_weight: ``(...,)``, weights >= 0, or None. A row of weight 0 is ignored.
        class_weight_mode: ``"sample"``: a row's loss is weighed by its label's weight (for votes by the
            expected one, ``sum_k base_k w_k``), which leaves the target as it is. ``"torch"``: as
            torch.nn.functional.cross_entropy does it, ``-sum_k w_k q_k log p_k``, whose minimum is not at q;
            its mean divides by the sum of the labels' weights for index bases, and by the number of rows for
            vote bases.
        ignore_index: rows with this label contribute no loss, no gradient and no count, whatever their
            logits. So do rows of a distribution base that are filled with -100.
        reduction: ``"mean"`` divides the sum by the sum of the kept rows' weights (their number, without
            weights). With nothing kept, as in an empty batch, it is 0.0, where torch's is nan. ``"none"``
            gives ``(...,)``, with 0 for ignored rows.
        implementation: ``"auto"`` takes the fastest path that fits; ``"reference"`` the plain autograd
            formula, which allows double backward and several backward passes.

    Returns:
        The loss in float32 or wider, whatever the logits; sums are accumulated in that type.

    Raises:
        InvalidArgument: an unknown option, or shapes that do not fit.
        LabelOutOfRange: a label outside [0, K) that is not ignored, on the CPU; on CUDA it is a device-side assertion.
        RuntimeError: in a second backward, or with create_graph=True, where the gradient was made in the forward pass.

    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, for smoothed labels;
    pytorch issue 104776 for the distortion by class weights inside the sum.
    """
    check_choice("class_weight_mode", class_weight_mode, ("sample", "torch"))
    check_choice("reduction", reduction, ("mean", "sum", "none"))
    check_choice("implementation", implementation, ("auto", "reference"))
    check_shapes(logits, target, class_weight, sample_weight)

    eager_cpu = logits.is_cpu and is_eager(logits)
    bent = class_weight if class_weight_mode == "torch" else None  # weights inside the sum over classes
    weighing = class_weight if bent is None else None
    fast = eager_cpu and implementation == "auto" and bent is None and logits.numel() > 0
    if fast and not wants_gradient(target, class_weight, sample_weight):
        return _fast(logits, target, class_weight, sample_weight, ignore_index, reduction)

    target, counted = keep_rows(target, logits.shape[-1], ignore_index, look=eager_cpu)
    weight = row_weight(target, counted, weighing, sample_weight, accumulator(logits.dtype))
    rows = reference_rows(logits, target, weight, bent)
    if reduction == "none":
        return rows
    if reduction == "sum":
        return rows.sum()
    if bent is not None and target.is_index:
        weight = bent[target.base] if weight is None else bent[target.base] * weight
    if weight is None:
        return rows.sum() / max(rows.numel(), 1)
    count = weight.sum()
    return rows.sum() / count.where(count != 0, 1)


def _fast(
    logits: Tensor,
    target: SoftTarget,
    class_weight: Tensor | None,
    sample_weight: Tensor | None,
    ignore_index: int,
    reduction: str,
) -> Tensor:
    """Small batches as a whole, others in chunks of rows."""
    leading, num_classes = logits.shape[:-1], logits.shape[-1]
    num_rows = leading.numel()
    if logits.ndim != 2:
        logits = logits.reshape(-1, num_classes)
    target = target.flatten()
    scale = 1 / num_rows if reduction == "mean" else 1.0
    plain = class_weight is None and sample_weight is None and reduction != "none"
    # an ignored label in [0, K) has to be looked for; at any other the table steps aside
    if plain and not 0 <= ignore_index < num_classes:
        loss = table_sum(logits, target, scale)
        if loss is not None:
            return loss
    target, counted = keep_rows(target, num_classes, ignore_index, look=True)
    flat_weight = None if sample_weight is None else sample_weight.reshape(-1)
    weight = row_weight(target, counted, class_weight, flat_weight, accumulator(logits.dtype))
    if reduction == "none":
        return chunked_rows(logits, target, weight).reshape(leading)
    if reduction == "mean" and weight is not None:
        scale = 1 / (weight.sum().item() or 1.0)
    loss = dense_sum(logits, target, weight, scale)
    return loss if loss is not None else chunked_sum(logits, target, weight, scale)
