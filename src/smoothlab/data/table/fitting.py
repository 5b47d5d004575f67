"""What the encoder of a column learns from training cells: all at once, or a part after the other in fixed memory."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from smoothlab.data.table.categorical import CategoricalColumn
from smoothlab.data.table.dates import DateColumn, date_parts
from smoothlab.data.table.numeric import NumericColumn, read_numbers, refuse
from smoothlab.data.table.places import row_number
from smoothlab.data.table.scaling import SampledValues, Scaling
from smoothlab.data.table.words import as_word
from smoothlab.data.table.written import Writing
from smoothlab.errors import UserMistake

MOST_WORDS = 100_000  # different words of a column in parts, beyond which it names rows and not categories


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


class ColumnFit(ABC):
    """Learns from one column.

    Args:
        column: its name.
        where: what to call the rows in an error.
        may_be_missing: whether empty cells are taken, now and later; None: they are, later if there are some now.
    """

    def __init__(self, column: str, *, where: str = "data", may_be_missing: bool | None = None) -> None:
        self.column = column
        self.where = where
        self.may_be_missing = may_be_missing
        self.missing = 0  # empty cells, of all rows
        self.missing_in_training = 0

    @abstractmethod
    def update(self, cells: pd.Series, train: np.ndarray | None = None) -> None:
        """Take in cells.

        Args:
            cells: of some rows.
            train: which of them are training rows ``(N,)``; None: all.

        Raises:
            UserMistake: a cell that the column cannot hold.
        """

    @property
    @abstractmethod
    def distinct(self) -> int:
        """Different values, of all rows; 2 where it is only known that there are several."""

    @abstractmethod
    def finish(
        self, *, indicators: bool, rare: int, scaling: Scaling
    ) -> NumericColumn | CategoricalColumn | DateColumn:
        """The encoder of the column.

        Args:
            indicators: whether a feature says which cells are missing.
            rare: categories of fewer training rows are "other".
            scaling: of numbers.
        """

    @property
    def constant(self) -> bool:
        """Whether all rows are the same."""
        return self.distinct == 1 and not self.missing

    def _note(self, missing: np.ndarray, train: np.ndarray | None) -> None:
        self.missing += int(missing.sum())
        self.missing_in_training += int((missing if train is None else missing & train).sum())


class NumericFit(ColumnFit):
    """Learns mean, deviation and quantiles of a column of numbers.

    Args:
        column: its name.
        writing: how they are written where they are text; None: as plain numbers.
        where: see :class:`ColumnFit`, as ``may_be_missing``.
        may_be_missing: whether empty cells are taken.
    """

    def __init__(
        self,
        column: str,
        writing: Writing | None = None,
        *,
        where: str = "data",
        may_be_missing: bool | None = None,
    ) -> None:
        super().__init__(column, where=where, may_be_missing=may_be_missing)
        self.writing = writing
        self.bounded = False
        self.moments = Moments()
        self.sample = SampledValues()
        self._low, self._high = math.inf, -math.inf

    def update(self, cells: pd.Series, train: np.ndarray | None = None) -> None:
        """See :class:`ColumnFit`."""
        may_be_missing = self.may_be_missing is not False
        if self.writing is not None:
            bounds = self.writing.bounds(cells) if self.writing.limits else np.zeros(0)
            self.bounded |= bool((bounds if train is None or not len(bounds) else bounds[train]).any())
            cells = self.writing.plain(cells)
        self.take(read_numbers(cells, self.column, where=self.where, may_be_missing=may_be_missing), train, cells)

    def take(self, values: np.ndarray, train: np.ndarray | None = None, cells: pd.Series | None = None) -> None:
        """Take in numbers ``(N,)``, nan where empty; ``cells`` tell the number of a row in an error."""
        missing, present = np.isnan(values), values
        if missing.any():
            self._note(missing, train)
            present, train = values[~missing], None if train is None else train[~missing]
        if len(present):
            self._low, self._high = min(self._low, float(present.min())), max(self._high, float(present.max()))
            trained = present if train is None or train.all() else present[train]
            self.moments.update(trained)
            self.sample.update(trained)
        if not self.moments.finite:
            # The cells are finite one by one; the largest of the column is what made the sum overflow.
            place = int(np.nanargmax(np.abs(values)))
            row = place + 1 if cells is None else row_number(cells, place)
            value = repr(float(values[place]))
            refuse(self.where, self.column, row, value, ", too large for a mean and a deviation")

    @property
    def distinct(self) -> int:
        """See :class:`ColumnFit`."""
        return 0 if self._low > self._high else 1 + (self._low < self._high)

    def finish(self, *, indicators: bool, rare: int = 1, scaling: Scaling = "standard") -> NumericColumn:
        """See :class:`ColumnFit`."""
        return NumericColumn(
            self.column,
            self.moments.mean,
            self.moments.deviation,
            quantiles=self.sample.quantiles(),
            scaling=scaling,
            may_be_missing=self.missing > 0 if self.may_be_missing is None else self.may_be_missing,
            indicator=indicators and self.missing_in_training > 0 and self.moments.count > 0,
            bounded=self.bounded,
            writing=self.writing,
        )


class CategoryFit(ColumnFit):
    """Learns the categories of a column of words.

    Attributes:
        counts: of the words in training rows; other words have 0.
    """

    def __init__(self, column: str, *, most: int | None = None) -> None:
        super().__init__(column)
        self.most = most
        self.counts: Counter[str] = Counter()

    def update(self, cells: pd.Series, train: np.ndarray | None = None) -> None:
        """See :class:`ColumnFit`."""
        places, values = pd.factorize(cells)
        self.take(places, values, train)

    def take(self, places: np.ndarray, values: Sequence[object], train: np.ndarray | None = None) -> None:
        """Take in cells by the place of each ``(N,)`` among some values, -1 where it is empty."""
        self._note(places < 0, train)
        size = len(values) + 1
        there = np.bincount(places + 1, minlength=size)[1:].tolist()
        counts = there if train is None else np.bincount(places[train] + 1, minlength=size)[1:].tolist()
        for value, count, rows in zip(values, counts, there, strict=True):
            if rows:
                self.counts[as_word(value)] += count
        if self.most is not None and len(self.counts) > self.most:
            raise UserMistake(
                f"data: column {self.column!r} has more than {self.most} categories; name it in data.ids, data.drop or "
                "data.text"
            )

    @property
    def distinct(self) -> int:
        """See :class:`ColumnFit`."""
        return len(self.counts)

    def finish(self, *, indicators: bool, rare: int, scaling: Scaling = "standard") -> CategoricalColumn:
        """See :class:`ColumnFit`."""
        known = sorted(word for word, count in self.counts.items() if count >= rare)
        return CategoricalColumn(self.column, known, missing=indicators and self.missing_in_training > 0)


class DateFit(ColumnFit):
    """Learns the parts of a column of dates.

    Args:
        column: its name.
        style: of dates that are text; None: of the types of dates, or any ISO date.
        where: see :class:`ColumnFit`, as ``may_be_missing``.
        may_be_missing: whether empty cells are taken.
    """

    def __init__(
        self, column: str, style: str | None, *, where: str = "data", may_be_missing: bool | None = None
    ) -> None:
        super().__init__(column, where=where, may_be_missing=may_be_missing)
        self.dates = DateColumn(column, style, {})
        self._parts: dict[str, NumericFit] = {}
        self._hours = False

    def update(self, cells: pd.Series, train: np.ndarray | None = None) -> None:
        """See :class:`ColumnFit`."""
        times = self.dates.times(cells, where=self.where)
        self._note(times.isna().to_numpy(), train)
        for name, numbers in date_parts(times).items():
            fit = NumericFit(self.column, where=self.where, may_be_missing=self.may_be_missing)
            self._parts.setdefault(str(name), fit).update(numbers.set_axis(cells.index), train)
            hours = numbers.to_numpy() if train is None else numbers.to_numpy()[train]
            self._hours |= name == "hour" and bool((hours > 0).any())

    @property
    def distinct(self) -> int:
        """See :class:`ColumnFit`."""
        return max((part.distinct for part in self._parts.values()), default=0)

    def finish(self, *, indicators: bool, rare: int = 1, scaling: Scaling = "standard") -> DateColumn:
        """See :class:`ColumnFit`."""
        parts = {
            # one indicator says it for all
            name: part.finish(indicators=indicators and name == "day", scaling=scaling)
            for name, part in self._parts.items()
            if name != "hour" or self._hours
        }
        return DateColumn(self.column, self.dates.style, parts)
