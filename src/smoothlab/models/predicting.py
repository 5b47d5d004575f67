"""Predictions for a file of raw rows, a part after the other, into a file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from smoothlab.models.validated import Promises
from smoothlab.rundir.atomic import write_atomically, write_text
from smoothlab.rundir.spreadsheet import without_formulas

PART_ROWS = 16_384
PART_VALUES = 2**23  # features of a part, 4 bytes each
LINES = ".txt"  # of translations


def predict_file(model: Any, source: Path, output: Path, *, batch_size: int, promises: Promises) -> int:
    """Write a row for each row of ``source``, in their order; the file is written whole or not at all.

    Args:
        model: from :func:`smoothlab.load`.
        source: a table; of other models a folder, an image or a text.
        output: ending in .csv, .parquet or, of translations, .txt.
        batch_size: rows that go through the net at once.
        promises: what stands beside the predictions.

    Returns:
        The number of rows.

    Raises:
        UserMistake: the file cannot be read, or a row is none that the model takes; nothing was written.
    """
    parts = model.encoder.read_parts(source, rows_of_part(model.encoder.width))
    if output.suffix == LINES:
        table = model.predict(pd.concat(list(parts)), batch_size=batch_size, where=str(source))
        write_text(output, "".join(f"{' '.join(text.split())}\n" for text in table["translation"]))
        return len(table)
    rows = 0

    def write(temporary: Path) -> None:
        nonlocal rows
        with writer(temporary) as put:
            for part in parts:
                table = promises.beside(model.predict(part, batch_size=batch_size, where=str(source)))
                rows += len(table)
                # What rows are called, where they are no rows of a table, such as the files of images.
                put(table if table.index.name is None else table.reset_index())

    write_atomically(output, write)
    return rows


def rows_of_part(width: int) -> int:
    """How many rows of so many features are held at once."""
    return max(1, min(PART_ROWS, PART_VALUES // max(width, 1)))


@contextlib.contextmanager
def writer(path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write tables of one kind after the other into one file."""
    if path.suffix == ".csv":
        with open(path, "w", encoding="utf-8", newline="") as file:
            begun = False

            def put_lines(table: pd.DataFrame) -> None:
                nonlocal begun
                without_formulas(table).to_csv(file, index=False, header=not begun)
                begun = True

            yield put_lines
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    opened: list[pq.ParquetWriter] = []
    try:

        def put_rows(table: pd.DataFrame) -> None:
            schema = opened[0].schema if opened else None
            made = pa.Table.from_pandas(table, schema=schema, preserve_index=False)
            if not opened:
                opened.append(pq.ParquetWriter(path, made.schema))
            opened[0].write_table(made)

        yield put_rows
    finally:
        for parquet in opened:
            parquet.close()
