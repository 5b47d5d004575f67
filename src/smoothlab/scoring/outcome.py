"""What a finished run leaves beside its checkpoints: predictions, tables, figures, final numbers in the loggers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from smoothlab.data.module import DataModule
from smoothlab.inspection.epsilon import EpsilonCurve
from smoothlab.kinds import KINDS
from smoothlab.reports.classes import class_table
from smoothlab.rundir.directory import RunDirectory
from smoothlab.scoring import drawing
from smoothlab.tasks.task import Task
from smoothlab.tracking.csv import read_rows
from smoothlab.tracking.sink import log_checkpoint, log_summary, save_figure, save_table

SMOOTHED = ("smoothing/epsilon", "smoothing/epsilon_min", "smoothing/epsilon_max")


def write_outcome(
    scores: Mapping[str, Any],
    run: RunDirectory,
    task: Task,
    data: DataModule,
    loggers: Sequence[Any],
    *,
    about: Mapping[str, Any],
    draw: bool = True,
    before: Mapping[str, Any] | None = None,
    decision: Any = None,
) -> None:
    """Write predictions, tables and figures; put final and best metrics and the checkpoints into every logger.

    Args:
        scores: by split.
        run: the run's directory.
        task: with the weights of the best checkpoint.
        data: set up.
        loggers: Lightning loggers.
        about: ``name``, ``seed``, ``identity`` and ``epoch`` of the best checkpoint; shown with the checkpoints.
        before: the scores without the calibrator, where there is one.
        decision: chooses the predicted class, or None: the most probable one.
        draw: whether to draw the figures; predictions and tables are written anyway.
    """
    title = f"{about['name']}, seed {about['seed']}"
    for split, judged in scores.items():
        judged.write(run.predictions / f"{split}.parquet", task.class_names, *([] if decision is None else [decision]))
        if KINDS[judged.kind].decodes:
            save_table(judged.samples(), f"samples_{split}", run.predictions, loggers, samples=True)
    if (test := scores.get("test")) is not None:
        table = _of_classes(test, task.class_names)
        if len(table):
            save_table(table, "classes_test", run.tables, loggers)
    epochs, history = _columns(run.metrics, needed="val/nll")
    trained, smoothing = _columns(run.metrics, needed=SMOOTHED[0])
    used = EpsilonCurve(list(trained), *(smoothing[name] for name in SMOOTHED)) if trained else None
    validated = {name.removeprefix("val/"): values for name, values in history.items() if name.startswith("val/")}
    drawn: dict[str, Any] = {}
    if draw:
        drawn |= drawing.of_scores(scores, task.class_names, title=title)
        drawn |= drawing.of_calibration(before or {}, scores, title=title)
        drawn |= drawing.of_history(epochs, validated, title=title)
        drawn |= drawing.of_smoothing(task, data, used, about["epoch"], title=title)
    for name, figure in drawn.items():
        save_figure(figure, name, run.figures, loggers)
    final = {f"final/{split}/{key}": value for split, judged in scores.items() for key, value in judged.metrics.items()}
    log_summary(final | _best(history, task.monitored) | {"best/epoch": about["epoch"]}, loggers)
    shown = {**about, "metrics": {split: dict(judged.metrics) for split, judged in scores.items()}}
    for alias, path in (("best", run.best_checkpoint), ("last", run.last_checkpoint)):
        if path.is_file():
            log_checkpoint(path, alias, shown, loggers)


def _of_classes(scores: Any, names: Sequence[str]) -> pd.DataFrame:
    """A row a class, or a label where a sample has several; empty where classes are too many to be told apart."""
    if KINDS[scores.kind].decides:
        return class_table(scores.logits, scores.labels, from_logits=True, class_names=names, num_bins=scores.num_bins)
    labels = scores.by_label(names)
    return pd.DataFrame([{"label": name, **values} for name, values in labels.items()])


def _best(history: Mapping[str, Sequence[float]], better: Mapping[str, str]) -> dict[str, float]:
    """The best value that each validation metric had in any epoch."""
    best = {"min": min, "max": max}
    return {f"best/{name}": best[better[name]](values) for name, values in history.items() if name in better}


def _columns(path: Path, needed: str) -> tuple[list[int], dict[str, list[float]]]:
    """The epochs in which metrics.csv has ``needed``, and the columns that are full there; nothing without the file."""
    rows = [row for row in read_rows(path) if row.get(needed)]
    names = [name for name in (rows[0] if rows else {}) if all(row.get(name) for row in rows)]
    return [int(row["epoch"]) for row in rows], {name: [float(row[name]) for row in rows] for name in names}
