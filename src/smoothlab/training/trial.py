"""A run that is a trial of a search: it reports each epoch, and ends early where the search has no hope for it.

The search and the run talk through three files in the run's folder ``search/``: ``trial.json``, which makes a run a
trial, ``reports.jsonl``, a line an epoch, and ``stop``, which asks the run to end and says why.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from smoothlab.rundir.atomic import make_folders, write_json, write_text
from smoothlab.rundir.reading import read_json

FOLDER, TRIAL, REPORTS, STOP = "search", "trial.json", "reports.jsonl", "stop"


class TrialPruned(Exception):
    """The search gave the run up."""


class TrialFiles:
    """Where a trial and its search leave word for each other.

    Args:
        run: the run directory; nothing is read or made.
    """

    def __init__(self, run: Path) -> None:
        self.folder = run / FOLDER
        self.trial = self.folder / TRIAL
        self.reports = self.folder / REPORTS
        self.stop = self.folder / STOP

    def begin(self, *, number: int, monitor: str, overrides: Mapping[str, str] | None = None) -> None:
        """Make the run a trial, before it starts; a stop of before is forgotten.

        Args:
            number: the trial's.
            monitor: the metric that it reports after each validation.
            overrides: the values that the trial tries, for whoever looks into the directory.
        """
        make_folders(self.folder)
        self.stop.unlink(missing_ok=True)
        write_json(self.trial, {"number": number, "monitor": monitor, "values": dict(overrides or {})})

    def ask_to_stop(self, reason: str) -> None:
        """Let the run end at its next validation."""
        write_text(self.stop, reason)

    def read_reports(self, offset: int) -> tuple[list[tuple[int, float]], int]:
        """Epochs (from 1) and values reported since ``offset`` bytes, and the new offset.

        A line that is still being written is left for the next time.
        """
        try:
            with open(self.reports, "rb") as file:
                file.seek(offset)
                text = file.read()
        except FileNotFoundError:
            return [], offset
        whole = text[: text.rfind(b"\n") + 1]
        reports = []
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
                reports.append((int(entry["epoch"]), float(entry["value"])))
            except (ValueError, KeyError, TypeError):
                continue  # a line that a killed process left half-written, and the next one went on from
        return reports, offset + len(whole)


class TrialReports(Callback):
    """Report the monitored metric after each validation, and end the run where the search asks for it.

    Every rank has one, since they end together; rank 0 alone writes and reads.

    Args:
        run: the run directory.
        monitor: the metric.
    """

    def __init__(self, run: Path, monitor: str) -> None:
        self._files = TrialFiles(run)
        self._monitor = monitor

    @classmethod
    def of(cls, run: Path) -> TrialReports | None:
        """For a run directory that a search has begun; None for any other."""
        try:
            trial = read_json(TrialFiles(run).trial)
            return cls(run, str(trial["monitor"]))
        except FileNotFoundError:
            return None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report, and end with :class:`TrialPruned` where there is no hope."""
        if trainer.sanity_checking:
            return
        reason = ""
        if trainer.is_global_zero:
            value = float(trainer.callback_metrics.get(self._monitor, math.nan))
            epochs = trainer.current_epoch + bool(trainer.is_last_batch)  # those that are complete
            if math.isfinite(value) and epochs:
                self._report({"epoch": epochs, "value": value})
            reason = self._reason()
        if trainer.world_size > 1:
            reason = trainer.strategy.broadcast(reason)
        if reason:
            raise TrialPruned(reason)

    def _report(self, entry: dict[str, Any]) -> None:
        with open(self._files.reports, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _reason(self) -> str:
        try:
            return self._files.stop.read_text(encoding="utf-8").strip() or "stopped by the search"
        except FileNotFoundError:
            return ""
