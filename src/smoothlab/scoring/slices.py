"""A split cut by one of its metadata columns, such as time: how the metrics drift along it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import torch
from torch import Tensor

NAMES = ("nll", "accuracy", "ece", "confidence_gap")
MOST = 50  # slices of a column of words; the rarer ones are together
OTHERS = "(others)"
MISSING = "(missing)"


@dataclass(frozen=True, eq=False)
class Slice:
    """Samples that are next to one another in a column.

    Args:
        place: what they share: ``from`` and ``to``, both included, or one ``value``.
        index: their positions.
    """

    place: dict[str, Any]
    index: Tensor


def label_of(place: Mapping[str, Any]) -> str:
    """A slice's place in a few characters."""
    shown = [place[key] for key in ("value", "from", "to") if key in place]
    return " to ".join(bound if isinstance(bound, str) else f"{bound:.6g}" for bound in shown)


def cut(column: Tensor, count: int, words: Sequence[str] | None = None) -> Iterator[Slice]:
    """Slices of a column, in its order, each with a sample at least.

    Codes of words, and numbers of which there are no more than ``count``, get a slice a value. Other numbers are cut
    into ``count`` ranges of equally many samples, where equal values stay together.

    Args:
        column: ``(N,)`` numbers, or codes of words with -1 where missing.
        count: of the slices, at least 1.
        words: what the codes stand for, or None for numbers.
    """
    if words is not None:
        yield from _by_word(column.long(), words)
        return
    numbers = column.double()
    known = numbers.isfinite()
    values, tied = numbers[known].unique(return_counts=True)
    if len(values) <= count:
        ends = torch.arange(len(values))
    else:
        # each value goes where the middle of its samples lies, so that the slices are as even as ties allow
        middle = tied.cumsum(0) - tied / 2
        slots = (middle * count / len(numbers[known])).long().clamp(max=count - 1)
        ends = torch.nonzero(torch.cat([slots[1:] != slots[:-1], torch.tensor([True])]))[:, 0]
    start = 0
    for end in ends.tolist():
        low, high = values[start].item(), values[end].item()
        place = {"value": low} if len(values) <= count else {"from": low, "to": high}
        yield Slice(place, torch.nonzero((numbers >= low) & (numbers <= high))[:, 0])
        start = end + 1
    if not bool(known.all()):
        yield Slice({"value": MISSING}, torch.nonzero(~known)[:, 0])


def as_date(days: Any) -> Any:
    """The day, ``2008-09-15``, of a number of days since 1970; what is no such number stays."""
    try:
        return (date(1970, 1, 1) + timedelta(days=days)).isoformat()
    except (TypeError, OverflowError):
        return days


def _by_word(codes: Tensor, words: Sequence[str]) -> Iterator[Slice]:
    counts = torch.bincount(codes[codes >= 0], minlength=len(words))
    there = int((counts > 0).sum())
    shown = counts.argsort(descending=True, stable=True)[: there if there <= MOST else MOST - 1].sort().values
    for code in shown.tolist():
        yield Slice({"value": words[code]}, torch.nonzero(codes == code)[:, 0])
    others = (codes >= 0) & ~torch.isin(codes, shown)
    for name, left in ((OTHERS, others), (MISSING, codes < 0)):
        if bool(left.any()):
            yield Slice({"value": name}, torch.nonzero(left)[:, 0])
