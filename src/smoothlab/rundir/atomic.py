"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

_TEMPORARY = re.compile(r"\..+\.\d+(\.\w+)?")  # what `write_atomically` calls a file until it is whole


def write_atomically(path: Path, write: Callable[[Path], None], *, sync: bool = True) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in place in one step.

    The temporary file stands in the same folder, since a move between file systems is a copy that can be cut off.

    Args:
        path: the file to make or replace.
        write: fills the file whose path it is given; it keeps ``path``'s ending, which some writers look at.
        sync: wait until the bytes are on the disk; without it a power cut may leave an empty file.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")  # as _TEMPORARY reads it
    try:
        write(temporary)
        if sync:
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if sync:
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Wait until the folder's list of names is on the disk, and with it the new name of a file."""
    with contextlib.suppress(OSError):  # some network file systems have no such call
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def leftovers(folder: Path) -> list[Path]:
    """Temporary files below ``folder``: those of killed processes, where no living one writes there."""
    return [
        path
        for path in sorted(folder.rglob(".*"))
        if _TEMPORARY.fullmatch(path.name) and path.is_file() and not path.is_symlink()
    ]


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of killed processes; no living process may write below ``folder`` but this one."""
    for path in leftovers(folder):
        path.unlink(missing_ok=True)


def _fill(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any, *, sync: bool = True) -> None:
    """Write ``value`` as indented JSON, atomically. NaN and infinities are refused: JSON has none."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: _fill(temporary, text), sync=sync)


def write_text(path: Path, text: str) -> None:
    """Write ``text``, atomically."""
    write_atomically(path, lambda temporary: _fill(temporary, text))
