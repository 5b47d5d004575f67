"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from smoothlab.errors import of_file

_FOLDERS: ContextVar[set[Path] | None] = ContextVar("folders whose names wait for the disk together", default=None)
_TEMPORARY = re.compile(r"\..+\.\d+(\.\w+)?")  # what `write_atomically` calls a file until it is whole


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in place in one step; then it is on the disk.

    The temporary file stands in the same folder, since a move between file systems is a copy that can be cut off.
    Without the waits for the disk a power cut may leave an empty file, or none. Within :func:`names_wait_together` the
    file's name is on the disk when that ends.

    Args:
        path: the file to make or replace.
        write: fills the file whose path it is given; it keeps ``path``'s ending, which some writers look at.

    Raises:
        OSError: the disk refuses it, with ``path`` as its file name; what stood there stands.
    """
    temporary = path.with_name(f".{path.stem}.{_number()}{path.suffix}")  # as _TEMPORARY reads it
    try:
        with of_file(path):
            write(temporary)
            sync_file(temporary)
            os.replace(temporary, path)
        _name_written(path.parent)
    finally:
        with contextlib.suppress(OSError):  # what went wrong before says more
            temporary.unlink()


@contextlib.contextmanager
def folder_in_one_step(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder``, which takes its place once the block has filled it; else there is none.

    What killed processes have left of the same ``folder`` is removed first.

    Args:
        folder: to make; nothing stands there.

    Raises:
        OSError: the disk refuses it, or something stands there by now.
    """
    for other in folder.parent.glob(f".{glob.escape(folder.name)}.*"):
        if other.name.rpartition(".")[2].isdigit():
            _remove_unless_held(other)
    with _held_folder(folder) as temporary:
        try:
            yield temporary
            os.rename(temporary, folder)
            sync_folder(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _held_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside ``folder`` that is locked by this process: the lock goes with the process."""
    while True:
        temporary = folder.with_name(f".{folder.name}.{_number()}")
        make_folders(temporary)
        handle = os.open(temporary, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # some network file systems lock no folders; then nobody removes one
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if temporary.exists():  # else another process has taken it for that of a dead one, before the lock
                yield temporary
                return
        finally:
            os.close(handle)


def _remove_unless_held(folder: Path) -> None:
    """Remove a temporary folder whose process is dead."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)


def _number() -> str:
    """Digits that no other thread, process or machine has for its temporary files."""
    return f"{os.getpid()}{secrets.randbelow(10**12):012d}"


def sync_file(path: Path) -> None:
    """Wait until a file's bytes are on the disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def make_folders(folder: Path) -> None:
    """Make a folder, and those above it that are missing, where it is not there; then their names are on the disk.

    Within :func:`names_wait_together` they are when that ends.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        _name_written(path.parent)


@contextlib.contextmanager
def names_wait_together() -> Iterator[None]:
    """Within it each file that is written is whole at once, but its name is on the disk only when the block ends.

    A folder's names are one wait, however many files it gets. A power cut before leaves some of the files, each whole:
    what says that all are there, such as ``done`` in status.json, is to be written behind the block.
    """
    if _FOLDERS.get() is not None:
        yield
        return
    folders: set[Path] = set()
    token = _FOLDERS.set(folders)
    try:
        yield
    finally:
        _FOLDERS.reset(token)
        for folder in sorted(folders):
            sync_folder(folder)


def _name_written(folder: Path) -> None:
    folders = _FOLDERS.get()
    if folders is None:
        sync_folder(folder)
    else:
        folders.add(folder)


def sync_folder(folder: Path) -> None:
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


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. NaN and infinities are refused: JSON has none."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: _fill(temporary, text))


def write_text(path: Path, text: str) -> None:
    """Write ``text``, atomically."""
    write_atomically(path, lambda temporary: _fill(temporary, text))
