"""Every n-th row of a large table, in memory that does not grow with the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from smoothlab.data.rows import RowData
from smoothlab.data.table.archives import with_index
from smoothlab.data.table.describing import Description, describe
from smoothlab.data.table.parts import table_parts
from smoothlab.data.table.reading import TEXT, suffix_of, usually_emptied, with_missing
from smoothlab.data.table.sources import TableSource

MOST = 100_000  # rows that are described
PART = 65_536  # rows that are read at once
LEAST_ROWS = 3  # of a class, so that it stands in each split
LARGE_TEXT = 32 * 2**20  # bytes of a text, packed or not, below which it is read at once


class SampledSource(TableSource):
    """The rows of a file, or every n-th of them where there are many; they are read once.

    Args:
        whole: where all rows come from.
        target: whose classes with fewer than three rows in the sample are left out; None: none are.
        most: rows that are wanted at most; there are half as many at least.

    Attributes:
        looked_at: which part of the rows is looked at; empty: all, or none is read yet.
    """

    def __init__(self, whole: TableSource, target: str | None = None, most: int = MOST) -> None:
        super().__init__(whole.source, whole.path, whole.reading)
        self.target = target
        self.most = most
        self.looked_at = ""
        self._rows: tuple[pd.DataFrame, np.ndarray | None, list[str]] | None = None

    def rows(self) -> tuple[pd.DataFrame, np.ndarray | None, list[str]]:
        """See :class:`smoothlab.data.rows.RowSource`."""
        if self._rows is None:
            sample = self._sample() if isinstance(self.path, str) else None
            frame, given, notes = super().rows() if sample is None else (sample[0], None, [])
            step, total = (1, len(frame)) if sample is None else sample[1:]
            if sample is None and given is None and len(frame) > self.most:
                step, attrs = -(-len(frame) // self.most), frame.attrs
                frame = frame.iloc[::step]
                frame.attrs = attrs
            if step > 1:
                self.looked_at = (
                    f"the table has {total:,} rows; every {_ordinal(step)} is looked at, {len(frame):,} in all, and "
                    "counts are of those"
                )
                frame.index = pd.RangeIndex(0, step * len(frame), step)  # as the rows are numbered in the file
                frame = self._without_rare(frame, notes)
            self._rows = (frame, given, notes)
        frame, given, notes = self._rows
        return frame.copy(deep=False), given, list(notes)

    def _without_rare(self, frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
        if self.target not in frame.columns:
            return frame
        attrs, counts = frame.attrs, frame[self.target].map(frame[self.target].value_counts())
        rare = (counts < LEAST_ROWS).to_numpy()
        if rare.any() and not rare.all():
            classes = frame.loc[rare, self.target].nunique()
            notes.append(f"{classes} classes with fewer than {LEAST_ROWS} rows in the sample are left out of it")
            frame = frame[~rare]
            frame.attrs = attrs
        return frame

    def lost_labels(self, frame: pd.DataFrame, column: str) -> list[str]:
        """See :class:`smoothlab.data.rows.RowSource`; of a sample nothing is read again."""
        return [] if self.looked_at else super().lost_labels(frame, column)

    def _sample(self) -> tuple[pd.DataFrame, int, int] | None:
        """Every n-th row, n, and how many rows there are; None where the file is read at once."""
        path, options = Path(str(self.path)), self.reading.options()
        suffix = suffix_of(path, "data.path")
        if (
            self.reading.deduplicate
            or self.reading.without is not None
            or options["names"] is not None
            or not path.is_file()
        ):
            return None
        if suffix in (".parquet", ".pq") and path.suffix.lower() != ".zip":
            return _of_parquet(path, self.most, options)
        if suffix in TEXT and path.suffix.lower() != ".zip" and path.stat().st_size > LARGE_TEXT:
            return _thinned(table_parts(path, PART, key="data.path", **options), self.most)
        return None


def described(data: RowData) -> Description:
    """What is understood of data; of a large table that is every n-th row, and the description says so.

    Args:
        data: not set up; they are of no other use afterwards where rows were left out.

    Raises:
        UserMistake: as of :func:`smoothlab.data.table.describing.describe`.
    """
    source = data.row_source
    if not isinstance(source, TableSource):
        return describe(data)
    target = data.labels.target if data.labels.labels == "single" else None
    data.row_source = sampled = SampledSource(source, target if isinstance(target, str) else None)
    description = describe(data)
    description.sample = sampled.looked_at
    return description


def _of_parquet(path: Path, most: int, options: dict[str, Any]) -> tuple[pd.DataFrame, int, int] | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False) as file:
        total = file.metadata.num_rows
        if total <= most:
            return None
        step, seen, taken = -(-total // most), 0, []
        for batch in file.iter_batches(batch_size=PART, use_threads=False):
            places = np.arange(-seen % step, batch.num_rows, step)
            taken.append(batch.take(pa.array(places)))
            seen += batch.num_rows
        frame = with_index(pa.Table.from_batches(taken).to_pandas())
    frame.columns = [str(name).strip() for name in frame.columns]
    return with_missing(usually_emptied(frame, options["verbatim"]), options["missing_words"]), step, total


def _thinned(parts: Iterator[pd.DataFrame], most: int) -> tuple[pd.DataFrame, int, int]:
    step, seen, taken, count = 1, 0, list[pd.DataFrame](), 0
    for part in parts:
        taken.append(part.iloc[-seen % step :: step])
        count += len(taken[-1])
        seen += len(part)
        if count > most:
            step, joined = 2 * step, pd.concat(taken, ignore_index=True)
            taken = [joined.iloc[::2]]
            count = len(taken[0])
    return pd.concat(taken, ignore_index=True), step, seen


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"
