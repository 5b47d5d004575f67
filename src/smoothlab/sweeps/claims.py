"""One sweep directory, several commands: who trains which run, and whose turn it is to write what all of them write."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from smoothlab.rundir.atomic import make_folders

FOLDER = ".claims"
TURN = "turn"


class Claims:
    """Locks in a sweep's directory; they go with the process that holds them.

    Args:
        folder: the sweep's directory; nothing is made before the first claim.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._taken: dict[str, IO[bytes]] = {}

    def take(self, run: str) -> bool:
        """Claim a run directory, by its name; returns False where another living process has it."""
        if run in self._taken:
            return True
        file = self._open(run)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._taken[run] = file
        return True

    def give_back(self, run: str) -> None:
        """Let others have a run directory."""
        if run in self._taken:
            self._taken.pop(run).close()

    def close(self) -> None:
        """Give all back."""
        for run in list(self._taken):
            self.give_back(run)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other command writes the sweep's common files."""
        with self._open(TURN) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _open(self, name: str) -> IO[bytes]:
        make_folders(self._folder)
        return open(self._folder / name, "ab", buffering=0)
