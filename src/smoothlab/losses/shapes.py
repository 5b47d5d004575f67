"""Shape checks of the loss's arguments; they look at no value, so that no device has to wait."""

from __future__ import annotations

import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.targets import OtherClasses, PerClass, PerSample, SoftTarget, check_tensor


def check_shapes(logits: Tensor, target: SoftTarget, class_weight: Tensor | None, sample_weight: Tensor | None) -> None:
    """Raise InvalidArgument where a factor of the target, or a weight, does not fit logits ``(..., K)``."""
    check_kind(target)
    check_tensor("logits", logits, "a float tensor of shape (..., K)")
    shape = logits.shape
    if not logits.is_floating_point() or not shape or shape[-1] == 0:
        raise InvalidArgument("logits", described(logits), "a float tensor of shape (..., K)")
    check_factors(shape, target, class_weight, sample_weight)


def check_linear(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Raise InvalidArgument where ``hidden (..., D)``, ``weight (K, D)`` and ``bias (K,)`` do not fit each other."""
    check_tensor("hidden", hidden, "a float tensor of shape (..., D)")
    check_tensor("weight", weight, "a float tensor of shape (K, D)")
    if bias is not None:
        check_tensor("bias", bias, "None or a float tensor of shape (K,)")
    if not hidden.is_floating_point() or not hidden.ndim:
        raise InvalidArgument("hidden", described(hidden), "a float tensor of shape (..., D)")
    size = hidden.shape[-1]
    if not weight.is_floating_point() or weight.ndim != 2 or weight.shape[1] != size or weight.shape[0] == 0:
        raise InvalidArgument("weight", described(weight), f"a float tensor of shape (K, {size}), as hidden has it")
    if bias is not None and (not bias.is_floating_point() or bias.shape != weight.shape[:1]):
        raise InvalidArgument("bias", described(bias), f"a float tensor of shape ({weight.shape[0]},)")


def check_kind(target: SoftTarget) -> None:
    """Raise InvalidArgument where the target is something else, such as bare labels."""
    if not isinstance(target, SoftTarget):
        raise InvalidArgument("target", type(target).__name__, "a SoftTarget, such as SoftTarget(labels)")


def check_factors(
    shape: torch.Size, target: SoftTarget, class_weight: Tensor | None, sample_weight: Tensor | None
) -> None:
    """Raise InvalidArgument where a factor of the target, or a weight, does not fit logits of ``shape`` (..., K)."""
    leading, num_classes = shape[:-1], shape[-1]
    base_shape = leading if target.is_index else shape
    if target.base.shape != base_shape:
        raise InvalidArgument("target.base", described(target.base), f"shape {tuple(base_shape)} for these logits")
    epsilon, prior = target.epsilon, target.prior
    if isinstance(epsilon, Tensor) and epsilon.numel() != 1 and epsilon.shape != leading:
        raise InvalidArgument("target.epsilon", described(epsilon), f"one value, or shape {tuple(leading)}")
    if isinstance(prior, PerSample):
        if prior.rows.shape[-1] != num_classes or prior.rows.numel() != shape.numel():
            expected = f"{leading.numel()} rows of {num_classes} classes"
            raise InvalidArgument("target.prior.rows", described(prior.rows), expected)
    elif isinstance(prior, PerClass):
        if prior.matrix.shape[0] != num_classes:
            raise InvalidArgument("target.prior.matrix", described(prior.matrix), f"({num_classes}, {num_classes})")
    elif isinstance(prior, OtherClasses):
        if len(prior.weights) != num_classes:
            raise InvalidArgument("target.prior.weights", described(prior.weights), f"shape ({num_classes},)")
    elif isinstance(prior, Tensor) and len(prior) != num_classes:
        raise InvalidArgument("target.prior", described(prior), f"shape ({num_classes},)")
    for name, weight, fitting in (
        ("class_weight", class_weight, (num_classes,)),
        ("sample_weight", sample_weight, tuple(leading)),
    ):
        if weight is not None:
            check_tensor(name, weight, f"None or shape {fitting}")
            if weight.shape != fitting:
                raise InvalidArgument(name, described(weight), f"shape {fitting}")


def described(tensor: Tensor) -> str:
    """Type and shape, for an error's line."""
    dtype: torch.dtype = tensor.dtype
    return f"{dtype} tensor of shape {tuple(tensor.shape)}"
