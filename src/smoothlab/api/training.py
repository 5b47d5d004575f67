"""``smoothlab.train`` and ``smoothlab.compare``."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoothlab.api.shown import as_html
from smoothlab.api.words import words_of
from smoothlab.commands.file_first import with_file
from smoothlab.errors import RunFailed
from smoothlab.rundir.reading import read_csv, read_json

if TYPE_CHECKING:
    import pandas as pd

    from smoothlab.models.run import Run


def train(data: Any = None, *overrides: Any, **settings: Any) -> Run:
    """Train one classifier, as ``smoothlab train`` does.

        smoothlab.train(frame, target="label", smoothing="none", trainer={"max_epochs": 50})
        smoothlab.train("my.csv", "optimizer.lr=0.01", target="label")
        smoothlab.train(["experiment=medical", "seed=1"])

    Args:
        data: a table (of pandas, polars, pyarrow, ...; it is kept as a file below ``output_root``), the path of a file
            or folder, an option of the group ``data``, a mapping of its keys, or a list of overrides.
        overrides: as on the command line, or mappings of keys to values.
        settings: keys and their values; levels of a key stand in double underscores or in mappings.

    Returns:
        The finished run; ``run.results`` holds its metrics, ``run.model()`` predicts.

    Raises:
        UserMistake: something in the config or the data is wrong; no run was made.
        RunFailed: training failed; the run directory says why.
    """
    from smoothlab.commands.train import train as train_overrides

    return train_overrides(with_file(words_of(data, overrides, settings)))


def compare(data: Any = None, *overrides: Any, **settings: Any) -> ComparisonResult:
    """Does smoothing help here, which, and by how much? As ``smoothlab compare``.

        smoothlab.compare(frame, target="label", budget="quick")

    Args:
        data: as of :func:`train`.
        overrides: as on the command line, or mappings of keys to values.
        settings: keys and their values.

    Raises:
        UserMistake: something in the config or the data is wrong; nothing was written.
        RunFailed: no run is there to answer from.
    """
    from smoothlab.commands.compare import asked
    from smoothlab.comparing.answering import FILE
    from smoothlab.comparing.comparison import answer

    question, resolve = asked(words_of(data, overrides, settings))
    with contextlib.redirect_stdout(io.StringIO()):
        answer(question, resolve)
    file = question.answers / FILE
    if not file.is_file():
        raise RunFailed(f"{question.folder}: no run is done")
    return ComparisonResult(file)


@dataclass(frozen=True)
class ComparisonResult:
    """What a comparison found.

    Args:
        file: its comparison.json.

    Attributes:
        content: of that file.
    """

    file: Path
    content: dict[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "content", read_json(self.file))

    @property
    def verdict(self) -> dict[str, Any]:
        """The answer as data: ``kind``, ``arm``, ``findings``, ...; with several levels one for each."""
        verdict: dict[str, Any] = self.content.get("verdict") or self.content["verdicts"]
        return verdict

    @property
    def table(self) -> pd.DataFrame:
        """A row for each arm, variant and metric, on test data, with intervals and the difference to the baseline."""
        return read_csv(self.report.parent / "table.csv")

    @property
    def report(self) -> Path:
        """The page."""
        return Path(self.content["page"])

    @property
    def failed(self) -> list[dict[str, Any]]:
        """Runs that failed: arm, directory and error of each."""
        return list(self.content["failed"])

    @property
    def sentences(self) -> list[str]:
        """What was found, in words."""
        verdicts = [self.verdict] if "verdict" in self.content else list(self.verdict.values())
        return [str(sentence) for verdict in verdicts for sentence in verdict["findings"]]

    def __repr__(self) -> str:
        return str(self.content["shown"])

    def _repr_html_(self) -> str:
        table = self.table
        table = table[table["variant"] == "raw"].pivot(index="arm", columns="metric", values="mean")
        first = [name for name in ("nll", "accuracy", "ece", "brier", "aurc") if name in table]
        arms = list(dict.fromkeys(self.table["arm"]))
        return as_html(self.sentences, table.loc[arms, first], f"report: {self.report}")
