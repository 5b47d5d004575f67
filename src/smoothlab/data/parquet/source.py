"""The samples of row groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from smoothlab.data.batch import Batch, joined
from smoothlab.data.module import SPLITS
from smoothlab.data.parquet.features import ArrowEncoder, factorized, series
from smoothlab.data.parquet.files import Reader, RowGroup
from smoothlab.data.parquet.labels import StreamLabels
from smoothlab.data.parquet.splitting import Splitter
from smoothlab.data.table.dates import days
from smoothlab.data.table.numeric import read_numbers
from smoothlab.data.table.weights import read_weights, weights_of_rows
from smoothlab.data.table.words import as_word
from smoothlab.errors import UserMistake


@dataclass
class MetadataColumn:
    """A column that strategies look at.

    Args:
        name: of the column.
        kind: ``date``: days since 1970, float64; ``numeric``: float32; ``words``: codes, int64, -1 where empty.
        style: of dates.
        words: by code.
    """

    name: str
    kind: str
    style: str | None = None
    words: list[str] = field(default_factory=list)

    def encode(self, cells: pa.ChunkedArray) -> np.ndarray:
        """The column's values ``(N,)``."""
        if self.kind == "date":
            return days(series(cells, self.name), self.style)
        if self.kind == "numeric":
            numbers = read_numbers(series(cells, self.name), self.name, where="data", may_be_missing=True)
            return numbers.astype(np.float32)
        places, values = factorized(cells)
        code = {word: place for place, word in enumerate(self.words)}
        return np.array([*(code.get(as_word(value), -1) for value in values), -1], dtype=np.int64).take(places)


@dataclass
class RowWeight:
    """What a row counts in training: a cell times the weight of its class.

    Args:
        column: of the cells, or None.
        by_class: weights ``(K,)``, or None.
        mean: over the training rows; what is divided by.
    """

    column: str | None
    by_class: np.ndarray | None
    mean: float

    def of(self, table: pa.Table, labels: np.ndarray) -> np.ndarray:
        """Weights ``(N,)`` of rows with labels ``(N,)`` or ``(N, K)``."""
        weights = cell_weights(table, self.column)
        if self.by_class is not None:
            weights = weights * weights_of_rows(self.by_class, labels)
        return (weights / self.mean).astype(np.float32)


def cell_weights(table: pa.Table, column: str | None) -> np.ndarray:
    """A column of weights ``(N,)``; ones without a column.

    Raises:
        UserMistake: one is negative, empty or no finite number.
    """
    return np.ones(table.num_rows) if column is None else read_weights(series(table.column(column), column))


@dataclass
class RowGroups:
    """Row groups, and all that makes samples of them. Can be sent to another process.

    Args:
        groups: in their fixed order.
        counts: samples ``(groups, 3)`` of each split in each.
        columns: that are read.
        dictionaries: those of words.
        splitter: which row is in which split.
        labels: of the rows.
        encoder: of the features.
        metadata: columns.
        weight: of the rows, or None.
    """

    groups: list[RowGroup]
    counts: np.ndarray
    columns: list[str]
    dictionaries: list[str]
    splitter: Splitter
    labels: StreamLabels
    encoder: ArrowEncoder
    metadata: list[MetadataColumn]
    weight: RowWeight | None

    def reader(self, *, threads: bool = True) -> Reader:
        """Reads the groups."""
        return Reader(self.columns, dictionaries=self.dictionaries, threads=threads)

    def samples(self, reader: Reader, index: int, split: str, start: int, stop: int, out: Tensor) -> Batch:
        """Samples ``start`` to ``stop`` of those that a group has in a split, at least one.

        Args:
            reader: of the files.
            index: of the group.
            split: ``train``, ``val`` or ``test``.
            start: first sample.
            stop: behind the last one.
            out: where their compact features are written, ``(stop - start, compact_width)``.

        Raises:
            UserMistake: the group cannot be read or encoded, in one line.
        """
        group = self.groups[index]
        table = reader.read(group)
        wanted = self.splitter.codes(table, group) == SPLITS.index(split)
        wanted &= self.labels.present(table)
        places = np.flatnonzero(wanted)
        if len(places) != self.counts[index, SPLITS.index(split)]:
            raise UserMistake(f"{group.place}: it changed since it was first read")
        places = places[start:stop]
        if len(places) < table.num_rows:
            wanted[:] = False
            wanted[places] = True
            table = table.filter(pa.array(wanted))
        values, about = self.labels.encode(table)
        metadata = {column.name: column.encode(table.column(column.name)) for column in self.metadata}
        metadata |= {name: column for name, column in about.items() if name not in metadata}
        if self.weight is not None:
            metadata["sample_weight"] = self.weight.of(table, values)
        self.encoder.encode(table, out, where=group.place)
        return Batch(
            out,
            torch.from_numpy(values),
            torch.from_numpy(places + group.first),
            {name: torch.from_numpy(np.ascontiguousarray(column)) for name, column in metadata.items()},
        )

    def joined(
        self, reader: Reader, split: str, parts: Sequence[tuple[int, int, int]], before: Batch | None = None
    ) -> Batch:
        """Samples with compact features.

        Args:
            reader: of the files.
            split: ``train``, ``val`` or ``test``.
            parts: row groups, each with the first sample and the one behind the last.
            before: samples that come first.

        Raises:
            UserMistake: as :meth:`samples`.
        """
        done = 0 if before is None else len(before)
        features = torch.empty(done + sum(stop - start for _, start, stop in parts), self.encoder.compact_width)
        batches = []
        if before is not None:
            features[:done] = before.features
            batches.append(before)
        for index, start, stop in parts:
            batches.append(self.samples(reader, index, split, start, stop, features[done : done + stop - start]))
            done += stop - start
        return joined(batches, features)

    def finished(self, batch: Batch) -> Batch:
        """The same samples with the features that the net takes."""
        return Batch(self.encoder.spread(batch.features), batch.labels, batch.rows, batch.metadata)
