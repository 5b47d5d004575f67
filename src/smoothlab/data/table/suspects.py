"""What makes a table look as if it were misread, or as if it gave its labels away."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from smoothlab.data.table.dates import days
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
GAP = 0.05  # of the range of all other values, from which a code that is piled up stands apart
# Dates that are written where there is none, and how far, in days, they are from all others at least.
NO_DATES = (
    "9999-12-31",
    "2999-12-31",
    "2099-12-31",
    "1900-01-01",
    "1899-12-30",
    "1753-01-01",
    "1970-01-01",
    "0001-01-01",
)
YEARS_APART = 5 * 365.25
SPLIT_NAME = re.compile(
    r"(?i)(is[_ ]?(train|test|val|valid|validation)(ing)?|(cv[_ ]?|k[_ ]?)?fold([_ ]?(id|no|nr|number))?)"
)
MOST_FOLDS = 20
FAR = 10  # times the range of all other values: a number that is so far, and there several times, is a code
PILED_UP = 3  # times the rows of the next commonest value
SPARED = 0.015  # of the recall, up to which a column is not needed
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
    codes = [*_codes_for_missing(frame, columns), *_dates_for_missing(frame, columns)]
    return [*_lost_header(frame), *codes, *_split_columns(frame, columns)]


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


def _dates_for_missing(frame: pd.DataFrame, columns: Sequence[Column]) -> list[str]:
    """Warnings of dates such as 9999-12-31 in several rows, years from all others of their column."""
    warnings = []
    for column in columns:
        if column.role != "feature" or column.kind != "date":
            continue
        cells = frame[column.name]
        values = days(cells, column.style)
        for code in NO_DATES:
            number = (np.datetime64(code) - np.datetime64("1970-01-01")).astype(int)
            hit = np.floor(values) == number
            others = values[~hit & np.isfinite(values)]
            if max(3, CODED * len(values)) <= hit.sum() and len(others) and np.abs(others - number).min() > YEARS_APART:
                word = as_word(cells[hit].iloc[0])
                warnings.append(
                    f"column {column.name!r} holds {word} in {int(hit.sum()):,} of {len(frame):,} rows, years from all "
                    f"other dates: a code for missing? \"data.missing_words={{{column.name}: ['{word}']}}\" reads it so"
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
    far = others.max() > others.min() and _is_far(np.concatenate([codes, others]), codes[-1], others[0])
    most = MOSTLY_CODED if negative or far else 0.5
    if not max(3, CODED * rows) <= count <= most * rows or weights.sum() < 3:
        return False
    if negative and (codes.max() <= -9 or (len(others) > 8 and count >= PILED_UP * weights.max())):
        return True
    piled = len(others) > FEW_OTHERS and count >= PILED_UP * weights.max()
    gap = float(np.abs(others - codes[-1]).min())
    if piled and min(np.abs(codes)) >= 9 and gap > max(GAP * (others.max() - others.min()), 1.0):
        return True
    places = np.searchsorted(np.cumsum(weights), weights.sum() * np.array([0.25, 0.75]))
    low, high = sorted(others[np.minimum(places, len(others) - 1)])
    if codes[-1] == 0:  # which is a number that many quantities have
        places = np.searchsorted(np.cumsum(weights), weights.sum() * np.array([0.05, 0.95]))
        first, last = sorted(others[np.minimum(places, len(others) - 1)])
        if len(others) <= FEW_OTHERS or np.abs(others).min() <= (last - first) / 2:
            return False
    step = 1.0 if (others % 1 == 0).all() else 0.0  # between whole numbers that are neighbours
    return bool(gap > max(high - low, step))


def _is_far(values: np.ndarray, edge: float, next_value: float) -> bool:
    others = values[values != edge]
    return bool(abs(edge - next_value) > FAR * (others.max() - others.min()) > 0)


def _split_columns(frame: pd.DataFrame, columns: Sequence[Column]) -> list[str]:
    """Warnings of features whose cells say which split a row belongs to."""
    known = {word for words in WORDS.values() for word in words}
    warnings = []
    for column in columns:
        number = column.kind in ("numeric", "boolean") and 2 <= column.distinct <= MOST_FOLDS
        if column.role == "feature" and number and SPLIT_NAME.fullmatch(column.name):
            warnings.append(
                f"column {column.name!r} is named like a split or folds and is a feature: data.drop=[{column.name}] "
                f"leaves it out, data.split=group data.split_column={column.name!r} keeps folds together"
            )
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
    both = [(features[:, first], features[:, second]) for first, second in pairs]
    differences = [np.clip(left - right, -1e37, 1e37) for left, right in both]
    sums = [np.clip(left + right, -1e37, 1e37) for left, right in both]
    options = {"max_leaf_nodes": 8 * (int(labels.max()) + 1), "min_samples_leaf": 2, "random_state": 0}
    model = DecisionTreeClassifier(**options)
    alone: list[tuple[int, ...]] = [(place,) for place in range(len(plain))]
    tried = ((features.T, alone), (np.array(differences), pairs), (np.array(sums), pairs))
    for values, parts in tried:  # of differences: which of two or three is greater
        if not len(parts):
            continue
        weights = model.fit(values.T, target).feature_importances_
        chosen = _of_three_columns(np.argsort(-weights, kind="stable")[: int((weights > 0).sum())], parts)
        recall = _recall_on_folds(model, values.T[:, chosen], target) if len(chosen) else 0.0
        if recall < TOGETHER:
            continue
        while len(chosen) > 1:  # without the least of them
            fewer = _recall_on_folds(model, values.T[:, chosen[:-1]], target)
            if fewer < TOGETHER - SPARED:
                break
            chosen, recall = chosen[:-1], fewer
        names = sorted({part for place in chosen for part in parts[place]})
        return [_together([plain[place].name for place in names], recall)]
    return _pairs_of_few(features, target, plain)


def _of_three_columns(order: np.ndarray, parts: Sequence[tuple[int, ...]]) -> np.ndarray:
    """The first three of some combinations that are made of three columns together."""
    chosen, columns = list[int](), set[int]()
    for place in order:
        if len(chosen) < 3 and len(columns | set(parts[place])) <= 3:
            chosen.append(int(place))
            columns |= set(parts[place])
    return np.array(chosen, dtype=np.int64)


def _recall_on_folds(model: Any, features: np.ndarray, target: np.ndarray) -> float:
    """Mean recall of the classes on rows that a model was not fitted on."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    guessed = cross_val_predict(model, features, target, cv=StratifiedKFold(3, shuffle=True, random_state=0))
    return float(np.mean([(guessed[target == label] == label).mean() for label in np.unique(target)]))


def _together(names: list[str], recall: float) -> str:
    if len(names) == 1:
        which, ask = f"column {names[0]!r} alone gives", "is it"
    else:
        which, ask = f"columns {listed(names)} together give", "are they"
    return f"{which} the target away (mean recall {recall:.3f} on rows not fitted on): {ask} known before the label is?"


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
    return _three_of_few(features, target, [place for place in few if plain[place].distinct <= 3], plain)


def _three_of_few(features: np.ndarray, target: np.ndarray, few: list[int], plain: Sequence[Column]) -> list[str]:
    """The same of three columns of two or three values."""
    for three in map(list, itertools.combinations(few, 3)):
        _, cells = np.unique(features[:, three], axis=0, return_inverse=True)
        counts = np.zeros((int(cells.max()) + 1, int(target.max()) + 1))
        np.add.at(counts, (cells.reshape(-1), target), 1)
        recalls = counts[np.arange(len(counts)), counts.argmax(axis=1)].sum() / len(target)
        if recalls >= TOGETHER and len(counts) * 8 <= len(target):
            return [_together([plain[place].name for place in three], float(recalls))]
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
