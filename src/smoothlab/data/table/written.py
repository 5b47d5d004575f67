"""Columns of numbers that are written as text: with signs and units about them, or with words where one is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from smoothlab.data.table.words import text_of

MOST_CODES = 3  # different words among the numbers of a column, that may stand for "missing"
MORE_CODES = 8  # such words where there are so many times as many different numbers:
NUMBERS_A_CODE = 10
LEAST_NUMBERS = 0.2  # share of the cells
SIDES = {"<": -1.0, "\u2264": -1.0, ">": 1.0, "\u2265": 1.0}
SIGNS = "$\u20ac\u00a3\u00a5"
# Letters that may follow a number at once; others stand apart, so that 12A and 3B stay words.
MONEY = r"USD|EUR|GBP|CHF|JPY|INR|CNY|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|ZAR|Rs\.?|R\$"
UNITS = (
    "k",
    "kg",
    "g",
    "mg",
    "cm",
    "mm",
    "km",
    "m",
    "lb",
    "lbs",
    "oz",
    "h",
    "s",
    "min",
    "ms",
    "ml",
    "l",
    "kb",
    "mb",
    "gb",
)
CELL = re.compile(
    rf"(?P<limit>[<>\u2264\u2265]=?)?\s*(?P<first>[-+\u2212]?)\s*(?P<prefix>[{SIGNS}'=]?|{MONEY})\s*(?P<sign>[-+\u2212]?)"
    rf"(?P<number>\d{{1,3}}(?: \d{{3}})+(?:[.,]\d+)?|\d[\d.,'\u2019\u00a0\u202f]*|\.\d+)(?P<last>[-+]?)"
    rf"(?P<suffix>\s*[%{SIGNS}]|\s*\u00b0[A-Z]?|\s+[A-Za-z\u00b5\u00b0/]{{1,12}}|(?i:{'|'.join(UNITS)})|)"
)
# A unit that follows a number at once, where all cells of a column have the same one.
GLUED = re.compile(
    r"(?P<number>[^A-Za-z\u00b5\u00b0]*\d)(?P<unit>[A-Za-z\u00b5\u00b0][A-Za-z\u00b5\u00b0/\u00b2\u00b3]{0,7})"
)
IN_BRACKETS = re.compile(r"\(\s*([^()]+?)\s*\)")  # a negative number, as accountants write it
CLOCK = re.compile(
    r"(?P<hours>\d{1,3})[:h](?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d(?:\.\d+)?))?(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?"
)
# The ways to write the digits, the likeliest first: sign between thousands, sign before the fraction, pattern.
DIGITS = (
    ("", ".", re.compile(r"\d+(\.\d*)?|\.\d+")),
    (",", ".", re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?|\d{1,3}(\.\d+)?")),
    ("", ",", re.compile(r"\d+(,\d+)?")),
    (".", ",", re.compile(r"[1-9]\d{0,2}(\.\d{3})+(,\d+)?|\d{1,3}(,\d+)?")),
    ("'", ".", re.compile(r"[1-9]\d{0,2}(['\u2019\u00a0\u202f ]\d{3})+(\.\d+)?|\d{1,3}(\.\d+)?")),
    ("'", ",", re.compile(r"[1-9]\d{0,2}(['\u2019\u00a0\u202f ]\d{3})+(,\d+)?|\d{1,3}(,\d+)?")),
)


@dataclass(frozen=True)
class Writing:
    """How the numbers of a column are written.

    Args:
        prefix: before the number, such as a currency sign.
        suffix: behind it: a percent sign, a currency sign or a unit.
        thousands: the sign between thousands; an apostrophe stands for spaces too.
        decimal: the sign before the fraction.
        limits: whether some are bounds, such as ``<0.5``; they count as the number, and :meth:`bounds` tells them.
        codes: words that stand where a number is missing.
        clock: whether they are times such as 14:30, which count as hours.
    """

    prefix: str = ""
    suffix: str = ""
    thousands: str = ""
    decimal: str = "."
    limits: bool = False
    codes: tuple[str, ...] = ()
    clock: bool = False

    def plain(self, cells: pd.Series) -> pd.Series:
        """The numbers of cells, nan where one is empty or a code; a cell that is written in another way stays."""
        if pd.api.types.is_numeric_dtype(cells):
            return cells
        text = text_of(cells)
        values = {word: self._value(word) for word in text.dropna().unique()}
        numbers = pd.to_numeric(text.map(values), errors="coerce")
        strange = text.notna() & text.map({word: value is None for word, value in values.items()}).eq(True)
        return numbers if not strange.any() else numbers.astype(object).where(~strange, cells)

    def bounds(self, cells: pd.Series) -> np.ndarray:
        """Which cells are bounds ``(N,)``: -1 where they say below, as ``<0.5``, 1 above, as ``>100``, else 0."""
        if not self.limits or pd.api.types.is_numeric_dtype(cells):
            return np.zeros(len(cells))
        text = text_of(cells)
        parts = {word: _cell(self._apart(word.strip())) for word in text.dropna().unique()}
        sides = {word: 0.0 if cell is None else _side(cell) for word, cell in parts.items()}
        return np.asarray(text.map(sides).fillna(0.0).astype(float))

    def _value(self, word: str) -> float | None:
        word = word.strip()
        if word in self.codes:
            return float("nan")
        if self.clock:
            time = CLOCK.fullmatch(word)
            return None if time is None else _hours(time)
        parts = _cell(self._apart(word))
        if parts is None or parts["prefix"] != self.prefix or parts["suffix"].strip() != self.suffix:
            return _number(word) if not self.suffix and not self.prefix else None
        if _side(parts) and not self.limits:
            return None
        digits = re.sub("['\u2019\u00a0\u202f ]", "", parts["number"]) if self.thousands == "'" else parts["number"]
        digits = digits.replace(self.thousands, "") if self.thousands else digits
        negative = {"-", "\u2212"} & {parts["first"], parts["sign"], parts["last"]}
        number = _number(digits.replace(self.decimal, "."))
        return None if number is None else -number if negative else number

    def _apart(self, word: str) -> str:
        """A cell with a space before the unit that follows its number at once."""
        glued = GLUED.fullmatch(word) if self.suffix else None
        return word if glued is None or glued["unit"] != self.suffix else f"{glued['number']} {self.suffix}"

    @property
    def words(self) -> str:
        """What there is to say of it."""
        parts = []
        if self.prefix or self.suffix or self.thousands or self.decimal != ".":
            example = f"1{self.thousands}234{self.decimal}5" if self.thousands else f"12{self.decimal}5"
            gap = " " if self.suffix.isalpha() else ""
            parts.append(f"numbers such as {self.prefix}{example}{gap}{self.suffix}")
        if self.clock:
            parts.append("a time such as 14:30 counts as 14.5 hours")
        if self.limits:
            parts.append(
                "a bound such as <0.5 counts as its number, and a feature says which are bounds (-1 below, 1 above)"
            )
        if self.codes:
            several = len(self.codes) > 1
            parts.append(f"{', '.join(map(repr, self.codes))} count{'' if several else 's'} as missing")
        return "; ".join(parts) or "numbers, some with a sign of their own, such as 12.5- for -12.5"

    def state(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "codes": list(self.codes)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The writing that ``state()`` described."""
        return cls(**{**state, "codes": tuple(state["codes"])})


