"""What was understood of a table, and what looks wrong with it."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from smoothlab.data.parts.columns import notes_on
from smoothlab.data.rows import RowData, Understood, with_plain_numbers
from smoothlab.data.table.held_out import measured_splits, twins
from smoothlab.data.table.histograms import histograms
from smoothlab.data.table.kinds import MANY_NUMBERS, Column, check_columns, listed
from smoothlab.data.table.numeric import read_numbers
from smoothlab.data.table.splits import Rows
from smoothlab.data.table.suspects import leaks_together, misread
from smoothlab.data.table.words import as_words
from smoothlab.errors import UserMistake

LEAK = 0.98  # mean recall of the classes from one column alone, above which it probably is the target in other words
LEAK_ROWS = 5_000
MOSTLY_MISSING = 0.5
FEW_ROWS = 10
FURTHER = {"missing": ", and whether it is missing", "bound": ", and whether it is a bound (-1 below, 1 above)"}
IMBALANCE = 100


@dataclass
class Description:
    """What was understood, in plain values.

    Args:
        columns: name, kind, role, missing, distinct, example and note of each, and what the model gets (``becomes``).
        classes: name, and rows in train, val and test; shares of votes count as parts of rows.
        splits: rows of each; where there are no splits, ``all``, and so in the classes.
        notes: what was left out or guessed.
        warnings: what looks wrong, the most costly first, each with what to type.
        measured: accuracies of a small model under a random split and one that keeps groups or times apart.
        charts: how often values stand in each column, by class; see :func:`smoothlab.data.table.histograms.histograms`.
        sample: which part of the rows was looked at; empty: all.
        positive: of two classes the one that thresholds and sensitivity are about; None: there are more or fewer.
    """

    columns: list[dict[str, Any]]
    classes: list[dict[str, Any]]
    splits: dict[str, int]
    notes: list[str]
    warnings: list[str] = field(default_factory=list)
    measured: list[dict[str, Any]] = field(default_factory=list)
    charts: list[dict[str, Any]] = field(default_factory=list)
    sample: str = ""
    positive: str | None = None


def describe(data: RowData, *, sample: str = "") -> Description:
    """What was understood of a table, and what looks wrong: columns that cannot be read, names or cells that seem to be
    misread, columns that give the target away, groups and dates that a random split tears apart, equal rows in several
    splits, equal features with different labels, small classes, columns that are mostly empty.

    Args:
        data: set up or not.
        sample: which part of the rows the data are, in words; empty: all.

    Labels that cannot be used, and splits that cannot hold them, are the first warning; the page has the columns then,
    and the rows of each class where there is one column of labels.

    Raises:
        UserMistake: the data cannot be read, a column is not there, or none is left.
    """
    data.lenient, refused = True, []
    try:
        try:
            data.setup()  # finds cells that cannot be encoded
        except UserMistake as mistake:
            refused = [f"training refuses these data: {mistake}"]
        notes = list(data.notes)
        try:
            table = data.understand()
        except UserMistake as mistake:
            return _without_labels(data, mistake, sample)
    finally:
        data.lenient = False
    columns = list(data.columns)
    data.notes = notes = [*(notes or data.notes), *_few_whole_numbers(table.frame, columns)]
    several = data.label_kind == "multilabel"
    values = (
        table.labels.values if table.labels.values.ndim == 2 else np.eye(len(table.labels.names))[table.labels.values]
    )
    counts = {split: np.maximum(values[index], 0).sum(axis=0) for split, index in table.rows.items()}
    labels = None if several else values.argmax(axis=1)
    measured = [] if labels is None else list(measured_splits(table.frame, columns, labels))
    apart = [part for part in measured if part.noted]
    dates = {part.column for part in measured if part.split == "time"}
    unreadable = [column for column in columns if column.kind == "unreadable"]
    leaks = _leaks(data, table, columns, {part.column for part in apart if part.split == "group"})
    warnings = [
        *refused,
        *(f"training refuses column {column.name!r}: {column.note}" for column in unreadable),
        *data.warnings[:1] * _lost_header(data),
        *[table.labels.warning] * bool(table.labels.warning),
        *leaks,
        *(f"column {part.column!r}: {part}" for part in apart),
        *data.warnings[_lost_header(data) :],
        *twins(table.frame, columns, table.labels.values if table.labels.values.ndim == 1 else None, table.rows),
        *_small_classes(data, table, counts),
        *_columns(data, columns, len(table.frame), dates),
    ]
    classes = [
        {"name": name, **{split: _plain(counted[place]) for split, counted in counts.items()}}
        for place, name in enumerate(table.labels.names)
    ]
    becomes = _becomes(data)
    return Description(
        columns=[_shown(column, becomes) for column in columns],
        classes=classes,
        splits={split: len(index) for split, index in table.rows.items()},
        notes=notes,
        warnings=list(dict.fromkeys(warnings)),
        measured=[{**asdict(part), "noted": part.noted} for part in measured],
        charts=[] if labels is None else histograms(table.frame, columns, labels, table.labels.names),
        sample=sample,
        positive=table.labels.names[1] if len(table.labels.names) == 2 and not several else None,
    )


def _without_labels(data: RowData, mistake: UserMistake, sample: str) -> Description:
    """What is understood where the labels, or splits by them, cannot be used, which is the first warning.

    Raises:
        UserMistake: it is no matter of labels or splits: the rows, columns and what they take are looked at again.
    """
    target = data.labels.columns
    if not target:
        raise mistake
    frame, _, notes = data.row_source.rows()
    check_columns("target", target, frame)
    columns = data.roles(frame)
    features = [column.name for column in columns if column.role == "feature"]
    if not features or set(frame.attrs.get("twice", ())) & set(target):
        raise mistake
    data.columns = columns
    with suppress(UserMistake):  # of a cell that its column cannot hold
        data.encoder = data.make_encoder(frame)
    frame = with_plain_numbers(frame, columns)
    words = (
        pd.Series(as_words(frame[target[0]].dropna()), dtype=object) if len(target) == 1 else pd.Series(dtype=object)
    )
    counts = words.value_counts().sort_values(ascending=False, kind="stable")
    unreadable = [column for column in columns if column.kind == "unreadable"]
    warnings = [
        f"training refuses these data: {mistake}",
        *(f"training refuses column {column.name!r}: {column.note}" for column in unreadable),
        *misread(frame, columns),
        *_columns(data, columns, len(frame), set()),
    ]
    becomes = _becomes(data)
    return Description(
        columns=[_shown(column, becomes) for column in columns],
        classes=[{"name": str(name), "all": int(count)} for name, count in counts.items()],
        splits={"all": len(frame)},
        notes=[*notes, *notes_on(columns)],
        warnings=list(dict.fromkeys(warnings)),
        sample=sample,
    )


def _shown(column: Column, becomes: dict[str, str]) -> dict[str, Any]:
    return {**asdict(column), "note": str(column.note or ""), "becomes": becomes.get(column.name, "")}


def _few_whole_numbers(frame: pd.DataFrame, columns: list[Column]) -> list[str]:
    """A note on columns of few whole numbers, which may stand for names."""
    few = [
        column.name
        for column in columns
        if (column.role, column.kind, column.note) == ("feature", "numeric", None)
        and 2 < column.distinct <= MANY_NUMBERS
        and bool((pd.to_numeric(frame[column.name], errors="coerce").dropna() % 1 == 0).all())
    ]
    if not few:
        return []
    return [
        f"few different whole numbers count as numbers: {listed(map(repr, few))}; where they stand for names, "
        f"data.kinds={{{few[0]}: categorical}} takes them so"
    ]


def _lost_header(data: RowData) -> int:
    """1 where the first warning says that the file has no line of names, which spoils all else."""
    return int(bool(data.warnings) and "data.header=null" in data.warnings[0])


def _becomes(data: RowData) -> dict[str, str]:
    """What the model gets of each column."""
    made: dict[str, str] = {}
    for column in getattr(data.encoder, "columns", ()):
        names = [name.removeprefix(column.column).strip() for name in column.names]
        if column.__class__.__name__ == "NumericColumn":
            made[column.column] = "".join(["a number", *(FURTHER[name] for name in names if name)])
        elif column.__class__.__name__ == "DateColumn":
            made[column.column] = ", ".join(names[:6])
        else:
            made[column.column] = f"{len(names)} features" if len(names) != 1 else "1 feature"
    return made


def _leaks(data: RowData, table: Understood, columns: list[Column], groups: set[str]) -> list[str]:
    """Warnings of columns that give the label away, but for those that name groups, which are measured."""
    if data.label_kind == "multilabel":
        return []
    values = table.labels.values
    labels = values if values.ndim == 1 else values.argmax(axis=1)
    named = words_of(data.labels.target) if isinstance(data.labels.target, str) else []
    notes = []
    for column in columns:
        if column.role != "feature" or column.name in groups:
            continue
        if len("".join(named)) > 2 and _holds(words_of(column.name), named):
            notes.append(f"column {column.name!r} has the target's name in its own: is it known before the label is?")
            continue
        recall = _recall(table.frame[column.name], column, labels, table.rows)
        if recall >= LEAK:
            notes.append(
                f"column {column.name!r} alone gives the target away (mean recall {recall:.3f} on val): is it known "
                "before the label is?"
            )
    return notes or leaks_together(table.frame, columns, labels, table.rows)


def words_of(name: str) -> list[str]:
    """The words of a name in lower case: ``isOver_limit`` is of three."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").lower().split()


