"""Columns of dates: found by their format, encoded as what a model can use of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from smoothlab.data.table.numeric import NumericColumn
from smoothlab.data.table.places import row_number
from smoothlab.data.table.words import text_of
from smoothlab.errors import UserMistake

ISO = "ISO8601"
# The first that fits every cell counts: with dots the day comes first, with slashes the month where both would fit.
FORMATS = (
    ISO,
    *("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S"),
    *("%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y.%m.%d"),
    *(
        "%m/%d/%Y",
        "%m/%d/%Y %H:%M",
        "%m/%d/%Y %H:%M:%S",
        "%m/%d/%Y %I:%M %p",
        "%m/%d/%Y %I:%M:%S %p",
        "%m/%d/%y",
        "%m/%d/%y %H:%M",
        "%m/%d/%y %I:%M %p",
    ),
    *("%d/%m/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %I:%M %p", "%d/%m/%y", "%d/%m/%y %H:%M"),
    *("%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"),
)
LOOKS_LIKE_A_DATE = "|".join(
    (
        r"\s*\d{4}-\d{1,2}-\d{1,2}(?:[T ].*)?",
        r"\s*\d{4}-\d{2}\s*",
        r"\s*\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?: .*)?",
        r"\s*\d{1,2}[ -][A-Za-z]{3,9}[ -]\d{4}\s*",
        r"\s*[A-Za-z]{3,9} \d{1,2}, \d{4}\s*",
    )
)
DIGITS = "%Y%m%d"  # looks like a number, so that it is tried only where a column is said to be a date
TRIED = 200  # cells that are looked at before a whole column is parsed
PARTS = ("year", "month", "weekday", "day", "hour")
DAY = pd.Timedelta(days=1)
EPOCH = pd.Timestamp("1970-01-01")


def like_dates(words: pd.Series) -> float:
    """The share of some words that look like dates of one format or another."""
    return float(words.iloc[:TRIED].str.fullmatch(LOOKS_LIKE_A_DATE).mean())


def date_format(words: pd.Series) -> str | None:
    """The format that every one of some words has, None where they are no dates."""
    first = words.iloc[:TRIED]
    if not first.str.fullmatch(LOOKS_LIKE_A_DATE).all():
        return None
    for style in FORMATS:
        if not parse(first, style).isna().any() and not parse(words, style).isna().any():
            return style
    return None


def parse(cells: pd.Series, style: str | None) -> pd.Series:
    """A column as times without a zone, NaT where a cell is empty or no such date."""
    if not pd.api.types.is_datetime64_any_dtype(cells):
        text = text_of(cells)
        cells = pd.to_datetime(text, format=style or ISO, errors="coerce", utc=style in (None, ISO))
    if getattr(cells.dt, "tz", None) is not None:
        cells = cells.dt.tz_convert("UTC").dt.tz_localize(None)
    return cells


def days(cells: pd.Series, style: str | None) -> np.ndarray:
    """Days since 1970, with fractions, nan where empty."""
    return np.array((parse(cells, style) - EPOCH) / DAY, dtype=np.float64)


class DateColumn:
    """A date as numbers: year, month, weekday (0 is Monday), days since 1970, and the hour where there are times.

    Args:
        column: name of the column.
        style: of the dates as text, ``ISO8601`` or as strptime writes it; None: as any ISO date.
        parts: a numeric column each, by name of the part.
    """

    def __init__(self, column: str, style: str | None, parts: dict[str, NumericColumn]) -> None:
        self.column = column
        self.style = style
        self.parts = parts

    @property
    def names(self) -> list[str]:
        """Of the features."""
        return [f"{self.column} {name}{more}" for name, part in self.parts.items() for more in part.suffixes]

    def encode(self, cells: pd.Series, *, where: str) -> np.ndarray:
        """Features ``(N, width)``; a cell that is no date is a UserMistake."""
        numbers = date_parts(self.times(cells, where=where))
        parts = [part.encode(numbers[name], where=where) for name, part in self.parts.items()]
        return np.concatenate(parts, axis=1)

    def times(self, cells: pd.Series, *, where: str) -> pd.Series:
        """Times ``(N,)`` without a zone, NaT where a cell is empty; one that is no date is a UserMistake."""
        times = parse(cells, self.style)
        bad = np.flatnonzero((times.isna() & cells.notna()).to_numpy())
        if bad.size:
            style = "2024-01-31" if self.style in (None, ISO) else self.style
            raise UserMistake(
                f"{where}: column {self.column!r}, data row {row_number(cells, int(bad[0]))}: expected a date such as "
                f"{style}, got {str(cells.iloc[int(bad[0])])[:40]!r}"
            )
        return times

    def state(self) -> dict[str, Any]:
        """Plain values."""
        parts = {name: part.state() for name, part in self.parts.items()}
        return {"kind": "date", "column": self.column, "style": self.style, "parts": parts}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> DateColumn:
        """The column that ``state()`` described."""
        parts = {name: NumericColumn.from_state(part) for name, part in state["parts"].items()}
        return cls(state["column"], state["style"], parts)


def date_parts(times: pd.Series) -> pd.DataFrame:
    """What ``PARTS`` names of some times, in columns of float64, nan where they are empty."""
    day = (times - EPOCH) / DAY
    parts = (times.dt.year, times.dt.month, times.dt.day_of_week, np.floor(day), times.dt.hour)
    return pd.DataFrame({name: np.asarray(part, dtype=np.float64) for name, part in zip(PARTS, parts, strict=True)})


def date_style(cells: pd.Series, column: str, where: str) -> str | None:
    """The format of a column that is said to be of dates; None: its type is one of dates, or it has no cell.

    Raises:
        UserMistake: the cells are no dates of one format.
    """
    if pd.api.types.is_datetime64_any_dtype(cells):
        return None
    words = text_of(cells.dropna())
    style = date_format(words) or (DIGITS if parse(words, DIGITS).notna().all() else None)
    if style is None and len(words):
        raise UserMistake(f"{where}: column {column!r}: no dates of one format, such as 2024-01-31")
    return style
