"""Checks of places on the disk, before work is done for them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from smoothlab.errors import UserMistake


def check_output(path: Path, endings: tuple[str, ...]) -> None:
    """Refuse an output file that could not be written.

    Raises:
        UserMistake: another ending than ``endings``, a folder that is missing or not writable, or a folder's name.
    """
    if path.suffix not in endings:
        raise UserMistake(f"output = {str(path)!r}: expected a file ending in {' or '.join(endings)}")
    if path.is_dir():
        raise UserMistake(f"output = {str(path)!r}: is a folder; expected a file")
    if not path.parent.is_dir():
        raise UserMistake(f"output = {str(path)!r}: the folder {str(path.parent)!r} does not exist")
    check_folder(path.parent, key="output")


def check_folder(folder: Path, *, key: str) -> None:
    """Refuse a folder in which nothing can be made, or whose nearest existing parent is such a one.

    Raises:
        UserMistake: making a file there failed.
    """
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):  # rights alone do not tell: a file system may be full or read-only
            pass
    except OSError as error:
        raise UserMistake(f"{key}: cannot write in {str(folder)!r} ({error.strerror})") from None
