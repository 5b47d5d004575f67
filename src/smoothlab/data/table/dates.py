"""Columns of dates: found by their format, encoded as what a model can use of them."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format

from smoothlab.data.layout import Span
from smoothlab.data.table.numeric import NumericColumn
from smoothlab.data.table.places import row_number
from smoothlab.data.table.words import text_of
from smoothlab.errors import BadRow, InvalidArgument, UserMistake

ISO = "ISO8601"
ORDERS = ("day_first", "month_first")
MONTHS = "%Y%m"  # 202401
QUARTERS = "quarters"
QUARTER = re.compile(r"\s*(?:(?P<year>\d{4})[ /-]?[Qq](?P<part>[1-4])|[Qq](?P<first>[1-4])[ /-]?(?P<last>\d{4}))\s*")
# Words of a date that formats do not have: 3rd of March 2010, 3. March 2010.
ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th|\.(?= ?[A-Za-z]))(?:(?i: of)(?= ))?")
NO_DATE = re.compile(r"0{2,4}[-/.]0{2}[-/.]0{2,4}(?: .*)?")  # what a data base writes where there is none
YEAR_FIRST = re.compile(r"^(\d{4})[./-](\d{1,2})[./-](\d{1,2})")
SHORT_YEAR = re.compile(r"^(\d{1,2}/\d{1,2}/)(\d{2})(?!\d)")
MONTH = "(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
WEEKDAY = "(?:(?i:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},? )?"
LOOKS_LIKE_A_DATE = "|".join(
    (
        r"\s*\d{4}-\d{1,2}-\d{1,2}(?:[T ].*)?",
        r"\s*\d{4}-\d{2}\s*",
        r"\s*\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?: .*)?",
        rf"\s*{WEEKDAY}\d{{1,2}}[ /-]?{MONTH}[ /-]?(?:\d{{4}}|\d{{2}})(?: .*)?",
        rf"\s*\d{{4}}[ /-]?{MONTH}\s*",
        rf"\s*{WEEKDAY}{MONTH}[ -]\d{{1,2}}(?:st|nd|rd|th)?,?[ -]\d{{4}}(?: .*)?",
        rf"\s*{WEEKDAY}{MONTH} \d{{1,2}} \d{{2}}:\d{{2}}:\d{{2}} (?:[A-Z]{{3}} )?\d{{4}}\s*",
        rf"\s*{WEEKDAY}\d{{1,2}}(?:st|nd|rd|th|\.)(?: of)? {MONTH},? \d{{4}}(?: .*)?",
        rf"\s*\d{{1,2}}/{MONTH}/\d{{4}}:\d{{2}}:\d{{2}}:\d{{2}} [+-]\d{{4}}\s*",
        r"\s*(?:0?[1-9]|1[0-2])[/.-](?:19|20)\d{2}\s*",
        r"\s*(?:19|20)\d{2}[ /-]?[Qq][1-4]\s*",
        r"\s*[Qq][1-4][ /-]?(?:19|20)\d{2}\s*",
        rf"\s*{MONTH}[ /-](?:\d{{4}}|\d{{2}})\s*",
    )
)
# What pandas does not guess: years of two digits after a month's name, and months without a day.
WITH_NAMES = tuple(
    f"{day}{sign}{year}" for sign in ("-", " ", "/", "") for day in (f"%d{sign}%b", "%b", "%B") for year in ("%y", "%Y")
)
WITH_NAMES += ("%Y-%b", "%Y %b", "%Y%b", "%Y-%B", "%Y %B", "%A, %d %B %Y", "%a, %d %b %Y", "%A %d %B %Y", "%a %d %b %Y")
LIKE_A_DATE = re.compile(LOOKS_LIKE_A_DATE)
# What pandas does not guess either, of a beginning that tells.
RARE = ("%a %b %d %H:%M:%S %Y", "%d/%b/%Y:%H:%M:%S %z", "%b-%d-%Y", "%B-%d-%Y", "%m/%Y", "%m-%Y", "%m.%Y", QUARTERS)
DIGITS = "%Y%m%d"
SPREADSHEET = "spreadsheet_days"
SPREADSHEET_DAYS = (20_000, 60_000)  # from 1954 to 2064, counted from the end of 1899
# Seconds, and thousandths and so on of them, since 1970, and the numbers that they are from 1990 to 2050.
UNIX = {
    f"unix_{unit}": (unit, 631_152_000 * parts, 2_524_608_000 * parts)
    for unit, parts in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9))
}
TRIED = 200  # cells that are looked at before a whole column is parsed
PARTS = ("year", "month", "weekday", "day", "hour")
DAY = pd.Timedelta(days=1)
EPOCH = pd.Timestamp("1970-01-01")


def like_dates(words: pd.Series) -> float:
    """The share of some words that look like dates of one format or another."""
    return float(words.iloc[:TRIED].str.fullmatch(LOOKS_LIKE_A_DATE).mean())


def check_date_format(wanted: str | None) -> None:
    """Refuse what is no way to write dates.

    Raises:
        InvalidArgument: it is none.
    """
    if wanted is not None and wanted not in (*ORDERS, *UNIX, SPREADSHEET) and "%" not in wanted:
        named = ", ".join((*ORDERS, *UNIX, SPREADSHEET))
        raise InvalidArgument("date_format", wanted, f"null, {named}, or a format such as %d/%m/%Y")


def date_formats(words: pd.Series, wanted: str | None = None) -> list[str]:
    """The formats that every one of some words has, or the orders where they are written in several ways; none where
    they are no dates.

    Args:
        words: cells as text, none of them empty.
        wanted: a format that is tried first, or one of ``ORDERS``, for dates that may be read in both orders; None: the
            month comes first between slashes, else the day.
    """
    first = words.iloc[:TRIED]
    own = [wanted] if wanted is not None and "%" in wanted else []
    if first.empty or not (own or first.str.fullmatch(LOOKS_LIKE_A_DATE).all()):
        return []
    samples = (first.iloc[int(first.str.len().argmax())], first.iloc[0])
    day_first = wanted == ORDERS[0] if wanted in ORDERS else "/" not in samples[0]
    guesses = [_guess(word, order) for order in (day_first, not day_first) for word in samples]
    named = WITH_NAMES if any(character.isalpha() for character in samples[0]) else ()
    tried = dict.fromkeys(style for style in (*own, ISO, *guesses, *named, *RARE) if style is not None)
    fitting = []
    for style in tried:
        if not parse(first, style).isna().any() and not parse(words, style).isna().any():
            fitting.append(style)
            if style in (*own, ISO, *named, *RARE):
                break
    return fitting or _mixed(words, wanted)


def number_format(words: pd.Series, wanted: str | None = None) -> str | None:
    """The format of dates that are written as numbers: ``DIGITS``, ``MONTHS``, one of ``UNIX``, or ``SPREADSHEET``
    where that is wanted; None where they are none.

    Args:
        words: cells as text, none of them empty.
        wanted: the only format that is tried; None: all.
    """
    for style in (DIGITS, MONTHS, *UNIX) if wanted is None else (wanted,):
        if style in (DIGITS, MONTHS, *UNIX, SPREADSHEET) and parse(words, style).notna().all():
            return style
    return None


def _mixed(words: pd.Series, wanted: str | None) -> list[str]:
    """Of dates that are written in several ways, the order of those with numbers alone: one of ``ORDERS``, the likelier
    first; both where nothing tells, none where the words are no dates."""
    if not words.str.fullmatch(LOOKS_LIKE_A_DATE).all():
        return []
    numbers = words.str.extract(r"^\s*(\d{1,2})[./-](\d{1,2})[./-]\d")
    first, second = (pd.to_numeric(numbers[place]).max() for place in (0, 1))
    if first > 12 and second > 12:  # both orders in one column
        return []
    day_first = first > 12 or (not second > 12 and wanted == ORDERS[0])
    orders = [ORDERS[0], ORDERS[1]] if day_first else [ORDERS[1], ORDERS[0]]
    if first > 12 or second > 12 or pd.isna(first):
        orders = orders[:1]
    return [order for order in orders if not parse(words, order).isna().any()]


def date_format(words: pd.Series, wanted: str | None = None) -> str | None:
    """The format to take of :func:`date_formats`, or None."""
    return next(iter(date_formats(words, wanted)), None)


def _guess(word: str, day_first: bool) -> str | None:
    """pandas' guess of a date's format, which knows no years of two digits: those between slashes are added here."""
    word, short = SHORT_YEAR.subn(r"\g<1>20\2", ORDINAL.sub("", word.strip()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of days above 12, which tell the order
        style: str | None = guess_datetime_format(word, dayfirst=day_first)
    return style.replace("%Y", "%y") if style is not None and short else style


def parse(cells: pd.Series, style: str | None) -> pd.Series:
    """A column as times without a zone, NaT where a cell is empty or no such date."""
    if not pd.api.types.is_datetime64_any_dtype(cells):
        text = text_of(cells)
        if style in UNIX:
            unit, first, last = UNIX[style]
            numbers = pd.to_numeric(text, errors="coerce")
            cells = pd.to_datetime(numbers.where(numbers.between(first, last)), unit=unit)
        elif style == SPREADSHEET:
            numbers = pd.to_numeric(text, errors="coerce")
            cells = pd.to_datetime(numbers.where(numbers.between(*SPREADSHEET_DAYS)), unit="D", origin="1899-12-30")
        elif style == MONTHS:
            fitting = text.where(text.str.fullmatch(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])").eq(True))
            cells = pd.to_datetime(fitting, format=MONTHS, errors="coerce")
        elif style == QUARTERS:
            months = text.str.replace(QUARTER, _month_of_quarter, regex=True)
            cells = pd.to_datetime(months, format="%Y-%m", errors="coerce")
        elif style in ORDERS:
            cells = _parse_mixed(text, day_first=style == ORDERS[0])
        else:
            zoned = style in (None, ISO) or "%z" in str(style)
            text = text.str.replace(ORDINAL, "", regex=True) if "%b" in str(style).lower() else text
            cells = pd.to_datetime(text, format=style or ISO, errors="coerce", utc=zoned)
    if getattr(cells.dt, "tz", None) is not None:
        cells = cells.dt.tz_convert("UTC").dt.tz_localize(None)
    return cells


def _month_of_quarter(quarter: re.Match[str]) -> str:
    part = int(quarter["part"] or quarter["first"])
    return f"{quarter['year'] or quarter['last']}-{3 * part - 2:02}"


def _parse_mixed(text: pd.Series, *, day_first: bool) -> pd.Series:
    """Dates that are written in several ways. Those that begin with the year come first: with ``dayfirst`` pandas would
    read 2024-01-04 as the first of April."""
    text = text.str.strip().str.replace(YEAR_FIRST, lambda date: f"{date[1]}-{date[2]:0>2}-{date[3]:0>2}", regex=True)
    year_first = pd.to_datetime(text, format=ISO, errors="coerce", utc=True)
    rest = text.where(year_first.isna())
    others = pd.to_datetime(rest, format="mixed", dayfirst=day_first, errors="coerce", utc=True)
    return year_first.fillna(others)


def days(cells: pd.Series, style: str | None) -> np.ndarray:
    """Days since 1970, with fractions, nan where empty."""
    return np.array((parse(cells, style) - EPOCH) / DAY, dtype=np.float64)


class DateColumn:
    """A date as numbers: year, month, weekday (0 is Monday), days since 1970, and the hour where there are times.

    Args:
        column: name of the column.
        style: of the dates as text, ``ISO8601``, as strptime writes it, or one of ``ORDERS`` where they are written in
            several ways; None: as any ISO date.
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

    @property
    def edges(self) -> list[list[float]]:
        """See :class:`NumericColumn`."""
        return [edges for part in self.parts.values() for edges in part.edges]

    def spans(self, start: int) -> list[Span]:
        """What the features stand for, the first of which is at ``start``."""
        spans: list[Span] = []
        for part in self.parts.values():
            spans += part.spans(spans[-1].start + spans[-1].width if spans else start)
        return spans

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
            style = "2024-01-31" if self.style in (None, ISO, *ORDERS) else self.style
            style = str(UNIX[style][1]) if style in UNIX else "45000" if style == SPREADSHEET else style
            raise BadRow(
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
    style = date_format(words) or number_format(words) or number_format(words, SPREADSHEET)
    if style is None and len(words):
        raise UserMistake(f"{where}: column {column!r}: no dates of one format, such as 2024-01-31")
    return style
