"""What the features of a row stand for, for models that are no nets: which are numbers, which are one category."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Span:
    """Neighbouring features that come from one cell.

    Args:
        start: the first of them.
        width: how many.
        kind: ``number``: one number; ``one_hot``: a feature for each category; ``code``: one category's code.
        missing: of a number: whether a second feature says that the cell is empty; of a category: whether place 1 says
            so.
        categories: of a category: how many there are, with "other" and "missing".
    """

    start: int
    width: int
    kind: Literal["number", "one_hot", "code"]
    missing: bool = False
    categories: int = 0


def number_spans(start: int, count: int) -> list[Span]:
    """So many numbers, one after the other, none of them ever missing."""
    return [Span(start + place, 1, "number") for place in range(count)]
