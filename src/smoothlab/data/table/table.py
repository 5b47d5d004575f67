"""A data module for a table with one row a sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from smoothlab.data.parts import Columns, Encoding, Labels, Loading, Reading, Splits, Training, Weights
from smoothlab.data.rows import RowData
from smoothlab.data.table.categorical import OTHER, CategoricalColumn
from smoothlab.data.table.encoder import TableEncoder
from smoothlab.data.table.sources import TableSource
from smoothlab.flat_keys import takes_keys


class TableData(RowData):
    """Rows of a table: understood, split, and their columns encoded by training statistics.

    The fields of the parts may be given as keywords (``TableData(path="a.csv", target="y")``); ``conf/data/table.yaml``
    and ``conf/data/part`` say what each does. None, empty or "none" is off.

    Args:
        source: a function that makes a DataFrame, or tables by split; or such functions by split.
        path: a file, or files by split, in place of it.
        reading: how files are read.
        labels: the target.
        columns: what the columns are.
        encoding: how they become features.
        weights: what rows count.
        training: what is done to training rows on purpose.
        splits: which row goes where.
        loading: how rows come in batches.
    """

    @takes_keys
    def __init__(
        self,
        source: Callable[[], Any] | dict[str, Callable[[], Any]] | None = None,
        *,
        path: str | dict[str, str] | None = None,
        reading: Reading = Reading(),
        labels: Labels = Labels(),
        columns: Columns = Columns(),
        encoding: Encoding = Encoding(),
        weights: Weights = Weights(),
        training: Training = Training(),
        splits: Splits = Splits(),
        loading: Loading = Loading(batch_size="auto"),
    ) -> None:
        super().__init__(
            TableSource(source, path, reading),
            labels=labels,
            columns=columns,
            weights=weights,
            training=training,
            splits=splits,
            loading=loading,
        )
        self.reading = reading
        self.encoding = encoding

    def make_encoder(self, train: pd.DataFrame) -> TableEncoder:
        """See :class:`RowData`."""
        kinds = {column.name: column.kind for column in self.columns if column.role == "feature"}
        may_be_missing = [column.name for column in self.columns if column.missing]
        styles = {column.name: column.style for column in self.columns}
        features = train[list(kinds)]
        writings = {column.name: column.writing for column in self.columns}
        options: dict[str, Any] = {"styles": styles, "writings": writings, "encoding": self.encoding}
        encoder = TableEncoder.fit(features, kinds, may_be_missing=may_be_missing, **options)
        encoder.reading = self.reading.plain()
        for column in encoder.columns:
            if isinstance(column, CategoricalColumn) and not column.words:
                self.notes.append(
                    f"column {column.column!r} says nothing: each of its words stands in fewer than data.rare = "
                    f"{self.encoding.rare} training rows, so that all are {OTHER}"
                )
        return encoder
