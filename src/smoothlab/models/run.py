"""A finished run, to look at from Python."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoothlab.errors import UserMistake
from smoothlab.rundir.directory import existing_run
from smoothlab.rundir.reading import read_csv, read_yaml

if TYPE_CHECKING:
    import pandas as pd

    from smoothlab.models.model import Model
    from smoothlab.models.translator import Translator


SHOWN = ("nll", "accuracy", "ece", "bleu")


class Run:
    """What a run directory holds.

    Args:
        path: the run directory.

    Raises:
        UserMistake: there is no run directory at ``path``.
    """

    def __init__(self, path: str | Path) -> None:
        self.directory = existing_run(Path(path).resolve())  # stays right when the working directory changes
        self.path = self.directory.path

    @property
    def results(self) -> dict[str, Any]:
        """results.json: final metrics by split, objective, seed, versions, seconds."""
        if not self.directory.results.is_file():
            raise UserMistake(f"{self.path}: no results.json; the run is {self.status.get('state', 'unknown')}")
        return self.directory.read_results()

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config."""
        return read_yaml(self.directory.config)

    @property
    def status(self) -> dict[str, Any]:
        """status.json: state, host, process, heartbeat."""
        return self.directory.read_status()

    @property
    def metrics(self) -> pd.DataFrame:
        """metrics.csv: a row an epoch."""
        return read_csv(self.directory.metrics)

    def model(self, checkpoint: str = "best") -> Model | Translator:
        """The trained model; see ``smoothlab.load``."""
        from smoothlab.models.model import load_run

        return load_run(self.path, checkpoint=checkpoint)

    def _test(self) -> dict[str, float]:
        """The first of the final metrics of the test rows; none where the run is not done."""
        metrics = self.results["metrics"].get("test", {}) if self.directory.results.is_file() else {}
        return {name: metrics[name] for name in SHOWN if isinstance(metrics.get(name), float)}

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {value:.4f}" for name, value in self._test().items())
        return f"Run({str(self.path)!r}, {self.status.get('state', 'unknown')}{shown and f'; test: {shown}'})"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>test {name}</th><td>{value:.4f}</td></tr>" for name, value in self._test().items())
        state = escape(str(self.status.get("state", "unknown")))
        return f"<p>{escape(str(self.path))}: {state}</p><table>{rows}</table>"
