"""What the encoder of a column is made of, gathered over row groups in fixed memory."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from typing import NoReturn

import numpy as np
import pyarrow as pa

from smoothlab.data.parquet.features import factorized, numbers, series
from smoothlab.data.table.categorical import CategoricalColumn
from smoothlab.data.table.dates import DateColumn, date_parts
from smoothlab.data.table.encoder import ColumnEncoder
from smoothlab.data.table.numeric import NumericColumn, read_numbers
from smoothlab.data.table.words import as_word
from smoothlab.errors import UserMistake

MOST_WORDS = 100_000  # different words of a column, beyond which it names rows and not categories


class Moments:
    """Count, mean and deviation of numbers that come in parts, without a loss of digits.

    Two parts make ``M = M_a + M_b + (mean_b - mean_a)^2 n_a n_b / n`` (Chan, Golub and LeVeque, "Updating Formulae and
    a Pairwise Algorithm for Computing Sample Variances", COMPSTAT 1982).
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0  # sum of squared distances from the mean

    def update(self, values: np.ndarray) -> None:
        """Take in numbers ``(N,)``, none of them nan."""
        if not len(values):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(values.mean(dtype=np.float64))
            squares = float(np.square(values - np.float64(mean)).sum())
            count = self.count + len(values)
            distance = np.float64(mean - self.mean)
            self._squares += squares + float(distance * distance * self.count * len(values) / count)
            self.mean += float(distance * len(values) / count)
        self.count = count

    @property
    def deviation(self) -> float:
        """The population standard deviation."""
        return math.sqrt(self._squares / self.count) if self.count else 0.0

    @property
    def finite(self) -> bool:
        """Whether the numbers were small enough for both."""
        return math.isfinite(self.mean + self._squares)


class ColumnStatistics(ABC):
    """Of one column.

    Args:
        column: its name.
    """

    def __init__(self, column: str) -> None:
        self.column = column
        self.missing = 0  # empty cells, of all rows
        self.missing_in_training = 0

    @abstractmethod
    def update(self, cells: pa.ChunkedArray, train: np.ndarray) -> None:
        """Take in a row group; ``train`` ``(N,)`` says which rows are training rows.

        Raises:
            UserMistake: a cell that the column cannot hold.
        """

    @property
    @abstractmethod
    def distinct(self) -> int:
        """Different values, of all rows; 2 where it is only known that there are several."""

    @abstractmethod
    def finish(self, *, indicators: bool, rare: int) -> ColumnEncoder:
        """The encoder of the column; see :meth:`TableEncoder.fit`."""

    @property
    def constant(self) -> bool:
        """Whether all rows are the same."""
        return self.distinct == 1 and not self.missing

    def _note(self, missing: np.ndarray, train: np.ndarray) -> None:
        self.missing += int(missing.sum())
        self.missing_in_training += int((missing & train).sum())


class NumericStatistics(ColumnStatistics):
    """Of a column of numbers."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.moments = Moments()
        self._low, self._high = math.inf, -math.inf

    def update(self, cells: pa.ChunkedArray, train: np.ndarray) -> None:
        """See :class:`ColumnStatistics`."""
        values = numbers(cells)
        if values is None or not np.isfinite(values).all():  # words, or empty and infinite cells
            values = read_numbers(series(cells, self.column), self.column, where="data", may_be_missing=True)
        self.see(values, train)

    def see(self, values: np.ndarray, train: np.ndarray) -> None:
        """Take in numbers ``(N,)``, nan where empty."""
        missing = np.isnan(values)
        if missing.any():
            self._note(missing, train)
            values, train = values[~missing], train[~missing]
        if len(values):
            self._low, self._high = min(self._low, float(values.min())), max(self._high, float(values.max()))
            self.moments.update(values if train.all() else values[train])

    @property
    def distinct(self) -> int:
        """See :class:`ColumnStatistics`."""
        return 0 if self._low > self._high else 1 + (self._low < self._high)

    def finish(self, *, indicators: bool, rare: int) -> NumericColumn:
        """See :class:`ColumnStatistics`."""
        if not self.moments.finite:
            raise UserMistake(f"data: column {self.column!r} holds numbers too large for a mean and a deviation")
        return NumericColumn(
            self.column,
            self.moments.mean,
            self.moments.deviation,
            may_be_missing=self.missing > 0,
            indicator=indicators and self.missing_in_training > 0 and self.moments.count > 0,
        )


class CategoryStatistics(ColumnStatistics):
    """Of a column of words.

    Attributes:
        counts: of the words in training rows; other words have 0.
    """

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.counts: Counter[str] = Counter()

    def update(self, cells: pa.ChunkedArray, train: np.ndarray) -> None:
        """See :class:`ColumnStatistics`."""
        places, values = factorized(cells)
        self._note(places < 0, train)
        there = np.bincount(places + 1, minlength=len(values) + 1)[1:].tolist()
        counts = np.bincount(places[train] + 1, minlength=len(values) + 1)[1:].tolist()
        for value, count, rows in zip(values, counts, there, strict=True):
            if rows:
                self.counts[as_word(value)] += count
        if len(self.counts) > MOST_WORDS:
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise UserMistake(
            f"data: column {self.column!r} has more than {MOST_WORDS} categories; name it in data.ids, data.drop or "
            "data.text"
        )

    @property
    def distinct(self) -> int:
        """See :class:`ColumnStatistics`."""
        return len(self.counts)

    def finish(self, *, indicators: bool, rare: int) -> CategoricalColumn:
        """See :class:`ColumnStatistics`."""
        known = sorted(word for word, count in self.counts.items() if count >= rare)
        return CategoricalColumn(self.column, known, missing=indicators and self.missing_in_training > 0)


class DateStatistics(ColumnStatistics):
    """Of a column of dates.

    Args:
        column: its name.
        style: of dates that are text; None: of Arrow's own types, or any ISO date.
    """

    def __init__(self, column: str, style: str | None) -> None:
        super().__init__(column)
        self.style = style
        self._dates = DateColumn(column, style, {})
        self._parts: dict[str, NumericStatistics] = {}
        self._hours = False

    def update(self, cells: pa.ChunkedArray, train: np.ndarray) -> None:
        """See :class:`ColumnStatistics`."""
        times = self._dates.times(series(cells, self.column), where="data")
        self._note(times.isna().to_numpy(), train)
        for name, values in date_parts(times).items():
            self._parts.setdefault(str(name), NumericStatistics(self.column)).see(values.to_numpy(), train)
            self._hours |= name == "hour" and bool((values[train] > 0).any())

    @property
    def distinct(self) -> int:
        """See :class:`ColumnStatistics`."""
        return max((part.distinct for part in self._parts.values()), default=0)

    def finish(self, *, indicators: bool, rare: int) -> DateColumn:
        """See :class:`ColumnStatistics`."""
        parts = {
            name: part.finish(indicators=indicators and name == "day", rare=rare)
            for name, part in self._parts.items()
            if name != "hour" or self._hours
        }
        return DateColumn(self.column, self.style, parts)
