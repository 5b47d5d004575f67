"""A sweep's runs as a table: states, objectives, seconds, errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from smoothlab.errors import UserMistake
from smoothlab.rundir.directory import DONE, RUNNING
from smoothlab.sweeps.ledger import Entry, Ledger, identifying

NOT_STARTED = "not started"
SILENT_SECONDS = 300.0  # without a batch, after which a run is said to be stuck


@dataclass(frozen=True)
class Row:
    """A run of a sweep as it stands now.

    ``seconds`` are those of its last start; ``silent_s`` is for how long a run that is alive got no batch ahead.
    """

    directory: str
    state: str
    objective: float | None
    mode: str | None
    seconds: float | None
    epoch: int | None
    overrides: tuple[str, ...]
    error: str | None
    silent_s: float | None = None


def rows(ledger: Ledger) -> list[Row]:
    """Every run of the ledger."""
    return [row_of(ledger, entry) for entry in ledger.entries]


def row_of(ledger: Ledger, entry: Entry) -> Row:
    """A run as its directory tells it."""
    run = ledger.run(entry)
    try:
        status = run.read_status()
    except UserMistake as mistake:
        return Row(entry.directory, "unreadable", None, None, None, None, entry.overrides, str(mistake))
    state, results = status.get("state", NOT_STARTED), {}
    if state == DONE:
        try:
            results = run.read_results()
        except UserMistake as mistake:
            return Row(entry.directory, "unreadable", None, None, None, None, entry.overrides, str(mistake))
    objective = results.get("objective", {})
    return Row(
        entry.directory,
        state,
        objective.get("value"),
        objective.get("mode"),
        results.get("seconds", {}).get("total"),
        results.get("epochs", status.get("epoch")),
        entry.overrides,
        status.get("error"),
        _silence(status) if state == RUNNING else None,
    )


def _silence(status: Mapping[str, Any]) -> float | None:
    """Seconds between the last heartbeat and the last progress, both by the run's own clock; None where unknown."""
    try:
        heartbeat, progress = (datetime.fromisoformat(status[key]) for key in ("heartbeat", "progress"))
        return (heartbeat - progress).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None


def as_json(table: Sequence[Row]) -> str:
    """The rows for other programs."""
    return json.dumps([asdict(row) for row in table], indent=2)


def as_text(table: Sequence[Row]) -> str:
    """The rows for people, the best objective marked by a star, and how many are in which state."""
    best = best_of(table)
    everywhere = set.intersection(*(set(row.overrides) for row in table)) if len(table) > 1 else set()
    lines = [f"{'run':<5}{'state':<13}{'objective':<12}{'seconds':<9}overrides"]
    for number, row in enumerate(table):
        objective = "-" if row.objective is None else f"{row.objective:.4f}{' *' if row is best else ''}"
        seconds = "-" if row.seconds is None else f"{row.seconds:.1f}"
        shown = " ".join(word for word in identifying(row.overrides) if word not in everywhere) or row.directory
        error = f"   {row.error}" if row.error else ""
        if row.silent_s is not None and row.silent_s >= SILENT_SECONDS:
            error += f"   alive, but no batch for {row.silent_s / 60:.0f} min"
        lines.append(f"{number:<5}{row.state:<13}{objective:<12}{seconds:<9}{shown}{error}")
    states = [row.state for row in table]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states)))
    return "\n".join([*lines, f"{len(table)} runs: {counts}"])


def best_of(table: Sequence[Row]) -> Row | None:
    """The run with the best objective; None where no run has one."""
    judged = [
        (row.objective if row.mode != "max" else -row.objective, row) for row in table if row.objective is not None
    ]
    return min(judged, key=lambda pair: pair[0])[1] if judged else None
