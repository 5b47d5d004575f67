"""Checks of the numbers that the user gives: how large, whole or not, one of a few names."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import TypeVar

from smoothlab.errors import InvalidArgument

Text = TypeVar("Text", bound=str)


def check_number(
    name: str,
    value: object,
    expected: str = "",
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
    below: float = math.inf,
) -> float:
    """Return a finite number within its bounds as a float; ``expected`` says in words what the bounds do not.

    Raises:
        InvalidArgument: for other numbers, nan, inf, text, None and truth values.
    """
    if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
        number = float(value)
        if at_least <= number <= at_most and above < number < below:
            return number
    raise InvalidArgument(name, value, expected or "a number" + _within(at_least, above, at_most, below))


def check_share(name: str, value: object, expected: str = "") -> float:
    """Return a number in [0, 1) as a float: an epsilon, a rate of dropout, a part of the training.

    Raises:
        InvalidArgument: for anything else.
    """
    return check_number(name, value, expected, at_least=0, below=1)


def check_whole(name: str, value: object, at_least: int, at_most: float = math.inf, expected: str = "") -> int:
    """Return an integer within its bounds; ``expected`` says in words what the bounds do not.

    Raises:
        InvalidArgument: for anything else, truth values and whole floats too.
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and at_least <= int(value) <= at_most:
        return int(value)
    within = f" of at least {at_least}" if at_most == math.inf else f" in [{at_least}, {at_most}]"
    raise InvalidArgument(name, value, expected or "an integer" + within)


def check_choice(name: str, value: object, choices: Iterable[Text]) -> Text:
    """Return a name that is one of the choices.

    Raises:
        InvalidArgument: for anything else, with the choices.
    """
    names = tuple(choices)
    if isinstance(value, str) and value in names:
        return names[names.index(value)]
    raise InvalidArgument(name, value, f"one of {', '.join(names)}")


def _within(at_least: float, above: float, at_most: float, below: float) -> str:
    """Bounds in words: ``" in [0, 1)"``, ``" >= 0"``, ``" above 0"``; empty where there are none."""
    low, high = max(at_least, above), min(at_most, below)
    if math.isfinite(low) and math.isfinite(high):
        return f" in {'(' if above == low else '['}{low:g}, {high:g}{')' if below == high else ']'}"
    if math.isfinite(low):
        return f" {'above' if above == low else '>='} {low:g}"
    return f" {'below' if below == high else '<='} {high:g}" if math.isfinite(high) else ""
