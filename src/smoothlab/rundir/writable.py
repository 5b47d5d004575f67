"""Checks of places on the disk, before work is done for them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from smoothlab.errors import UserMistake

LONGEST = 240  # bytes of a file's name; file systems take 255, and the name of a file that is not whole yet is longer


def check_output(path: Path, endings: tuple[str, ...]) -> None:
    """Refuse an output file that could not be written.

    Raises:
        UserMistake: another ending than ``endings``, a folder that is missing or not writable, or a folder's name.
    """
    if path.suffix not in endings:
        raise UserMistake(f"output = {str(path)!r}: expected a file ending in {' or '.join(endings)}")
    if os.path.isdir(path):
        raise UserMistake(f"output = {str(path)!r}: is a folder; expected a file")
    if len(os.fsencode(path.name)) > LONGEST:
        raise UserMistake(f"output = {path.name[:40]!r}...: a name of more than {LONGEST} bytes")
    if not os.path.isdir(path.parent):
        raise UserMistake(f"output = {str(path)!r}: the folder {str(path.parent)!r} does not exist")
    if path.is_symlink() and not path.exists():
        raise UserMistake(f"output = {str(path)!r}: a link to {os.readlink(path)!r}, which is not there")
    check_folder(path.parent, key="output")


def check_no_run(folder: Path, *, key: str) -> None:
    """Refuse a place for several files that is a file, or the directory of a run.

    Raises:
        UserMistake: it is one of them, or nothing can be made there.
    """
    if folder.is_file() or (folder / "config.yaml").exists():
        raise UserMistake(f"{key} = {str(folder)!r}: is a {'file' if folder.is_file() else 'run'}; expected a folder")
    check_folder(folder, key=key)


def check_folder(folder: Path, *, key: str) -> None:
    """Refuse a folder in which nothing can be made, or whose nearest existing parent is such a one.

    Raises:
        UserMistake: making a file there failed.
    """
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        what = f"a link to {os.readlink(folder)!r}, which is not there" if folder.is_symlink() else "a file"
        raise UserMistake(f"{key}: {str(folder)!r} is {what}; expected a folder")
    try:
        with tempfile.TemporaryFile(dir=folder):  # rights alone do not tell: a file system may be full or read-only
            pass
    except OSError as error:
        raise UserMistake(f"{key}: cannot write in {str(folder)!r} ({error.strerror})") from None
