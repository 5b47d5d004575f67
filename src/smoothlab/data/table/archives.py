"""Files of columns that know their types."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from smoothlab.unpacking import check_rows


def read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet file, with the categories of its dictionary columns."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        check_rows(file.metadata.num_rows, file.schema_arrow)
    return pd.read_parquet(path).reset_index(drop=True)


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
        return frame.reset_index(drop=True)


BINARY: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": read_parquet,
    ".pq": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
}
