"""Features of Arrow columns, as a table's encoder makes them of a DataFrame, in one pass over the numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.types as kinds
import torch
from torch import Tensor

from smoothlab.data.table.categorical import CategoricalColumn
from smoothlab.data.table.encoder import ColumnEncoder, TableEncoder
from smoothlab.data.table.numeric import NumericColumn

NEAR_ZERO = 4.0  # deviations between 0 and a mean that float32 may be subtracted from in float32: off by 5e-7 at most


class ArrowEncoder:
    """Encode Arrow tables: numbers and categories directly, all else as :class:`TableEncoder` does.

    In two steps, so that rows are moved about while they are small: :meth:`encode` makes a code of each category, and
    :meth:`spread` makes features of the codes, for those few rows that are a batch.

    Args:
        encoder: what to do with each column.
    """

    def __init__(self, encoder: TableEncoder) -> None:
        self.encoder = encoder
        self._dense: list[tuple[ColumnEncoder, int]] = []  # with the number of their features
        self._coded: list[CategoricalColumn] = []
        self._dense_width = 0
        self._runs: list[list[int]] = []  # of neighbours among the dense: compact place, place, number
        self._first: list[int] = []  # of the features of each category
        self._width = 0
        for column in encoder.wide:
            width = len(column.names)
            if isinstance(column, CategoricalColumn):
                self._coded.append(column)
                self._first.append(self._width)
            else:
                self._dense.append((column, width))
                if self._runs and self._runs[-1][1] + self._runs[-1][2] == self._width:
                    self._runs[-1][2] += width
                else:
                    self._runs.append([self._dense_width, self._width, width])
                self._dense_width += width
            self._width += width
        self._one_hot = bool(self._coded)
        self._coded += encoder.coded

    @property
    def compact_width(self) -> int:
        """Of compact features."""
        return self._dense_width + len(self._coded)

    def encode(self, table: pa.Table, out: Tensor, *, where: str) -> None:
        """Make compact features of rows: all but the categories, then the codes of these.

        Args:
            table: the rows.
            out: what is written, ``(rows, compact_width)`` float32.
            where: what to call the table in an error.

        Raises:
            UserMistake: a cell is one that its column cannot hold.
        """
        made = np.empty((self.compact_width, table.num_rows), dtype=np.float32)
        scratch = np.empty(table.num_rows)  # for one column after the other: new memory costs as much as the sums
        place = 0
        for column, width in self._dense:
            cells, features = table.column(column.column), made[place : place + width]
            place += width
            if not (isinstance(column, NumericColumn) and _scale(column, cells, features, scratch)):
                features[:] = column.encode(series(cells, column.column), where=where).T
        for coded in self._coded:
            places, values = factorized(table.column(coded.column))
            made[place] = coded.codes_of(values)[places]
            place += 1
        out.copy_(torch.from_numpy(made).t())  # turned in blocks

    def spread(self, compact: Tensor) -> Tensor:
        """Features ``(rows, num_features)`` of compact ones."""
        if not self._one_hot:
            return compact
        features = compact.new_zeros(len(compact), self._width)
        for start, place, width in self._runs:
            features[:, place : place + width] = compact[:, start : start + width]
        ones = compact[:, self._dense_width :].long() + torch.tensor(self._first)
        return features.scatter_(1, ones, 1.0)


def series(cells: pa.ChunkedArray, name: str) -> pd.Series:
    """An Arrow column for pandas."""
    made: pd.Series = cells.to_pandas()
    return made.rename(name)


def factorized(cells: pa.ChunkedArray) -> tuple[np.ndarray, Sequence[object]]:
    """For each cell the place ``(N,)`` of its value among some values, -1 where it is empty.

    Values may be there that no cell has, as a dictionary has them.
    """
    if not kinds.is_dictionary(cells.type):
        places, values = pd.factorize(cells.to_pandas())
        return places, values
    array = cells.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    values = array.dictionary.to_pylist()
    places = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    if None in values:
        at = values.index(None)
        places = np.where(places == at, -1, places)
    return places, values


def numbers(cells: pa.ChunkedArray) -> np.ndarray | None:
    """An Arrow column of numbers or truth values ``(N,)``, nan where it is empty; None for other types."""
    if kinds.is_boolean(cells.type):
        cells = cells.cast(pa.uint8())
    elif not (kinds.is_integer(cells.type) or kinds.is_floating(cells.type)):
        return None
    return np.asarray(cells.to_numpy())


def _scale(column: NumericColumn, cells: pa.ChunkedArray, out: np.ndarray, scratch: np.ndarray) -> bool:
    """Write a column's features ``(1 to 3, N)``; False where only the general way knows what is wrong."""
    values = numbers(cells)
    if values is None:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        scale = 1 / column.deviation if column.deviation > 0 else 0.0
        if column.scaling != "standard":
            out[0] = column.scaled(values)
        elif values.dtype == np.float32 and abs(column.mean) < NEAR_ZERO * column.deviation:
            np.subtract(values, np.float32(column.mean), out=out[0])
            np.multiply(out[0], np.float32(scale), out=out[0])
        else:
            np.subtract(values, np.float64(column.mean), out=scratch)
            np.multiply(scratch, scale, out=out[0], casting="same_kind")
    finite = np.isfinite(out[0])
    missing: np.ndarray | float = 0.0
    if not finite.all():
        missing = np.isnan(values)
        if not column.may_be_missing or not (finite | missing).all():
            return False
        out[0][missing] = 0.0
    if column.indicator:
        out[1] = missing
    if column.bounded:
        out[-1] = 0.0  # these are numbers already
    return True
