"""Checks of places on the disk, before work is done for them."""

from __future__ import annotations

import os
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
    folder = path.parent
    if not folder.is_dir():
        raise UserMistake(f"output = {str(path)!r}: the folder {str(folder)!r} does not exist")
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise UserMistake(f"output = {str(path)!r}: not writable")
