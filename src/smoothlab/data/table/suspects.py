"""What makes a table look as if it were misread, or as if it gave its labels away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from smoothlab.data.table.kinds import Column, like_cells, listed
from smoothlab.data.table.numeric import read_numbers
from smoothlab.data.table.splits import WORDS, Rows
from smoothlab.data.table.words import as_word, as_words

# Numbers that people write where a value is missing.
CODES = {-1.0, 0.0} | {
    sign * (int(f"{digit}" * length) if digit else 10**length - 2)
    for sign in (-1.0, 1.0)
    for length in range(1, 7)
    for digit in (9, 8, 7, 0)
    if length > 1 or digit == 9 or sign < 0
}
CODES |= {sign * (number + 0.9) for sign in (-1.0, 1.0) for number in (99, 999, 9999)} | {
    -99.99,
    99.99,
    999.99,
    9999.99,
}
CODED = 0.005  # share of the rows, from which a code is named
MOSTLY_CODED = 0.97  # of a number that is the only negative one: more is a constant
FEW_OTHERS = 8  # different values beside 0, up to which it is one of them
FAR = 10  # times the range of all other values: a number that is so far, and there several times, is a code
PILED_UP = 3  # times the rows of the next commonest value
TOGETHER = 0.98  # mean recall of the classes from two or three columns, from which they are the target in other words
TREE_ROWS = 5_000
MOST_CATEGORIES = 50
MOST_COMPARED = 12  # columns of numbers that are compared with one another
FEW_VALUES = 15
MOST_NAMED = 3  # columns with one code


def misread(frame: pd.DataFrame, columns: Sequence[Column]) -> list[str]:
    """Warnings of what is probably read in another way than it was meant, at little cost.

    Args:
        frame: the rows.
        columns: what is understood of them.
    """
    return [*_lost_header(frame), *_codes_for_missing(frame, columns), *_split_columns(frame, columns)]


def _codes_for_missing(frame: pd.DataFrame, columns: Sequence[Column]) -> list[str]:
    """Warnings of numbers such as -999 that stand for a missing value: at the edge of a column, in several rows but not
    in most, and further from all other values than the middle half of those is wide, or the only negative number; or
    ten times as far as all others are apart."""
    rows_of: dict[str, dict[str, int]] = {}
    for column in columns:
        if column.role == "feature" and column.kind == "numeric":
            numbers = np.array(pd.to_numeric(frame[column.name], errors="coerce"), dtype=np.float64)
            for code, rows in _codes_in(numbers[np.isfinite(numbers)], len(numbers)):
                rows_of.setdefault(as_word(code), {})[column.name] = rows
    warnings = []
    for word, columns_of in rows_of.items():
        names, rest = list(columns_of)[:MOST_NAMED], len(columns_of) - MOST_NAMED
        counted = ", ".join(f"column {name!r} holds {word} in {columns_of[name]:,}" for name in names)
        declared = ", ".join(f"{name}: ['{word}']" for name in names) + (", ..." if rest > 0 else "")
        others = f" (and {rest} more columns)" if rest > 0 else ""
        warnings.append(
            f"{counted} of {len(frame):,} rows{others}, far from all other values: a code for missing? "
            f'"data.missing_words={{{declared}}}" reads it so'
        )
    return warnings


def _codes_in(numbers: np.ndarray, rows: int) -> Iterator[tuple[float, int]]:
    """The codes at the edges of a column's finite numbers, and their rows: of several beside each other, all."""
    values, counts = np.unique(numbers, return_counts=True)
    for upwards in (True, False):
        order = slice(None) if upwards else slice(None, None, -1)
        edge, rows_of = values[order], counts[order]
        run = next((place for place, value in enumerate(edge) if value not in CODES), len(edge))
        if not run and len(edge) > 3 and _is_far(values, edge[0], edge[1]) and rows_of[0] >= max(3, CODED * rows):
            yield float(edge[0]), int(rows_of[0])
        for length in range(min(run, len(edge) - 1), 0, -1):
            if _are_codes(edge, rows_of, length, rows):
                yield from ((float(edge[place]), int(rows_of[place])) for place in range(length))
                break


def _are_codes(edge: np.ndarray, rows_of: np.ndarray, length: int, rows: int) -> bool:
    """Whether the first values of an edge stand apart from all others."""
    codes, others, weights = edge[:length], edge[length:], rows_of[length:]
    count = int(rows_of[:length].sum())
    negative = bool(codes.max() < 0 and others.min() >= 0)
    most = MOSTLY_CODED if negative else 0.5
    if not max(3, CODED * rows) <= count <= most * rows or weights.sum() < 3:
        return False
    if negative and (codes.max() <= -9 or (len(others) > 8 and count >= PILED_UP * weights.max())):
        return True
    places = np.searchsorted(np.cumsum(weights), weights.sum() * np.array([0.25, 0.75]))
    low, high = sorted(others[np.minimum(places, len(others) - 1)])
    if codes[-1] == 0:  # which is a number that many quantities have
        places = np.searchsorted(np.cumsum(weights), weights.sum() * np.array([0.05, 0.95]))
        first, last = sorted(others[np.minimum(places, len(others) - 1)])
        if len(others) <= FEW_OTHERS or np.abs(others).min() <= (last - first) / 2:
            return False
    step = 1.0 if (others % 1 == 0).all() else 0.0  # between whole numbers that are neighbours
    return bool(np.abs(others - codes[-1]).min() > max(high - low, step))


def _is_far(values: np.ndarray, edge: float, next_value: float) -> bool:
    others = values[values != edge]
    return bool(abs(edge - next_value) > FAR * (others.max() - others.min()) > 0)


