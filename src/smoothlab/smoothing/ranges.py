"""Ranges of the classes that a matrix holds, and of the epsilons that strengths make."""

from __future__ import annotations

import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument

MOST_ROWS = 16_384  # classes of a matrix (K, K): 2 GiB in float64, of which some priors hold several


def check_matrix(classes: int) -> None:
    """Refuse classes that are too many for a matrix of classes by classes, before memory is taken.

    Raises:
        InvalidArgument: more than 16,384.
    """
    if classes > MOST_ROWS:
        need = f"{classes * classes * 8 / 2**30:,.0f} GiB"
        expected = f"at most {MOST_ROWS}: this prior is a matrix of classes by classes, here {need} and more"
        raise InvalidArgument("classes", classes, f"{expected}; uniform, class_frequency and zipf are not")


def clamp_strength(epsilon: Tensor) -> Tensor:
    """Strengths of samples brought into [0, 1) where they lie, without a look at their values; nan becomes 0.

    Args:
        epsilon: float tensor of any shape.
    """
    below_one = 1.0 - torch.finfo(epsilon.dtype).eps / 2
    return epsilon.nan_to_num(nan=0.0).clamp(0.0, below_one)
