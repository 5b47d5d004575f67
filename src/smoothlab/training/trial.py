"""A run that is a trial of a search: it reports each epoch, and ends early where the search has no hope for it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from smoothlab.rundir.reading import read_json
from smoothlab.rundir.trial_files import TrialFiles


class TrialPruned(Exception):
    """The search gave the run up."""


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
