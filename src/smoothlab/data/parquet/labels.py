"""Labels of a stream's rows: what the classes are is known after one pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.types as types

from smoothlab.data.parquet.features import factorized, series
from smoothlab.data.parts.keys import named
from smoothlab.data.parts.labels import Labels
from smoothlab.data.table.labels import check_kind, read_labels
from smoothlab.data.table.words import as_word
from smoothlab.errors import InvalidArgument, UserMistake

MOST_CLASSES = 100_000


class StreamLabels(ABC):
    """The labels of one stream.

    Args:
        options: what they are.

    Attributes:
        columns: they stand in.
        names: of the classes, in the order of the logits; known after :meth:`finish`.
        counts: training rows of each class ``(K,)``, shares of votes added up.
        weights: the same, each row counted with its weight.
    """

    def __init__(self, options: Labels) -> None:
        self.options = options
        self.columns = options.columns
        self.names: list[str] = []
        self.counts = np.zeros(len(self.columns))
        self.weights = np.zeros(len(self.columns))

    def present(self, table: pa.Table) -> np.ndarray:
        """Which rows ``(N,)`` have a label."""
        present = np.zeros(table.num_rows, dtype=bool)
        for name in self.columns:
            cells = table.column(name)
            if not cells.null_count and not types.is_floating(cells.type):
                return np.ones(table.num_rows, dtype=bool)
            present |= series(cells, name).notna().to_numpy()
        return present

    @abstractmethod
    def update(self, table: pa.Table, train: np.ndarray, weights: np.ndarray) -> None:
        """Take in rows that have a label.

        Args:
            table: the rows.
            train: which of them are training rows ``(N,)``.
            weights: of the rows ``(N,)``.
        """

    @abstractmethod
    def finish(self) -> None:
        """Settle the classes."""

    @abstractmethod
    def encode(self, table: pa.Table) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Labels of rows that have one, as a batch holds them, and columns about them."""


class OneClass(StreamLabels):
    """One class a row."""

    def __init__(self, options: Labels) -> None:
        super().__init__(options)
        self._rows: Counter[str] = Counter()
        self._train: Counter[str] = Counter()
        self._weights: Counter[str] = Counter()
        self._numbers = False
        self._index: dict[str, int] = {}

    def update(self, table: pa.Table, train: np.ndarray, weights: np.ndarray) -> None:
        """See :class:`StreamLabels`."""
        self._numbers = types.is_floating(table.column(self.columns[0]).type)
        places, values = factorized(table.column(self.columns[0]))
        size = len(values)
        rows, counts = np.bincount(places, minlength=size), np.bincount(places[train], minlength=size)
        weighted = np.bincount(places[train], weights=weights[train], minlength=size)
        for value, there, count, weight in zip(values, rows.tolist(), counts.tolist(), weighted.tolist(), strict=True):
            if there:
                word = as_word(value)
                self._rows[word] += there
                self._train[word] += count
                self._weights[word] += weight
        if len(self._rows) > MOST_CLASSES:
            raise UserMistake(
                f"data.target = {self.columns[0]!r}: more than {MOST_CLASSES} different cells, no classes"
            )

    def finish(self) -> None:
        """See :class:`StreamLabels`."""
        options, column, words = self.options, self.columns[0], sorted(self._rows)
        cells = pd.Series(words, dtype=object)
        # A column of fractions is told from classes by its type.
        frame = pd.DataFrame({column: cells.astype(float) if self._numbers else cells})
        labels = read_labels(
            frame,
            column,
            options.labels,
            classes=options.classes,
            order=options.order,
            positive=named(options.positive),
        )
        self.names = labels.names
        self._index = dict(zip(words, labels.values.tolist(), strict=True))
        self.counts, self.weights = np.zeros(len(self.names)), np.zeros(len(self.names))
        for word, place in self._index.items():
            self.counts[place] += self._train[word]
            self.weights[place] += self._weights[word]

    def encode(self, table: pa.Table) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """See :class:`StreamLabels`."""
        places, values = factorized(table.column(self.columns[0]))
        index = np.array([self._index.get(as_word(value), -1) for value in values], dtype=np.int64)[places]
        if (index < 0).any():
            word = as_word(values[places[int((index < 0).argmax())]])
            raise UserMistake(f"data.target = {self.columns[0]!r}: class {word!r} is new, the files have changed")
        return index, {}


class ClassColumns(StreamLabels):
    """A column a class: votes, or several labels a row."""

    def update(self, table: pa.Table, train: np.ndarray, weights: np.ndarray) -> None:
        """See :class:`StreamLabels`."""
        if not table.num_rows:
            return
        values, _ = self.encode(table)
        known = np.maximum(values[train], 0)  # -1 is unknown
        self.counts += known.sum(axis=0, dtype=np.float64)
        self.weights += weights[train] @ known

    def finish(self) -> None:
        """See :class:`StreamLabels`."""
        if not self.names:
            raise UserMistake("data.target: every cell is empty")

    def encode(self, table: pa.Table) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """See :class:`StreamLabels`."""
        frame = table.select(self.columns).to_pandas(ignore_metadata=True)
        options = self.options
        labels = read_labels(
            frame, self.columns, options.labels, classes=options.classes, positive=named(options.positive)
        )
        self.names = labels.names
        return labels.values, labels.metadata


def stream_labels(options: Labels) -> StreamLabels:
    """The labels that a part describes.

    Raises:
        InvalidArgument: its fields do not fit together.
    """
    kind, columns, order = options.labels, options.columns, options.order
    check_kind(kind, columns, order)
    if kind in ("single", "ordinal"):
        return OneClass(options)
    if len(columns) < 2:
        expected = f"a list of columns, one a class, with labels={kind} in a stream"
        raise InvalidArgument("target", options.target, expected)
    return ClassColumns(options)
