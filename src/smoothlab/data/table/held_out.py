"""How much better a small model looks under a random split than under one that keeps groups or times apart, and rows
that stand in several splits, or nearly so."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from smoothlab.data.table.dates import days
from smoothlab.data.table.hashing import row_hashes
from smoothlab.data.table.kinds import FEW_GROUPS, MANY_GROUPS, Column
from smoothlab.data.table.splits import Rows
from smoothlab.data.table.suspects import codes_of, is_plain

MEASURED_ROWS = 2_000
MOST_MEASURED = 3  # columns
LEAST_GAP = 0.03  # of the accuracies, from which the split is warned of
BY_CHANCE = 0.01  # share of the rows
SHUFFLES = 5  # of up to so many rows:
FEW_ROWS = 20_000
COARSE = 1.5  # times as many as columns that do not depend on one another have
NEAR = 0.02  # deviations of every number, up to which two rows are near twins
LEAST_NEAR, NEAR_BY_CHANCE = 5, 0.05  # rows, and share of the rows
HUGE = 1e30
NEAR_ROWS = (4_000, 1_000)  # of training and of a split that are looked at


@dataclass(frozen=True)
class Measured:
    """Accuracies of a small model on rows that it was not fitted on.

    Args:
        column: that the split goes by.
        split: ``group`` or ``time``.
        random: the accuracy where rows are drawn at random, with the column as a feature.
        apart: where whole groups, or the latest quarter of the rows, are held out.
        rows: that were looked at.
    """

    column: str
    split: Literal["group", "time"]
    random: float
    apart: float
    rows: int

    @property
    def noted(self) -> bool:
        """Whether the difference is more than chance."""
        share = 0.25 if self.split == "time" else 1.0  # of the rows that are held out
        noise = 2 * np.sqrt(0.5 / (share * self.rows))
        return bool(self.random - self.apart > max(LEAST_GAP, noise))

    def __str__(self) -> str:
        held_out = "rows of other groups" if self.split == "group" else "the latest rows"
        return (
            f"a small model is right for {self.random:.3f} of rows drawn at random and for {self.apart:.3f} of "
            f"{held_out}: data.split={self.split} data.split_column={self.column!r}"
        )


def measured_splits(frame: pd.DataFrame, columns: Sequence[Column], labels: np.ndarray) -> Iterator[Measured]:
    """The accuracy of a small forest under a random split and under one by each column of groups or dates.

    Args:
        frame: the rows.
        columns: of them.
        labels: class indices ``(N,)``.
    """
    plain = [column for column in columns if column.role == "feature" and is_plain(column)]
    by_group = [column for column in columns if _names_groups(column, len(frame))]
    by_time = [column for column in columns if column.role == "feature" and column.kind == "date"]
    chosen: list[tuple[Column, Literal["group", "time"]]] = [(column, "group") for column in by_group]
    chosen = (chosen[:MOST_MEASURED] + [(column, "time") for column in by_time])[: MOST_MEASURED + 1]
    for column, split in chosen:
        places = _sampled(frame[column.name], len(frame), split)
        target = labels[places]
        if len(np.unique(target)) < 2 or np.bincount(target)[np.unique(target)].min() < 4:
            continue
        sample = frame.iloc[places]
        features = [codes_of(sample[other.name], other) for other in plain if other is not column]
        if split == "group":
            groups = pd.factorize(sample[column.name])[0]
            both = _by_group(np.stack([*features, groups], axis=1), target, groups)
        else:
            times = np.nan_to_num(days(sample[column.name], column.style), nan=0.0)
            both = _by_time(np.stack([*features, times], axis=1), target, times)
        if both is not None:
            yield Measured(column.name, split, *both, len(places))


def _names_groups(column: Column, rows: int) -> bool:
    """Whether a column may say which rows belong together."""
    if column.kind == "id" and column.note is not None and "data.split=group" in column.note.words:
        return True
    many = MANY_GROUPS if column.kind == "categorical" else FEW_GROUPS
    return column.role == "feature" and column.kind == "categorical" and many < column.distinct <= rows / 3


def _sampled(cells: pd.Series, rows: int, split: str) -> np.ndarray:
    """Places of rows: every n-th one, or whole groups."""
    if rows <= MEASURED_ROWS or split == "time":
        return np.arange(rows)[:: 1 + (rows - 1) // MEASURED_ROWS]
    groups = pd.factorize(cells)[0]
    order = np.random.default_rng(0).permutation(int(groups.max()) + 1)
    sizes = np.bincount(groups[groups >= 0], minlength=len(order))[order]
    taken = order[: max(FEW_GROUPS, int((np.cumsum(sizes) <= MEASURED_ROWS).sum()))]
    places = np.flatnonzero(np.isin(groups, taken))
    return places[:: 1 + len(places) // (4 * MEASURED_ROWS)]


def _by_group(features: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> tuple[float, float] | None:
    import warnings

    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict

    accuracies = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes that few groups have
        for folds in (StratifiedKFold(3, shuffle=True, random_state=0), StratifiedGroupKFold(3)):
            try:
                guessed = cross_val_predict(_forest(), features, labels, cv=folds, groups=groups)
            except ValueError:
                return None
            accuracies.append(float((guessed == labels).mean()))
    return accuracies[0], accuracies[1]


def _by_time(features: np.ndarray, labels: np.ndarray, times: np.ndarray) -> tuple[float, float] | None:
    order = np.argsort(times, kind="stable")
    later, drawn = order[-len(order) // 4 :], np.random.default_rng(0).permutation(len(order))[-len(order) // 4 :]
    accuracies = []
    for held_out in (drawn, later):
        rest = np.setdiff1d(order, held_out)
        if len(np.unique(labels[rest])) < 2:
            return None
        fitted = _forest().fit(features[rest], labels[rest])
        accuracies.append(float((fitted.predict(features[held_out]) == labels[held_out]).mean()))
    return accuracies[0], accuracies[1]


def _forest() -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(30, min_samples_leaf=2, random_state=0, n_jobs=1)


def twins(frame: pd.DataFrame, columns: Sequence[Column], labels: np.ndarray | None, rows: Rows) -> list[str]:
    """Warnings of rows with the same features as a training row, or nearly the same, and of equal features with
    different labels, where there are more than coarse columns have by chance.

    Args:
        frame: the rows.
        columns: of them.
        labels: class indices ``(N,)``; None: a row has several, or votes.
        rows: of each split.
    """
    features = frame[[column.name for column in columns if column.role == "feature"]]
    hashes = row_hashes(features)
    _, first = np.unique(hashes, return_index=True)
    if features.shape[1] > 1:
        first = np.arange(len(hashes))
    draw, different = np.random.default_rng(0), features.iloc[np.sort(first)]
    orders = []  # rows of the same cells, each column in an order of its own
    for _ in range(SHUFFLES if len(different) <= FEW_ROWS else 1):
        shuffled = {name: different[name].to_numpy()[draw.permutation(len(different))] for name in different}
        by_chance = np.zeros_like(hashes)
        by_chance[np.sort(first)] = row_hashes(pd.DataFrame(shuffled))
        orders.append(by_chance)
    of_each = {split: np.intersect1d(index, first) for split, index in rows.items()}
    notes = []
    for split in ("val", "test"):
        count = _twins_in(hashes, rows, split)
        expected = float(np.mean([_twins_in(by_chance, of_each, split) for by_chance in orders]))
        if count > _allowed(len(rows[split]), expected):
            notes.append(
                f"{count} of {len(rows[split])} {split} rows have the same features as a training row; "
                "data.deduplicate=true keeps one of equal rows, data.split=group keeps groups together"
            )
    if labels is not None:
        kept_apart = np.sort(first)
        sets = _contradictions(hashes, labels)
        among = [_contradictions(by_chance[kept_apart], labels[kept_apart]) for by_chance in orders]
        if sets > _allowed(len(hashes), float(np.mean(among))):
            notes.append(f"{sets} sets of rows have the same features and different labels")
    return notes or _near_twins(features, columns, rows)


def _allowed(rows: int, expected: float) -> float:
    """How many may be the same by chance: a few, and as many as are expected, with three deviations of such a count."""
    return max(2.0, BY_CHANCE * rows) + max(COARSE * expected, expected + 3 * math.sqrt(expected))


def _twins_in(hashes: np.ndarray, rows: Rows, split: str) -> int:
    return int(np.isin(hashes[rows[split]], hashes[rows["train"]]).sum())


def _contradictions(hashes: np.ndarray, labels: np.ndarray) -> int:
    return int((pd.Series(labels).groupby(hashes).nunique() > 1).sum())


def _near_twins(features: pd.DataFrame, columns: Sequence[Column], rows: Rows) -> list[str]:
    plain = [column for column in columns if column.role == "feature" and is_plain(column)]
    fine = [column for column in plain if column.kind == "numeric" and column.distinct > MANY_GROUPS]
    if len(fine) < 3:
        return []
    made = np.stack([codes_of(features[column.name], column) for column in plain], axis=1)
    made[np.abs(made) > HUGE] = 0.0  # empty cells
    numbers = np.array([column in fine for column in plain])
    scale = np.where(numbers, made.std(axis=0), 1e-6)  # words are the same, or far apart
    made = (made - made.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    draw = np.random.default_rng(0)
    shuffled = np.stack([draw.permutation(column) for column in made.T], axis=1)
    count, expected = (_near(values, rows) for values in (made, shuffled))
    looked_at = min(len(rows["test"]), NEAR_ROWS[1])
    if count <= max(LEAST_NEAR, NEAR_BY_CHANCE * looked_at) + 2 * expected:
        return []
    return [
        f"{count} of {looked_at} test rows are nearly the same as a training row (every number within {NEAR} "
        "deviations): are they measured several times? data.split=group or data.split=time keeps them together"
    ]


def _near(values: np.ndarray, rows: Rows) -> int:
    from sklearn.neighbors import NearestNeighbors

    train, test = (
        rows[split][:: 1 + len(rows[split]) // most] for split, most in zip(("train", "test"), NEAR_ROWS, strict=True)
    )
    if not len(train) or not len(test):
        return 0
    nearest = NearestNeighbors(n_neighbors=1, metric="chebyshev").fit(values[train])
    return int((nearest.kneighbors(values[test])[0][:, 0] <= NEAR).sum())
