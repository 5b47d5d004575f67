"""``smoothlab.evaluate``, ``predict`` and ``report``: what comes after a training."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoothlab.api.shown import as_html
from smoothlab.api.tables import as_frame
from smoothlab.errors import UserMistake, WrongInput
from smoothlab.models.run import Run

if TYPE_CHECKING:
    import pandas as pd

    from smoothlab.models.new_rows import NewRows

Place = str | os.PathLike[str] | Run


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a run's model.

    Args:
        metrics: by split; of new rows ``new``, and ``test``, the run's own.
        new_rows: how far new rows are from those of training; None where the run's own data were scored.
    """

    metrics: dict[str, dict[str, float]]
    new_rows: NewRows | None = None

    def __getitem__(self, split: str) -> dict[str, float]:
        return self.metrics[split]

    @property
    def table(self) -> pd.DataFrame:
        """A row a metric, a column a split."""
        import pandas as pd

        return pd.DataFrame(self.metrics)

    def __repr__(self) -> str:
        from smoothlab.tracking.console import results_table

        return results_table(self.metrics)

    def _repr_html_(self) -> str:
        return as_html([] if self.new_rows is None else self.new_rows.notes, self.table)


def evaluate(
    run: Place,
    data: Any = None,
    *,
    checkpoint: str = "best",
    splits: Sequence[str] = ("val", "test"),
    code: str | None = None,
) -> Evaluation:
    """Score a run's own data again, or new labelled rows, as ``smoothlab evaluate`` does.

    Args:
        run: the run, or its directory.
        data: a table or the path of a file, with the columns of training and the label; None: the run's own data.
        checkpoint: ``best``, ``last``, or the path of a checkpoint file.
        splits: of the run's own data.
        code: the Python file or folder that the run was trained with, if it was.

    Raises:
        UserMistake: the run cannot be used, or the rows are none that it takes.
    """
    place = _path(run)
    if data is None:
        from smoothlab.tracking.console import quiet_lightning
        from smoothlab.training.evaluating import evaluate as evaluate_run

        with quiet_lightning():
            return Evaluation(evaluate_run(place, checkpoint=checkpoint, splits=splits, code=code))
    from smoothlab.models.new_rows import evaluate_file, evaluate_frame

    if isinstance(data, str | os.PathLike):
        new = evaluate_file(place, Path(data), checkpoint=checkpoint, code=code)
    else:
        new = evaluate_frame(place, as_frame(data, where="data"), checkpoint=checkpoint, code=code)
    return Evaluation({"new": new.metrics, **({"test": new.test} if new.test else {})}, new)


def predict(
    run: Place,
    data: Any,
    *,
    checkpoint: str = "best",
    code: str | None = None,
    abstain_at_risk: float | None = None,
    abstain_delta: float = 0.05,
    conformal: str = "none",
    alpha: float = 0.1,
) -> pd.DataFrame:
    """Predictions for raw rows, as ``smoothlab predict`` writes them; a row for each, with its index.

    Args:
        run: the run, its directory, or the folder of an ensemble.
        data: a table, or the path of a file.
        checkpoint: ``best``, ``last``, or the path of a checkpoint file.
        code: the Python file or folder that the run was trained with, if it was.
        abstain_at_risk: a share of errors; a column ``abstain`` keeps to it. This and what follows:
            ``conf/predict.yaml``.
        abstain_delta: the chance that it is missed.
        conformal: which sets of classes.
        alpha: the accepted share of sets without the label.

    Raises:
        UserMistake: the run cannot be used, or the rows are none that it takes.
    """
    from smoothlab.models.loading import load
    from smoothlab.models.validated import Promises

    place = _path(run)
    options: dict[str, Any] = {"abstain_at_risk": abstain_at_risk, "abstain_delta": abstain_delta}
    options |= {"conformal": conformal, "alpha": alpha}
    if checkpoint != "best" and (abstain_at_risk is not None or conformal != "none"):
        raise WrongInput(f"checkpoint = {checkpoint!r}: abstaining and sets are chosen by the predictions of best")
    model = load(place, checkpoint=checkpoint, code=code)
    of_file = isinstance(data, str | os.PathLike)
    frame = _read(model, Path(data)) if of_file else model.encoder.as_read(as_frame(data, where="data"))
    promises = Promises.chosen(place, model.class_names, **options)
    made = promises.beside(model.predict(frame, where=str(data) if of_file else "data"))
    return made.set_axis(frame.index)


@dataclass(frozen=True)
class Report:
    """A page on finished runs.

    Args:
        path: of the page.
        sentences: what it says first.
        left_out: runs that it leaves out, a line each.
    """

    path: Path
    sentences: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """A row for each arm, variant and metric."""
        from smoothlab.rundir.reading import read_csv

        return read_csv(self.path.parent / "table.csv")

    def __repr__(self) -> str:
        return "\n".join([*self.sentences, *self.left_out, f"report {self.path}"])

    def _repr_html_(self) -> str:
        return as_html([*self.sentences, *self.left_out], None, f"report: {self.path}")


def report(
    *runs: Place, out: str | Path | None = None, format: str = "html", title: str = "", baseline: str | None = None
) -> Report:
    """Compare finished runs, and write a page that says what helped, as ``smoothlab report`` does.

    Args:
        runs: runs, their directories, or folders of them.
        out: the folder to write to; None: ``report/`` in the folder that holds all runs.
        format: ``html`` or ``md``.
        title: of the page.
        baseline: the arm that the others are compared to; None: the one without smoothing.

    Raises:
        UserMistake: no finished run, or no such arm.
    """
    from smoothlab.commands.report import FORMATS, written

    if not runs:
        raise WrongInput("report: expected runs, their directories, or folders of them")
    if format not in FORMATS:
        raise WrongInput(f"format = {format!r}: expected {' or '.join(FORMATS)}")
    options = {"--out": out, "--format": format, "--title": title, "--baseline": baseline}
    given = {name: str(value) for name, value in options.items() if value}
    path, sentences, left_out = written([_path(run) for run in runs], given)
    return Report(path, tuple(sentences), tuple(left_out))


def _read(model: Any, path: Path) -> pd.DataFrame:
    import pandas as pd

    from smoothlab.models.predicting import PART_ROWS

    return pd.concat(list(model.encoder.read_parts(path, PART_ROWS)))


def _path(run: Place) -> Path:
    if isinstance(run, Run):
        return run.path
    if not isinstance(run, str | os.PathLike):
        raise UserMistake(f"run = {run!r}: expected a run, or its directory")
    return Path(run)
