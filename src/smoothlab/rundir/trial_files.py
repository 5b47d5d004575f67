"""How a search and a run that is a trial of it talk: through three files in the run's folder ``search/``.

``trial.json`` makes a run a trial, ``reports.jsonl`` has a line an epoch, ``stop`` asks the run to end and says why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from smoothlab.rundir.atomic import make_folders, write_json, write_text

FOLDER, TRIAL, REPORTS, STOP = "search", "trial.json", "reports.jsonl", "stop"


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
