"""The directory of a sweep, a search or a comparison, and what is said of it on the terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from smoothlab.errors import UserMistake
from smoothlab.rundir.atomic import make_folders
from smoothlab.rundir.directory import RunDirectory


def make_folder(folder: Path) -> None:
    """Make the directory, where it is not there.

    Raises:
        UserMistake: it cannot be made.
    """
    try:
        make_folders(folder)
    except OSError as error:
        raise UserMistake(f"{folder}: cannot be made ({error.strerror}); give output_root=...") from None


def refuse_held(folder: Path) -> None:
    """Refuse a directory in which another process works.

    Raises:
        UserMistake: there is one; the message says which.
    """
    if RunDirectory(folder).is_locked():
        with RunDirectory(folder).held():
            pass


def say(text: str) -> None:
    """Print to standard error, at once."""
    print(text, file=sys.stderr, flush=True)