def writing_of(words: pd.Series, many: int) -> Writing | None:
    """How the numbers in a column of words are written, where all are written alike; None where it is one of words.

    Args:
        words: the cells ``(N,)``, none of them empty.
        many: a column of fewer different numbers may be one of categories, such as ``1,3`` for two answers, unless a
            unit, a percent sign or a currency says what they are.
    """
    words = words.str.strip()
    counts = words.map(_apart(words.unique(), many)).value_counts()
    times = [word for word in counts.index if CLOCK.fullmatch(word)]
    if len(times) > many:
        codes = [word for word in counts.index if not CLOCK.fullmatch(word)]
        return Writing(codes=tuple(sorted(codes)), clock=True) if _few(codes, len(times), counts) else None
    parts = {word: _cell(word) for word in counts.index}
    codes = [word for word, match in parts.items() if match is None and _number(word) is None]
    cells = [match for match in parts.values() if match is not None]
    if not _few(codes, len(cells), counts):
        return None
    about = {(match["prefix"], match["suffix"].strip()) for match in cells}
    if len(about) > 1:
        return None
    ((prefix, suffix),) = about
    digits = [match["number"] for match in cells]
    ways = [way for way in DIGITS if all(way[2].fullmatch(number) for number in digits)]
    if not ways:
        return None
    thousands, decimal, _ = ways[0]
    if len(cells) <= many and (codes or not (prefix or suffix)):
        return None
    limits = any(map(_side, cells))
    return Writing(prefix, suffix, thousands, decimal, limits, tuple(sorted(codes)))


