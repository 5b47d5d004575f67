"""Where a search keeps its trials: one file in the sweep directory, readable by Optuna's own tools."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from smoothlab.errors import UserMistake, reason_of
from smoothlab.sweeps.search.optional import load_optuna

FILES = {"journal": "search.journal", "sqlite": "search.db"}


def open_storage(folder: Path, kind: str) -> Any:
    """Optuna's storage in ``folder``, made or opened.

    Only one process may have it open, which the sweep's lock sees to: what a killed process left half-way, a lock file
    or half a line, is removed.

    Args:
        folder: the sweep directory, which must exist.
        kind: of ``FILES``: ``journal``, a text file to which lines are added, or ``sqlite``.

    Raises:
        UserMistake: a file that cannot be read.
    """
    load_optuna()
    path = folder / FILES[kind]
    try:
        if kind == "sqlite":
            from optuna.storages import RDBStorage

            return RDBStorage(f"sqlite:///{path.resolve()}")
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        _heal(path)
        return JournalStorage(JournalFileBackend(str(path)))
    except Exception as error:  # a damaged file shows in as many ways as there are parsers
        reason = reason_of(error)
        raise UserMistake(f"{path}: not readable as a search of the past ({reason})") from error


def _heal(path: Path) -> None:
    """Cut off a last line that was not written to its end, and the lock of a process that is gone."""
    for lock in path.parent.glob(f"{path.name}.lock*"):
        lock.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError), open(path, "rb+") as file:
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)
