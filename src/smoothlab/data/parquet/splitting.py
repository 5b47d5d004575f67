"""Which split a row of a stream is in: known from the row alone, so that no list of rows is kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from smoothlab.data.module import SPLITS
from smoothlab.data.parquet.features import factorized
from smoothlab.data.parquet.files import RowGroup
from smoothlab.data.parts.splits import Splits
from smoothlab.data.table.splits import WORDS
from smoothlab.data.table.words import as_word
from smoothlab.errors import BadRow, InvalidArgument

STREAM_SPLITS = ("random", "group", "column")


class Splitter:
    """Give each row its split.

    Args:
        splits: the part: ``random``: a hash of the row's number; ``group``: a hash of the column's cell, so that equal
            cells stay together; ``column``: the column says train, val or test.
        of_files: whether each split has files of its own; the split must be random then.
        val_from_train: whether validation rows are drawn out of the training rows.
    """

    def __init__(self, splits: Splits, *, of_files: bool, val_from_train: bool) -> None:
        splits.limit(STREAM_SPLITS, "in a stream")
        if of_files and splits.kind != "random":
            raise InvalidArgument("split", splits.kind, "random where each split has files of its own")
        train, val, _ = splits.fractions
        self._by = splits.kind
        self._column = str(splits.split_column)
        self._bounds = np.array([train, train + val])
        self._share_of_val = val / (train + val) if val_from_train else 0.0
        self._seed = splits.split_seed

    def codes(self, table: pa.Table, group: RowGroup) -> np.ndarray:
        """Places in ``SPLITS`` ``(N,)`` of a row group's rows.

        Raises:
            UserMistake: a cell of the column is empty or says something else.
        """
        numbers = np.arange(group.first, group.first + group.rows, dtype=np.uint64)
        if group.split is not None:
            codes = np.full(group.rows, SPLITS.index(group.split))
            if group.split == "train" and self._share_of_val:
                codes[uniform(numbers, self._seed) < self._share_of_val] = SPLITS.index("val")
            return codes
        if self._by == "random":
            return np.searchsorted(self._bounds, uniform(numbers, self._seed), side="right")
        places, values = factorized(table.column(self._column))
        of_value = self._written(values) if self._by == "column" else self._drawn(values)
        codes = np.array([*of_value, -1]).take(places)
        if (codes < 0).any():
            row = int(np.flatnonzero(codes < 0)[0])
            cell = table.column(self._column)[row].as_py()
            what = "train, val or test" if self._by == "column" else "the group of each row"
            raise BadRow(f"data.split_column = {self._column!r}: data row {row + 1} is {cell!r}; expected {what}")
        return codes

    def _written(self, values: Sequence[object]) -> list[int]:
        code_of = {word: SPLITS.index(split) for split, words in WORDS.items() for word in words}
        return [code_of.get(as_word(value).lower(), -1) for value in values]

    def _drawn(self, values: Sequence[object]) -> list[int]:
        words = np.array([as_word(value) for value in values], dtype=object)
        if not len(words):
            return []
        drawn = uniform(pd.util.hash_array(words, categorize=False), self._seed)
        return list(map(int, np.searchsorted(self._bounds, drawn, side="right")))


def uniform(numbers: np.ndarray, seed: int) -> np.ndarray:
    """A number in [0, 1) for each of some uint64 numbers ``(N,)``, the same at each call.

    The finaliser of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
    """
    start = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    with np.errstate(over="ignore"):
        mixed = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + start
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return np.asarray((mixed >> np.uint64(11)) * 2.0**-53)
