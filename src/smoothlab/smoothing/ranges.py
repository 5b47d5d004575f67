"""Ranges of the numbers that strengths and priors are made with, and of the epsilons that they make."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.targets import EPSILON_RANGE

MOST_ROWS = 16_384  # classes of a matrix (K, K): 2 GiB in float64, of which some priors hold several


def checked_number(name: str, value: object, expected: str) -> float:
    """A finite Python number as a float; ``expected`` says in words what the argument may be.

    Raises:
        InvalidArgument: for nan, inf, text, None and truth values.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise InvalidArgument(name, value, expected)
    return float(value)


def checked_strength(name: str, value: object) -> float:
    """A number in [0, 1), as every epsilon is.

    Raises:
        InvalidArgument: for anything else.
    """
    number = checked_number(name, value, EPSILON_RANGE)
    if not 0.0 <= number < 1.0:
        raise InvalidArgument(name, value, EPSILON_RANGE)
    return number


def checked_positive(name: str, value: object) -> float:
    """A finite number above 0.

    Raises:
        InvalidArgument: for anything else.
    """
    expected = "a number above 0"
    number = checked_number(name, value, expected)
    if number <= 0.0:
        raise InvalidArgument(name, value, expected)
    return number


def check_matrix(classes: int) -> None:
    """Refuse classes that are too many for a matrix of classes by classes, before memory is taken.

    Raises:
        InvalidArgument: more than 16,384.
    """
    if classes > MOST_ROWS:
        need = f"{classes * classes * 8 / 2**30:,.0f} GiB"
        expected = f"at most {MOST_ROWS}: this prior is a matrix of classes by classes, here {need} and more"
        raise InvalidArgument("classes", classes, f"{expected}; uniform, class_frequency and zipf are not")


def checked_choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    """One of a few names.

    Raises:
        InvalidArgument: for anything else.
    """
    if not isinstance(value, str) or value not in choices:
        raise InvalidArgument(name, value, f"one of {', '.join(choices)}")
    return value


def checked_count(name: str, value: object, least: int) -> int:
    """An integer of at least ``least``.

    Raises:
        InvalidArgument: for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidArgument(name, value, f"an integer of at least {least}")
    return value


def clamp_strength(epsilon: Tensor) -> Tensor:
    """Strengths of samples brought into [0, 1) where they lie, without a look at their values; nan becomes 0.

    Args:
        epsilon: float tensor of any shape.
    """
    below_one = 1.0 - torch.finfo(epsilon.dtype).eps / 2
    return epsilon.nan_to_num(nan=0.0).clamp(0.0, below_one)
