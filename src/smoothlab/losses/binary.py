"""Soft binary cross-entropy: for samples that have any number of labels, each present or absent on its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.losses.weights import accumulator
from smoothlab.numbers import check_choice
from smoothlab.soft_labels import SoftLabels
from smoothlab.targets import check_tensor, checked_epsilon

if TYPE_CHECKING:
    BinaryPrior = Literal["uniform", "exclusive"] | Tensor


def smoothed_binary_labels(labels: Tensor, epsilon: float | Tensor, prior: BinaryPrior = "uniform") -> Tensor:
    """``(1 - epsilon) * labels + epsilon * prior``, for each label on its own.

    Args:
        labels: ``(..., K)``, 1 for a label that is present, 0 for one that is absent, or the share of voters who saw
            it.
        epsilon: in [0, 1): a number, or a tensor with one value or one per sample ``(...)`` (whose values are
            not looked at).
        prior: where the mass goes.

            - ``"uniform"``: to both values alike, ``(1 - epsilon) y + epsilon / 2``, as in Keras, timm
              (``smooth_dense``) and torch-uncertainty.
            - ``"exclusive"``: to the other value, ``(1 - 2 epsilon) y + epsilon``: 1 becomes ``1 - epsilon``, 0 becomes
              ``epsilon``, as in mmpretrain (which takes each share above 0 for 1). Uniform with ``2 epsilon``. From
              0.5 on it turns labels into their opposite.
            - a tensor ``(K,)``: how often each label is present, its prevalence, in [0, 1].

    Returns:
        ``(..., K)`` in float32 or wider.

    Raises:
        InvalidArgument: for a number epsilon outside [0, 1), a tensor of another shape, another prior.
    """
    check_tensor("labels", labels, "shape (..., K)")
    labels = labels.to(accumulator(labels.dtype))
    if isinstance(epsilon, Tensor):
        if epsilon.numel() != 1 and epsilon.shape != labels.shape[:-1]:
            expected = f"one value, or shape {tuple(labels.shape[:-1])}"
            raise InvalidArgument("epsilon", f"tensor of shape {tuple(epsilon.shape)}", expected)
        epsilon = epsilon.reshape(()) if epsilon.numel() == 1 else epsilon.unsqueeze(-1)
    else:
        epsilon = checked_epsilon(epsilon)
    if isinstance(prior, Tensor):
        if prior.shape != labels.shape[-1:]:
            raise InvalidArgument("prior", f"tensor of shape {tuple(prior.shape)}", f"shape {tuple(labels.shape[-1:])}")
        return (1 - epsilon) * labels + epsilon * prior
    if isinstance(prior, str) and prior == "uniform":
        return (1 - epsilon) * labels + epsilon / 2
    if isinstance(prior, str) and prior == "exclusive":
        return (1 - 2 * epsilon) * labels + epsilon
    shown = prior if isinstance(prior, str) else type(prior).__name__
    raise InvalidArgument("prior", shown, "'uniform', 'exclusive' or a (K,) tensor")


def soft_binary_cross_entropy(
    logits: Tensor,
    labels: Tensor | SoftLabels,
    *,
    epsilon: float | Tensor = 0.0,
    prior: BinaryPrior = "uniform",
    class_weight: Tensor | None = None,
    sample_weight: Tensor | None = None,
    over_classes: Literal["mean", "sum"] = "mean",
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Tensor:
    """Binary cross-entropy of each label against its smoothed value: ``softplus(z_k) - q_k z_k``, in nats.

    A class whose logit is -inf takes no part, and neither does a label that is not known, marked by a negative number:
    no loss, no gradient, no count.

    Args:
        logits: ``(..., K)``, of any float type.
        labels: ``(..., K)``, integers or floats in [0, 1], or negative; or the :class:`SoftLabels` of a
            MultilabelSmoother, which are not smoothed again.
        epsilon: in [0, 1), as in :func:`smoothed_binary_labels`; 0 for SoftLabels.
        prior: as there; it names the convention.
        class_weight: ``(K,)``, weights >= 0 of the labels' losses, or None. They are not counted in a mean over
            classes.
        sample_weight: ``(...)``, weights >= 0, or None; a row of weight 0 is ignored, whatever its logits.
        over_classes: whether a row's loss is the mean or the sum over its K labels (those that take part).
        reduction: ``"mean"`` divides by the rows' weights (their number, without weights; rows where no label takes
            part do not count), and is 0.0 where there are none; ``"none"`` gives ``(...)``.

    Returns:
        The loss in float32 or wider.

    Raises:
        InvalidArgument: an unknown option, shapes that do not fit, an epsilon outside [0, 1), or one for SoftLabels.

    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, for each label's two
    values in place of the classes.
    """
    check_choice("over_classes", over_classes, ("mean", "sum"))
    check_choice("reduction", reduction, ("mean", "sum", "none"))
    check_tensor("logits", logits, "a float tensor of shape (..., K)")
    if not logits.is_floating_point() or not logits.ndim:
        raise InvalidArgument("logits", f"{logits.dtype} tensor of shape {tuple(logits.shape)}", "floats (..., K)")
    leading = logits.shape[:-1]
    smoothed = isinstance(labels, SoftLabels)
    if isinstance(labels, SoftLabels):
        if isinstance(epsilon, Tensor) or epsilon != 0.0:
            raise InvalidArgument("epsilon", epsilon, "0, since the labels are smoothed already")
        labels = labels.values
    _check_shape("labels", labels, logits.shape)
    if class_weight is not None:
        _check_shape("class_weight", class_weight, logits.shape[-1:])
    if sample_weight is not None:
        _check_shape("sample_weight", sample_weight, leading)

    dtype = accumulator(logits.dtype)
    absent = (logits == -math.inf) | (labels < 0)
    if sample_weight is not None:
        absent = absent | (sample_weight == 0).unsqueeze(-1)
    q = (labels if smoothed else smoothed_binary_labels(labels, epsilon, prior)).to(dtype).masked_fill(absent, 0)
    each = F.binary_cross_entropy_with_logits(logits.to(dtype).masked_fill(absent, 0), q, reduction="none")
    if class_weight is not None:
        each = each * class_weight.to(dtype)
    rows = each.masked_fill(absent, 0).sum(-1)
    present = logits.shape[-1] - absent.sum(-1)
    if over_classes == "mean":
        rows = rows / present.clamp_min(1)
    if sample_weight is not None:
        rows = rows * sample_weight.to(dtype)
    if reduction == "none":
        return rows
    if reduction == "sum":
        return rows.sum()
    counted = torch.ones_like(rows) if sample_weight is None else sample_weight.to(dtype)
    count = counted.where(present > 0, 0).sum()
    return rows.sum() / count.where(count != 0, 1)


def _check_shape(name: str, tensor: Tensor, shape: torch.Size) -> None:
    check_tensor(name, tensor, f"shape {tuple(shape)}")
    if tensor.shape != shape:
        raise InvalidArgument(name, f"tensor of shape {tuple(tensor.shape)}", f"shape {tuple(shape)}")