def _holds(words: list[str], part: list[str]) -> bool:
    return any(words[place : place + len(part)] == part for place in range(len(words)))


def _recall(cells: pd.Series, column: Column, labels: np.ndarray, rows: Rows) -> float:
    """Mean recall on validation rows of a small tree (numbers; of texts and dates which are empty) or of each
    category's commonest class."""
    if column.kind in ("text", "date") and not column.missing:
        return 0.0
    train, val = (index[:: 1 + len(index) // LEAK_ROWS] for index in (rows["train"], rows["val"]))
    if column.kind == "categorical":
        words = as_words(cells.fillna("") if cells.dtype == object else cells)
        table = pd.crosstab(pd.Series(words[train], dtype=object).fillna(""), labels[train])
        best = table.idxmax(axis=1).to_dict()
        commonest = int(np.bincount(labels[train]).argmax())
        guessed = np.array([best.get(word or "", commonest) for word in words[val]])
    else:
        from sklearn.tree import DecisionTreeClassifier

        numbers = _plain_numbers(cells, column)[:, None]
        numbers = np.clip(numbers, -1e37, 1e37)  # the tree holds them in float32
        tree = DecisionTreeClassifier(max_leaf_nodes=4 * (int(labels.max()) + 1), min_samples_leaf=2, random_state=0)
        guessed = tree.fit(numbers[train], labels[train]).predict(numbers[val])
    recalls = [float((guessed[labels[val] == label] == label).mean()) for label in np.unique(labels[val])]
    return float(np.mean(recalls))


def _plain_numbers(cells: pd.Series, column: Column) -> np.ndarray:
    """A column as numbers ``(N,)``, nan where it is empty; of texts and dates only whether they are."""
    if column.kind in ("text", "date"):
        return np.asarray(cells.isna(), dtype=np.float64)
    return read_numbers(cells, column.name, where="data", may_be_missing=True)


def _small_classes(data: RowData, table: Understood, counts: dict[str, np.ndarray]) -> list[str]:
    notes = []
    whole = np.sum(list(counts.values()), axis=0)
    for name, count, trained in zip(table.labels.names, whole, counts["train"], strict=True):
        if count < data.splits.folds and data.label_kind != "multilabel":
            notes.append(f"class {name!r} has {count:g} rows, fewer than data.folds = {data.splits.folds}")
        elif trained < FEW_ROWS:
            notes.append(f"class {name!r} has {trained:g} training rows")
    if data.label_kind != "multilabel" and max(counts["train"]) > IMBALANCE * max(min(counts["train"]), 1):
        notes.append("the largest class has over 100 times the rows of the smallest: see data.class_weight, macro_f1")
    return notes


def _columns(data: RowData, columns: list[Column], rows: int, measured: set[str]) -> list[str]:
    notes = []
    for column in columns:
        if column.role == "feature" and column.missing > MOSTLY_MISSING * rows:
            notes.append(f"column {column.name!r} is empty in {column.missing} of {rows} rows")
        if column.role != "feature" or column.kind != "date" or data.splits.kind != "random":
            continue
        if column.name not in measured:
            notes.append(
                f"column {column.name!r} is a date and the split is random: for a model that is used on later rows, "
                f"data.split=time data.split_column={column.name!r} tells how good it is there"
            )
    return notes


def _plain(count: float) -> int | float:
    return int(count) if float(count).is_integer() else round(float(count), 2)
