"""What was understood of a table, and what looks wrong with it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smoothlab.data.table.hashing import row_hashes
from smoothlab.data.table.kinds import Column
from smoothlab.data.table.numeric import read_numbers
from smoothlab.data.table.splits import Rows
from smoothlab.data.table.suspects import leaks_together
from smoothlab.data.table.words import as_words

if TYPE_CHECKING:
    from smoothlab.data.rows import RowData, Understood

LEAK = 0.98  # mean recall of the classes from one column alone, above which it probably is the target in other words
LEAK_ROWS = 5_000
MOSTLY_MISSING = 0.5
FEW_ROWS = 10
IMBALANCE = 100
BY_CHANCE = 0.01  # share of the rows


@dataclass
class Description:
    """What was understood, in plain values.

    Args:
        columns: name, kind, role, missing, distinct, example and note of each.
        classes: name, and rows in train, val and test; shares of votes count as parts of rows.
        splits: rows of each.
        notes: what was left out or guessed.
        warnings: what looks wrong.
    """

    columns: list[dict[str, Any]]
    classes: list[dict[str, Any]]
    splits: dict[str, int]
    notes: list[str]
    warnings: list[str] = field(default_factory=list)


def describe(data: RowData) -> Description:
    """What was understood of a table, and what looks wrong: names or cells that seem to be misread,
    columns that give the target away, equal rows in several
    splits, equal features with different labels, small classes, columns that are mostly empty, dates under a random
    split.

    Args:
        data: set up or not.

    Raises:
        UserMistake: the table cannot be used.
    """
    data.setup()  # finds cells that cannot be encoded
    notes = list(data.notes)
    table = data.understand()
    columns = list(data.columns)
    data.notes = notes
    values = (
        table.labels.values if table.labels.values.ndim == 2 else np.eye(len(table.labels.names))[table.labels.values]
    )
    counts = {split: np.maximum(values[index], 0).sum(axis=0) for split, index in table.rows.items()}
    classes = [
        {"name": name, **{split: _plain(counted[place]) for split, counted in counts.items()}}
        for place, name in enumerate(table.labels.names)
    ]
    return Description(
        columns=[{**asdict(column), "note": str(column.note or "")} for column in columns],
        classes=classes,
        splits={split: len(index) for split, index in table.rows.items()},
        notes=notes,
        warnings=[
            *data.warnings,
            *_leaks(data, table, columns),
            *_twins(table, columns),
            *_small_classes(data, table, counts),
            *_columns(data, columns, len(table.frame)),
        ],
    )


def _leaks(data: RowData, table: Understood, columns: list[Column]) -> list[str]:
    if data.label_kind == "multilabel":
        return []
    values = table.labels.values
    labels = values if values.ndim == 1 else values.argmax(axis=1)
    named = words_of(data.labels.target) if isinstance(data.labels.target, str) else []
    notes = []
    for column in columns:
        if column.role != "feature":
            continue
        if len("".join(named)) > 2 and _holds(words_of(column.name), named):
            notes.append(f"column {column.name!r} has the target's name in its own: is it known before the label is?")
            continue
        recall = _recall(table.frame[column.name], column.kind, labels, table.rows)
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


def _recall(cells: pd.Series, kind: str, labels: np.ndarray, rows: Rows) -> float:
    """Mean recall on validation rows of a small tree (numbers) or of each category's commonest class."""
    if kind not in ("numeric", "boolean", "categorical"):
        return 0.0
    train, val = (index[:: 1 + len(index) // LEAK_ROWS] for index in (rows["train"], rows["val"]))
    if kind == "categorical":
        words = as_words(cells.fillna("") if cells.dtype == object else cells)
        table = pd.crosstab(pd.Series(words[train], dtype=object).fillna(""), labels[train])
        best = table.idxmax(axis=1).to_dict()
        commonest = int(np.bincount(labels[train]).argmax())
        guessed = np.array([best.get(word or "", commonest) for word in words[val]])
    else:
        from sklearn.tree import DecisionTreeClassifier

        numbers = read_numbers(cells, str(cells.name), where="data", may_be_missing=True)[:, None]
        numbers = np.clip(numbers, -1e37, 1e37)  # the tree holds them in float32
        tree = DecisionTreeClassifier(max_leaf_nodes=4 * (int(labels.max()) + 1), min_samples_leaf=2, random_state=0)
        guessed = tree.fit(numbers[train], labels[train]).predict(numbers[val])
    recalls = [float((guessed[labels[val] == label] == label).mean()) for label in np.unique(labels[val])]
    return float(np.mean(recalls))


def _twins(table: Understood, columns: list[Column]) -> list[str]:
    features = [column.name for column in columns if column.role == "feature"]
    hashes = row_hashes(table.frame[features])
    notes = []
    train = set(hashes[table.rows["train"]].tolist())
    for split in ("val", "test"):
        twins = sum(row in train for row in hashes[table.rows[split]].tolist())
        if twins > _by_chance(len(table.rows[split])):
            notes.append(
                f"{twins} of {len(table.rows[split])} {split} rows have the same features as a training row; "
                "data.deduplicate=true keeps one of equal rows, data.split=group keeps groups together"
            )
    if table.labels.values.ndim == 1:
        labels = pd.Series(table.labels.values).groupby(hashes).nunique()
        if (labels > 1).sum() > _by_chance(len(hashes)):
            notes.append(f"{int((labels > 1).sum())} sets of rows have the same features and different labels")
    return notes


def _by_chance(rows: int) -> float:
    """How many equal rows are no matter: columns of few digits have some."""
    return max(2.0, BY_CHANCE * rows)


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


def _columns(data: RowData, columns: list[Column], rows: int) -> list[str]:
    notes = []
    for column in columns:
        if column.role == "feature" and column.missing > MOSTLY_MISSING * rows:
            notes.append(f"column {column.name!r} is empty in {column.missing} of {rows} rows")
        if column.role == "feature" and column.kind == "date" and data.splits.kind == "random":
            notes.append(
                f"column {column.name!r} is a date and the split is random: for a model that is used on later rows, "
                f"data.split=time data.split_column={column.name!r} tells how good it is there"
            )
    return notes


def _plain(count: float) -> int | float:
    return int(count) if float(count).is_integer() else round(float(count), 2)
