"""metrics.csv: one row an epoch, kept through an interruption."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from smoothlab.errors import of_file
from smoothlab.rundir.atomic import sync_file, write_text

FIRST = ("epoch", "step")  # the columns that every row has


class CSVLogger(Logger):
    """Append each epoch's metrics to ``metrics.csv``.

    Lightning's own CSV logger deletes the file when a run is resumed. This one keeps the rows up to the checkpoint's
    step and drops the later ones, which the resumed run writes again. There is no wall-clock column, so that two runs
    of one seed write the same file.

    Args:
        run_dir: the run directory.
        resume_step: the optimizer step of the checkpoint that the run continues from; 0 starts a new file.
    """

    def __init__(self, run_dir: str | Path, resume_step: int = 0) -> None:
        super().__init__()
        self._path = Path(run_dir) / "metrics.csv"
        self._columns: list[str] = []
        self._waits = False  # whether rows may not be on the disk yet
        rows = read_rows(self._path) if resume_step else []
        earlier = [row for row in rows if int(row["step"]) <= resume_step]
        if earlier:
            self._columns = list(earlier[0])
            self._rewrite(earlier)
        else:
            self._path.unlink(missing_ok=True)

    @property
    def name(self) -> str:
        """Name of the logger's folder; not used."""
        return ""

    @property
    def version(self) -> str:
        """Version of the logger's folder; not used."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: config.yaml has them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append a row. A metric that the file has no column for rewrites it with one more."""
        row = _row(metrics, step)
        new = [name for name in row if name not in self._columns]
        if new and self._columns:
            rows = read_rows(self._path)
            self._columns += new
            self._rewrite(rows)
        elif new:
            self._columns = _columns(row)
            self._rewrite([])
        self._waits = True
        line = _lines(self._columns, [row])
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            with of_file(self._path):
                os.write(descriptor, line.encode())  # one call: another process sees the whole row or none of it
        finally:
            os.close(descriptor)

    @rank_zero_only
    def log_rows(self, rows: Sequence[tuple[Mapping[str, float], int]]) -> None:
        """Write a new file with the metrics and steps of a training that is over, as one ``log_metrics`` each would."""
        made = [_row(metrics, step) for metrics, step in rows]
        columns = [name for place, row in enumerate(made) for name in (row if place else _columns(row))]
        self._columns = list(dict.fromkeys(columns))
        self._rewrite(made)

    def text(self) -> str:
        """The file's content, which a checkpoint keeps: after a power cut its last rows may be lost."""
        return self._path.read_text(encoding="utf-8") if self._path.is_file() else ""

    def finish(self, *, failed: bool) -> None:
        """Wait until the rows are on the disk: nothing writes those of a finished run again."""
        if self._waits and self._path.is_file():
            sync_file(self._path)

    def _rewrite(self, rows: Sequence[Mapping[str, Any]]) -> None:
        write_text(self._path, ",".join(self._columns) + "\n" + _lines(self._columns, rows))


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a metrics.csv, as text; a last row that was cut off is dropped."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1])))


def _row(metrics: Mapping[str, float], step: int | None) -> dict[str, Any]:
    return {"epoch": metrics.get("epoch"), "step": step, **metrics}


def _columns(row: Mapping[str, Any]) -> list[str]:
    """Those of a file that begins with this row."""
    return [*FIRST, *sorted(name for name in row if name not in FIRST)]


def _lines(columns: list[str], rows: Sequence[Mapping[str, Any]]) -> str:
    buffer = io.StringIO()
    csv.DictWriter(buffer, columns, restval="", lineterminator="\n").writerows(rows)
    return buffer.getvalue()
