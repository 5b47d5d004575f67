"""Files that are compressed, and those of columns that know their types."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from smoothlab.errors import UserMistake

OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def open_bytes(path: Path) -> bytes:
    """The content of a file, unpacked.

    Raises:
        UserMistake: a .zip with several files in it.
        OSError, EOFError, ValueError: it cannot be read.
    """
    opened = OPENERS.get(path.suffix.lower())
    if opened is not None:
        with opened(path, "rb") as file:
            content: bytes = file.read()
            return content
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
            if len(members) != 1:
                raise UserMistake(f"path = {str(path)!r}: a .zip of {len(members)} files; expected one, so unpack it")
            return archive.read(members[0])
    return path.read_bytes()


def read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet file, with the categories of its dictionary columns."""
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