def _apart(words: Iterable[str], many: int) -> dict[str, str]:
    """Cells with a space before their unit, where that follows the number at once and is the same in all of them."""
    apart = {word: word for word in words}
    glued = {word: match for word in apart if (match := GLUED.fullmatch(word)) is not None}
    if len(glued) <= many or len({match["unit"] for match in glued.values()}) > 1:
        return apart
    return apart | {word: f"{match['number']} {match['unit']}" for word, match in glued.items()}


def _side(cell: re.Match[str]) -> float:
    """-1 for a bound such as ``<0.5``, 1 for one such as ``>100`` and ``90+``, else 0."""
    return SIDES.get((cell["limit"] or "")[:1], 1.0 if cell["last"] == "+" else 0.0)


def _few(codes: list[str], numbers: int, counts: pd.Series) -> bool:
    """Whether so few words stand among so many different numbers that they say why one is missing."""
    most = MORE_CODES if numbers >= NUMBERS_A_CODE * len(codes) else MOST_CODES
    return numbers > 0 and len(codes) <= most and counts[codes].sum() <= (1 - LEAST_NUMBERS) * counts.sum()


def number_share(words: pd.Series) -> tuple[float, int]:
    """Which share of some words are numbers, perhaps with signs and units, and how many different ones these are.

    Args:
        words: the cells ``(N,)``, none of them empty.
    """
    counts = words.str.strip().value_counts()
    like = [word for word in counts.index if _cell(word) is not None]
    return float(counts[like].sum() / counts.sum()), len(like)


def ways_to_write(words: pd.Series) -> list[str]:
    """A word for each of the signs and units that stand about the numbers among some words, the commonest first."""
    first: dict[tuple[str, str], str] = {}
    for word in words.str.strip().value_counts().index:
        parts = _cell(word)
        if parts is not None:
            first.setdefault((parts["prefix"], parts["suffix"].strip()), word)
    return list(first.values())


def _cell(word: str) -> re.Match[str] | None:
    """A cell's parts, or None where it is no number; ``(1.5)`` is -1.5."""
    brackets = IN_BRACKETS.fullmatch(word)
    return CELL.fullmatch(word if brackets is None else f"-{brackets[1]}")


def _hours(time: re.Match[str]) -> float:
    hours = int(time["hours"])
    if time["half"]:
        hours = hours % 12 + 12 * (time["half"] in "Pp")
    return hours + int(time["minutes"]) / 60 + float(time["seconds"] or 0) / 3600


def with_signs(word: str) -> bool:
    """Whether a word is a number, perhaps with signs about it, but no unit: $12.50, 7 %, 1.234,50."""
    parts = _cell(word.strip())
    if parts is None or _side(parts) or parts["suffix"].strip().isalpha():
        return False
    return any(pattern.fullmatch(parts["number"]) for _, _, pattern in DIGITS)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