def _split_columns(frame: pd.DataFrame, columns: Sequence[Column]) -> list[str]:
    """Warnings of features whose cells say which split a row belongs to."""
    known = {word for words in WORDS.values() for word in words}
    warnings = []
    for column in columns:
        if (
            column.role == "feature"
            and column.kind == "categorical"
            and 2 <= column.distinct <= 3
            and not column.missing
        ):
            words = [as_word(word) for word in frame[column.name].unique()]
            if {word.lower() for word in words} <= known:
                warnings.append(
                    f"column {column.name!r} says {listed(sorted(words))}: a split and no feature? data.split=column "
                    f"data.split_column={column.name!r} takes it as one"
                )
    return warnings


def _lost_header(frame: pd.DataFrame) -> list[str]:
    """A warning where the names of the columns look like the cells of a row."""
    if not like_cells(frame):
        return []
    names = listed(frame.columns, 4)
    return [
        f"the names of the columns look like a row of cells ({names}): has the file no line of names? data.header=null "
        "reads it so"
    ]


def leaks_together(frame: pd.DataFrame, columns: Sequence[Column], labels: np.ndarray, rows: Rows) -> list[str]:
    """A warning where two or three columns give the label nearly exactly.

    A small tree of all plain columns says which three matter most; it is fitted again on those alone, and judged on
    rows that it was not fitted on.

    Args:
        frame: the rows.
        columns: of them.
        labels: class indices ``(N,)``.
        rows: of each split; the test rows are not looked at.
    """
    from sklearn.tree import DecisionTreeClassifier

    seen = np.sort(np.concatenate([rows["train"], rows["val"]]))
    seen = seen[:: 1 + len(seen) // TREE_ROWS]
    target = labels[seen]
    plain = [column for column in columns if column.role == "feature" and is_plain(column)]
    if len(plain) < 2 or np.bincount(target)[np.unique(target)].min() < 3:
        return []
    sample = frame.iloc[seen]
    features = np.stack([codes_of(sample[column.name], column) for column in plain], axis=1)
    few = [place for place, column in enumerate(plain) if column.kind == "numeric"][:MOST_COMPARED]
    pairs = [(first, second) for at, first in enumerate(few) for second in few[at + 1 :]]
    differences = [np.clip(features[:, first] - features[:, second], -1e37, 1e37) for first, second in pairs]
    options = {"max_leaf_nodes": 8 * (int(labels.max()) + 1), "min_samples_leaf": 2, "random_state": 0}
    model = DecisionTreeClassifier(**options)
    alone: list[tuple[int, ...]] = [(place,) for place in range(len(plain))]
    for values, parts, most in ((features.T, alone, 3), (np.array(differences), pairs, 1)):  # which of two is greater
        if not len(parts):
            continue
        weights = model.fit(values.T, target).feature_importances_
        chosen = np.argsort(-weights, kind="stable")[: min(most, int((weights > 0).sum()))]
        names = sorted({part for place in chosen for part in parts[place]})
        if len(names) < 2:
            continue
        recall = _recall_on_folds(model, values.T[:, chosen], target)
        if recall >= TOGETHER:
            return [_together([plain[place].name for place in names], recall)]
    return _pairs_of_few(features, target, plain)


def _recall_on_folds(model: Any, features: np.ndarray, target: np.ndarray) -> float:
    """Mean recall of the classes on rows that a model was not fitted on."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    guessed = cross_val_predict(model, features, target, cv=StratifiedKFold(3, shuffle=True, random_state=0))
    return float(np.mean([(guessed[target == label] == label).mean() for label in np.unique(target)]))


def _together(names: list[str], recall: float) -> str:
    return (
        f"columns {listed(names)} together give the target away (mean recall {recall:.3f} on rows not fitted on): are "
        "they known before the label is?"
    )


def _pairs_of_few(features: np.ndarray, target: np.ndarray, plain: Sequence[Column]) -> list[str]:
    """Two columns of few values, each pair of which has one class: what a small tree does not see, such as a parity."""
    from sklearn.tree import DecisionTreeClassifier

    few = [place for place, column in enumerate(plain) if 2 <= column.distinct <= FEW_VALUES][:MOST_COMPARED]
    for at, first in enumerate(few):
        for second in few[at + 1 :]:
            cells = pd.factorize(features[:, first] * 1e3 + pd.factorize(features[:, second])[0])[0]
            sizes = np.bincount(cells)
            if len(sizes) * 4 > len(target):
                continue
            best = pd.crosstab(cells, target).max(axis=1).sum() / len(target)
            if best >= TOGETHER:
                recall = _recall_on_folds(DecisionTreeClassifier(), features[:, [first, second]], target)
                if recall >= TOGETHER:
                    return [_together([plain[first].name, plain[second].name], recall)]
    return []


def is_plain(column: Column) -> bool:
    """Whether a column is of numbers, or of few words."""
    return column.kind in ("numeric", "boolean") or (
        column.kind == "categorical" and column.distinct <= MOST_CATEGORIES
    )


def codes_of(cells: pd.Series, column: Column) -> np.ndarray:
    """A plain column as numbers ``(N,)``, its words as codes; empty cells are far below."""
    if column.kind == "categorical":
        return np.asarray(pd.factorize(as_words(cells))[0], dtype=np.float64)
    numbers = read_numbers(cells, column.name, where="data", may_be_missing=True)
    return np.asarray(np.nan_to_num(numbers, nan=-1e37).clip(-1e37, 1e37))  # the tree holds them in float32
