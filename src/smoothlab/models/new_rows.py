"""A run's model on a new file with labels: what it is worth there, and how far the rows are from those of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from smoothlab.config.allowed import add_code
from smoothlab.data.table.encoder import TableEncoder
from smoothlab.data.table.labels import OTHER_CLASSES, read_labels
from smoothlab.data.table.summary import Drift, stability_index
from smoothlab.data.table.words import as_words
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.kinds import KINDS
from smoothlab.models.checkpoint import KEY
from smoothlab.models.model import Model, model_from, run_checkpoint
from smoothlab.models.run import Run
from smoothlab.scoring.splits import scored_rows

SEEN_BY_CHANCE = 0.02  # share of the rows
NAMED = 5  # classes, columns that a line names


@dataclass
class NewRows:
    """What was found.

    Args:
        rows: that have a label.
        metrics: on them.
        intervals: of the metrics, 95%.
        test: the run's own test metrics; empty where there are none.
        test_intervals: of those.
        columns: how far each has moved; None where the checkpoint kept no summaries of training rows.
        classes: share of each class in training, among the new labels and among the predictions.
        label_shift: stability index of the labels, and what it exceeds by chance once in a hundred times, or None.
        notes: what there is to say.
    """

    rows: int
    metrics: dict[str, float]
    intervals: dict[str, Sequence[float]]
    test: dict[str, float] = field(default_factory=dict)
    test_intervals: dict[str, Sequence[float]] = field(default_factory=dict)
    columns: list[Drift] | None = None
    classes: pd.DataFrame = field(default_factory=pd.DataFrame)
    label_shift: tuple[float, float] | None = None
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "rows": self.rows,
            "metrics": self.metrics,
            "intervals": {name: list(interval) for name, interval in self.intervals.items()},
            "test": self.test,
            "test_intervals": self.test_intervals,
            "columns": self.columns and [{**asdict(drift), "noted": drift.noted} for drift in self.columns],
            "classes": self.classes.to_dict("records"),
            "label_shift": None
            if self.label_shift is None
            else {"index": self.label_shift[0], "chance": self.label_shift[1]},
            "notes": self.notes,
        }


def evaluate_file(run: str | Path, source: Path, *, checkpoint: str = "best", code: str | None = None) -> NewRows:
    """Score a run's model on the labelled rows of a file.

    Args:
        run: the run directory.
        source: a table with the columns of training, the label among them.
        checkpoint: ``best``, ``last``, or the path of a checkpoint file.
        code: the Python file or folder that the run was trained with, if it was.

    Raises:
        UserMistake: the file has no labels that the model knows, or cannot be read.
    """
    content, model = _scorable(run, checkpoint, code)
    return _evaluated(run, content, model, model.encoder.read(source), str(source))


def evaluate_frame(
    run: str | Path, frame: pd.DataFrame, *, checkpoint: str = "best", code: str | None = None
) -> NewRows:
    """The same of the rows of a table; ``frame`` stands for the file."""
    content, model = _scorable(run, checkpoint, code)
    return _evaluated(run, content, model, model.encoder.as_read(frame), "input")


def _scorable(run: str | Path, checkpoint: str, code: str | None) -> tuple[dict[str, Any], Model]:
    content = run_checkpoint(run, checkpoint)
    model = model_from(content, add_code(code))
    if not isinstance(model, Model) or not model.encoder.of_tables:
        raise UserMistake("input: new files are scored for models of tables and texts; score these by their own data")
    return content, model


def _evaluated(run: str | Path, content: Mapping[str, Any], model: Model, frame: pd.DataFrame, source: str) -> NewRows:
    ours = content[KEY]
    labels, rows = new_labels(frame, ours["config"]["data"], model.class_names, model.kind)
    empty = len(frame) - len(rows)
    frame = frame.iloc[rows]
    logits = model.logits(frame, where=source)
    numbers = torch.from_numpy(rows.astype(np.int64))
    scores = scored_rows(model.kind, logits, labels, numbers, ours["config"]["task"]["num_bins"])
    report = NewRows(len(rows), scores.metrics, scores.uncertainty()["intervals"])
    if empty:
        report.notes.append(f"{empty} rows without a label are left out")
    if isinstance(model.encoder, TableEncoder):
        _say_seen(report, *model.encoder.known_again(model.encoder.encode(frame, where=str(source))))
    _compare_with_test(report, run)
    report.columns = model.encoder.drifts(frame, where=source)
    if report.columns is None:
        report.notes.append("columns: this checkpoint keeps no summaries of its training rows, so no drift is told")
    _compare_classes(report, ours.get("class_counts"), model, labels, logits)
    return report


def _say_seen(report: NewRows, seen: int, looked_at: int) -> None:
    """A note where more rows are those of training than equal ones come by chance."""
    if looked_at and seen > max(2, SEEN_BY_CHANCE * looked_at):
        report.notes.append(
            f"{seen} of {looked_at} rows are rows that the model was trained on, so that these figures flatter it; "
            "leave them out, or see the test rows of the run"
        )


def new_labels(
    frame: pd.DataFrame, data: Mapping[str, Any], class_names: Sequence[str], kind: str
) -> tuple[torch.Tensor, np.ndarray]:
    """Labels in the order of the model's classes, and the positions of the rows that have one.

    Args:
        frame: raw rows.
        data: the config of the run's data.
        class_names: of the model.
        kind: of its task.

    Raises:
        UserMistake: no such column, no label at all, or one that the model does not know.
    """
    target = data.get("target", "label")
    says: Any = data["labels"] if "labels" in data else KINDS[kind].labels
    columns = [target] if isinstance(target, str | int) else list(target or ())
    lacking = [str(column) for column in columns if str(column) not in frame.columns]
    if lacking or not columns:
        raise UserMistake(f"input: no column {(lacking or ['label'])[0]!r} with the label (data.target of the run)")
    renamed = {str(word): str(name) for word, name in (data.get("classes") or {}).items()}
    if says in ("single", "ordinal"):
        words = as_words(frame[str(columns[0])])
        rows = np.array([place for place, word in enumerate(words) if word is not None], dtype=np.int64)
        names = pd.Series([renamed.get(words[place], words[place]) for place in rows], dtype=object)
        if data.get("rare_classes") and OTHER_CLASSES in class_names:
            names = names.where(names.isin(class_names), OTHER_CLASSES)
        _refuse_unknown(names[~names.isin(class_names)], class_names)
        values = torch.from_numpy(pd.Index(class_names).get_indexer(names).astype(np.int64))
    else:
        named = [str(column) for column in columns]
        target = named[0] if len(named) == 1 else named
        separator = data.get("label_separator")
        there = {word: name for word, name in renamed.items() if separator is None}
        try:
            read = read_labels(frame, target, says, separator=separator, classes=there)
        except InvalidArgument as error:
            raise UserMistake(f"input: {error}") from None
        names = pd.Series([renamed.get(word, word) if separator else word for word in read.names], dtype=object)
        _refuse_unknown(names[~names.isin(class_names)], class_names)
        made = np.zeros((len(read.values), len(class_names)), dtype=np.float32)
        made[:, pd.Index(class_names).get_indexer(names)] = read.values
        values, rows = torch.from_numpy(made), read.rows
    if not len(rows):
        raise UserMistake(f"input: every cell of {str(columns[0])!r} is empty; expected labels")
    return values, rows


def _refuse_unknown(unknown: pd.Series, class_names: Sequence[str]) -> None:
    if not len(unknown):
        return
    different = list(dict.fromkeys(unknown))
    shown = ", ".join(map(repr, different[:NAMED])) + (", ..." if len(different) > NAMED else "")
    known = ", ".join(map(repr, class_names[:NAMED])) + (", ..." if len(class_names) > NAMED else "")
    raise UserMistake(
        f"input: {len(different)} classes that the model does not know: {shown} ({len(unknown)} labels); "
        f"it knows {known}"
    )


def _compare_with_test(report: NewRows, run: str | Path) -> None:
    try:
        results = Run(run).results
    except UserMistake:
        report.notes.append("the run has no results.json, so nothing is compared with its test rows")
        return
    report.test = dict(results.get("metrics", {}).get("test", {}))
    report.test_intervals = dict(results.get("uncertainty", {}).get("test", {}).get("intervals", {}))


def _compare_classes(
    report: NewRows, counts: Sequence[int] | None, model: Model, labels: torch.Tensor, logits: torch.Tensor
) -> None:
    """Shares of the classes; of votes and several labels by the means of their columns."""
    classes = len(model.class_names)
    new = torch.bincount(labels, minlength=classes) if labels.ndim == 1 else labels.clamp_min(0).sum(0)
    given = KINDS[model.kind].probabilities(logits.double())
    shares = pd.DataFrame({"class": model.class_names})
    if counts is None:
        report.notes.append("classes: this checkpoint keeps no class counts of its training rows")
    else:
        total = max(sum(counts), 1)
        shares["training"] = [count / total for count in counts]
        report.label_shift = stability_index(counts, new.tolist())
    shares["new"] = (new.double() / max(float(new.sum()), 1e-12)).tolist()
    expected = given.sum(0)
    shares["predicted"] = (expected / expected.sum()).tolist()
    report.classes = shares
