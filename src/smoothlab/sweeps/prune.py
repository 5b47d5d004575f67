"""Free the disk of a sweep's large files, by a policy that says what stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smoothlab.errors import UserMistake
from smoothlab.rundir.atomic import leftovers
from smoothlab.rundir.directory import DONE, RUNNING, RunDirectory
from smoothlab.sweeps.folder import refuse_held
from smoothlab.sweeps.ledger import Ledger
from smoothlab.sweeps.table import Row, rows

FREED = ("checkpoints", "predictions")
BEST_CHECKPOINTS = "best_checkpoints"


@dataclass(frozen=True)
class Plan:
    """What pruning would remove.

    Args:
        files: to remove.
        whole: names of the finished runs that stay whole.
        touched: names of those that lose files.
    """

    files: tuple[Path, ...]
    whole: tuple[str, ...]
    touched: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes that are freed."""
        return sum(file.stat().st_size for file in self.files)

    def carry_out(self) -> None:
        """Remove the files, one by one; what a run needs to count as done is not among them."""
        for file in self.files:
            file.unlink(missing_ok=True)


def plan(ledger: Ledger, *, keep: str = "best", free: Sequence[str] = ("checkpoints",)) -> Plan:
    """What to remove from a sweep's finished runs; a run that is not done keeps all, to be continued.

    Args:
        ledger: of the sweep.
        keep: ``best`` (the run with the best objective stays whole), a number (so many of the best stay whole),
            ``best_checkpoints`` (every run keeps its best checkpoint, only the last one goes) or ``none``.
        free: ``checkpoints``, ``predictions`` or both: what the others lose.

    Raises:
        UserMistake: no such policy, or another process works on the sweep.
    """
    unknown = [what for what in free if what not in FREED]
    if unknown or not free:
        raise UserMistake(f"free = {','.join(free)}: expected {' or '.join(FREED)}, or both with a comma")
    number = {"best": 1, "none": 0, BEST_CHECKPOINTS: 0}.get(keep, int(keep) if keep.isdecimal() else None)
    if number is None:
        raise UserMistake(f"keep = {keep}: expected best, a number of runs, {BEST_CHECKPOINTS} or none")
    refuse_held(ledger.folder)
    table = rows(ledger)
    done = [row for row in table if row.state == DONE]
    whole = {row.directory for row in _by_objective(done)[:number]}
    files: list[Path] = []
    for row in done:
        if row.directory not in whole:
            files += _files(RunDirectory(ledger.folder / row.directory), free, keep == BEST_CHECKPOINTS)
    for row in table:
        if row.state != RUNNING:
            files += [file for file in leftovers(_own(ledger.folder / row.directory)) if file not in files]
    touched = {file.relative_to(ledger.folder).parts[0] for file in files}
    return Plan(tuple(files), tuple(row.directory for row in done if row.directory in whole), tuple(sorted(touched)))


def _by_objective(done: Sequence[Row]) -> list[Row]:
    judged = [row for row in done if row.objective is not None]
    return sorted(judged, key=lambda row: -(row.objective or 0.0) if row.mode == "max" else row.objective or 0.0)


def _own(folder: Path) -> Path:
    """A folder of a run, unless it leads out of the sweep.

    Raises:
        UserMistake: it is a link.
    """
    if folder.is_symlink():
        raise UserMistake(f"{folder}: is a link; prune removes nothing that stands elsewhere")
    return folder


def _files(run: RunDirectory, free: Sequence[str], best_stays: bool) -> list[Path]:
    files = []
    _own(run.path)
    for folder in (_own(getattr(run, name)) for name in free):
        files += [file for file in sorted(folder.rglob("*")) if file.is_file() or file.is_symlink()]
    return [file for file in files if not (best_stays and file == run.best_checkpoint)]
