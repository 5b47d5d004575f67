"""Packed files and arrays, which may claim any size: read only as far as the machine's memory goes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
ARRAY_SUFFIXES = (".npz", ".npy")
PART = 2**24  # bytes
SHARE = 4  # of the memory, which a text takes as a table several times


def name_of(place: str | Path) -> str:
    """What a run on a file or folder is called: its stem, with ``_`` for what a name cannot hold."""
    path = Path(os.path.expanduser(place))
    return re.sub(r"[^A-Za-z0-9_-]+", "_", path.name.split(".")[0] or path.name)


def memory() -> int:
    """Bytes of the machine's memory, or of those that its container may have."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return machine
    return min(machine, int(limit)) if limit.isdecimal() else machine


def zip_members(path: Path) -> list[str]:
    """The names of the files in a .zip, but for those that macOS adds.

    Raises:
        OSError, zipfile.BadZipFile: it cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        return [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]


def unpacked(path: Path, member: str | None = None) -> bytes:
    """The content of a file, unpacked where its name ends in .gz, .bz2, .xz or .zip.

    Args:
        path: the file.
        member: the file in a .zip; None: the only one.

    Raises:
        OSError, EOFError, ValueError: it cannot be read, or unpacks to more than a quarter of the memory.
    """
    if not path.is_file():
        raise ValueError("not a regular file")
    suffix = path.suffix.lower()
    if suffix in OPENERS:
        with OPENERS[suffix](path, "rb") as file:
            parts, size = [], 0
            while part := file.read(PART):
                parts.append(part)
                _check_size(size := size + len(part))
            return b"".join(parts)
    if suffix == ".zip":
        members = zip_members(path) if member is None else [member]
        if len(members) != 1:
            raise ValueError(f"a .zip of {len(members)} files; expected one, so unpack it")
        with zipfile.ZipFile(path) as archive:
            _check_size(archive.getinfo(members[0]).file_size)
            return archive.read(members[0])
    return path.read_bytes()


def load_arrays(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    """The array of an .npy file, or those of an .npz file by name; nothing pickled is read.

    Raises:
        OSError, EOFError, ValueError, zipfile.BadZipFile: it cannot be read, holds Python objects, or unpacks to more
            than a quarter of the memory.
    """
    import numpy as np

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            _check_parts(archive, path.stat().st_size)
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except MemoryError as error:
        raise ValueError(f"it does not fit into memory: {error}") from None


def check_archive(path: Path) -> None:
    """Refuse a .zip, such as an .xlsx is, that unpacks to more than memory should hold.

    Raises:
        OSError, ValueError, zipfile.BadZipFile: it does, or cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        _check_parts(archive, path.stat().st_size)


def damaged_part(content: BinaryIO) -> str:
    """The name of a part of a .zip whose CRC-32 is not that of its bytes; empty where there is none, or no .zip.

    Raises:
        OSError, EOFError, ValueError, zipfile.BadZipFile: it cannot be read, or unpacks to more than a quarter of the
            memory.
    """
    if not zipfile.is_zipfile(content):
        return ""
    with zipfile.ZipFile(content) as archive:
        _check_parts(archive, content.seek(0, os.SEEK_END))
        return archive.testzip() or ""


def check_rows(rows: int, schema: pa.Schema) -> None:
    """Refuse a table that memory cannot hold: equal values take next to nothing in a Parquet file.

    Args:
        rows: that it has.
        schema: of its columns; a cell without a fixed width takes 8 bytes at least.

    Raises:
        ValueError: they take more than the memory.
    """
    if rows * sum(_bits(field.type) for field in schema) // 8 > memory():
        raise ValueError(f"{rows:,} rows of {len(schema)} columns, more than this machine's memory holds")


def _bits(kind: pa.DataType) -> int:
    try:
        return int(kind.bit_width)
    except ValueError:  # pyarrow's answer for cells without a fixed width
        return 64


def _check_parts(archive: zipfile.ZipFile, size: int) -> None:
    if (total := sum(part.file_size for part in archive.infolist())) > size:  # else none is packed
        _check_size(total)


def _check_size(size: int) -> None:
    if size > (most := memory() // SHARE):
        raise ValueError(f"it unpacks to more than {most / 1e9:.1f} GB, a quarter of this machine's memory; unpack it")
