"""Checks of a loss's own numbers when it is made."""

from __future__ import annotations

import math
from numbers import Real

from smoothlab.errors import InvalidArgument


def check_number(
    name: str, value: object, *, at_least: float = -math.inf, above: float = -math.inf, at_most: float = math.inf
) -> None:
    """Raise InvalidArgument unless the value is a finite number within the bounds; a bool is none."""
    fits = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if fits and at_least <= float(value) <= at_most and float(value) > above:  # type: ignore[arg-type]
        return
    bounds = [("at least", at_least), ("above", above), ("at most", at_most)]
    within = " and ".join(f"{word} {bound:g}" for word, bound in bounds if math.isfinite(bound))
    raise InvalidArgument(name, value, f"a finite number {within}".rstrip())
