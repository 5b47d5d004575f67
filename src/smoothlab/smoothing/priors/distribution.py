"""Distributions over classes from weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument


def checked_weights(name: str, value: object, dimensions: int) -> Tensor:
    """Finite numbers >= 0 as a float64 tensor of so many dimensions, none of them empty.

    Raises:
        InvalidArgument: for anything else.
    """
    expected = "a list of numbers >= 0, one a class" if dimensions == 1 else "K rows of K numbers >= 0"
    try:
        if isinstance(value, str) or (
            isinstance(value, Sequence) and any(isinstance(entry, str | bool) for entry in value)
        ):
            raise TypeError  # torch would take truth values for numbers
        weights = torch.as_tensor(value).detach().to("cpu", torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise InvalidArgument(name, value, expected) from None
    if weights.ndim != dimensions or weights.numel() == 0 or len(set(weights.shape)) != 1:
        raise InvalidArgument(name, value if dimensions == 1 else tuple(weights.shape), expected)
    if not bool((weights.isfinite() & (weights >= 0)).all()):
        raise InvalidArgument(name, float(weights[~(weights.isfinite() & (weights >= 0))][0]), expected)
    return weights


def normalised(name: str, weights: Tensor) -> Tensor:
    """Weights ``(..., K)`` divided by their sums.

    Raises:
        InvalidArgument: the weights of a row are all 0, or their sum is not finite.
    """
    sums = weights.sum(-1, keepdim=True)
    if not bool((sums.isfinite() & (sums > 0)).all()):
        raise InvalidArgument(name, weights.tolist() if weights.ndim == 1 else "a row of zeros", "some weight above 0")
    return weights / sums


def check_classes(name: str, length: int, class_names: Sequence[str]) -> None:
    """Refuse an argument that speaks of another number of classes than the data have.

    Raises:
        InvalidArgument: it does.
    """
    if length != len(class_names):
        raise InvalidArgument(name, f"{length} classes", f"{len(class_names)}: {', '.join(class_names)}")
