"""Files whose cells know their types: Parquet, Arrow, and the sheets of a spreadsheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from smoothlab.errors import UserMistake
from smoothlab.unpacking import check_archive, check_rows


def read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet file, with the categories of its dictionary columns."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        check_rows(file.metadata.num_rows, file.schema_arrow)
    return with_index(pd.read_parquet(path))


def with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose rows count from 0: what has a name in its index, such as a patient, is a column in front."""
    lost = [name for name in frame.index.names if name is None or name in frame.columns]
    if len(lost) == frame.index.nlevels:
        return frame.reset_index(drop=True)
    return frame.reset_index(level=[name for name in frame.index.names if name not in lost]).reset_index(drop=True)


def read_arrow(path: Path) -> pd.DataFrame:
    """An Arrow file (Feather), or a stream of Arrow batches."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        try:
            table = pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            table = pa.ipc.open_stream(source).read_all()
        frame: pd.DataFrame = table.to_pandas()
        return with_index(frame)


def read_sheet(path: Path, *, header: int | None = 0, names: Sequence[str] | None = None) -> pd.DataFrame:
    """The first sheet of an .xlsx file that has cells; ``frame.attrs["sheets"]`` names it and those left out.

    Args:
        path: the file.
        header: number of the line with the column names, from 0; None: there is none.
        names: of the columns, in place of the file's.

    Raises:
        UserMistake: openpyxl is not there, or no sheet has rows.
    """
    try:
        import openpyxl  # noqa: F401
    except ImportError:
        raise UserMistake("an .xlsx file is read with openpyxl: pip install 'smoothlab[excel]'") from None
    check_archive(path)
    rows = {"header": header, "names": None if names is None else list(names)}
    with pd.ExcelFile(path, engine="openpyxl") as book:
        sheets = {str(name): frame for name, frame in pd.read_excel(book, sheet_name=None, **rows).items()}
    filled = {name: frame for name, frame in sheets.items() if len(frame)}
    if not filled:
        raise UserMistake(f"{path}: no sheet has rows")
    chosen = next(iter(filled))
    frame = filled.pop(chosen)
    frame = frame.drop(columns=[name for name in frame if frame[name].isna().all() and "Unnamed: " in str(name)])
    if filled:
        frame.attrs["sheets"] = [chosen, *filled]
    return frame


BINARY: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": read_parquet,
    ".pq": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
}
