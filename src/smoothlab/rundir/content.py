"""What a file holds, which may come from elsewhere or be damaged, and whether it is what was written."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path

from smoothlab.errors import UserMistake
from smoothlab.rundir.atomic import write_text

SUMS = "SHA256SUMS"  # in a run's folder and beside an exported model, in the form of `sha256sum`, which can check it
MOST_BYTES = 64 * 2**20  # of a file that a person could read; those of a run have some kilobytes
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_LISTS: ContextVar[dict[Path, dict[str, str]] | None] = ContextVar("lists of sums that are known", default=None)


class UnreadableFile(UserMistake):
    """A file that cannot be read, or holds something else than it should."""


class MissingFile(UnreadableFile, FileNotFoundError):
    """There is no such file."""


def content_of(path: Path, most: int = MOST_BYTES, *, verified: bool = True) -> bytes:
    """The bytes of a file.

    Args:
        path: of the file.
        most: bytes that it may have.
        verified: whether it must be what was written; else the caller looks for differences itself.

    Raises:
        MissingFile: there is no such file.
        UnreadableFile: it is too large, no regular file, or not what ``SHA256SUMS`` in its folder or the one above
            says; a file of which it says nothing, as of a run of an earlier version, is read as it is.
    """
    content = _bytes_of(path, most)
    written = _written(path) if verified else ""
    if written and hashlib.sha256(content).hexdigest() != written:
        raise UnreadableFile(f"{path}: not what was written (its SHA-256 is not the one in {SUMS})")
    return content


@contextlib.contextmanager
def sums_read_once() -> Iterator[None]:
    """Within it each folder's list of sums is read once: for somebody who reads several files of one run."""
    token = _LISTS.set({})
    try:
        yield
    finally:
        _LISTS.reset(token)


def _bytes_of(path: Path, most: int) -> bytes:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableFile(f"{path}: not a regular file")
        if status.st_size > most:
            raise UnreadableFile(f"{path}: more than {most // 2**20} MiB, which no run writes")
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise MissingFile(f"{path}: no such file") from None
    except OSError as error:
        raise UnreadableFile(f"{path}: not readable ({error.strerror})") from None


def _written(path: Path) -> str:
    """The digest that was written of a file; empty where none was."""
    lists = _LISTS.get()
    if lists is None:
        lists = {}
    folder, name = path.parent, path.name
    for _ in range(2):
        if folder not in lists:
            lists[folder] = _sums(folder)
        if digest := lists[folder].get(name):
            return digest
        folder, name = folder.parent, f"{folder.name}/{name}"
    return ""


def _sums(folder: Path) -> dict[str, str]:
    """Digests by the names of files below ``folder``; none where there is no such list.

    Raises:
        UnreadableFile: it is damaged.
    """
    try:
        lines = _bytes_of(folder / SUMS, MOST_BYTES).decode("utf-8").splitlines()
    except MissingFile:
        return {}
    except UnicodeDecodeError:
        lines = [""]
    matches = [_LINE.fullmatch(line) for line in lines]
    if None in matches:
        raise UnreadableFile(f"{folder / SUMS}: damaged; what it says of the files beside it cannot be known")
    return {match[2]: match[1] for match in matches if match}


def write_sums(folder: Path, files: Iterable[Path]) -> None:
    """Write down what finished files hold, in ``SHA256SUMS`` of ``folder``; lines of other files stay.

    Args:
        folder: in which the files stand, or in folders of it.
        files: those that are there and that are read back.
    """
    sums = _sums(folder)
    for file in files:
        with file.open("rb") as opened:
            sums[file.relative_to(folder).as_posix()] = hashlib.file_digest(opened, "sha256").hexdigest()
    _write(folder, sums)


def forget_sums(folder: Path, files: Iterable[Path]) -> None:
    """Leave out the lines of files that are about to be written anew; arguments as of :func:`write_sums`."""
    names = {file.relative_to(folder).as_posix() for file in files}
    sums = _sums(folder)
    if names & sums.keys():
        _write(folder, {name: digest for name, digest in sums.items() if name not in names})


def _write(folder: Path, sums: dict[str, str]) -> None:
    write_text(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))
