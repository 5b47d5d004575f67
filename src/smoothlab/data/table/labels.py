"""Labels of a table's rows: one class, votes, or several labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from smoothlab.data.table.kinds import check_columns, listed
from smoothlab.data.table.reading import separator_named
from smoothlab.data.table.spellings import spellings
from smoothlab.data.table.tags import advice, labels_of
from smoothlab.data.table.words import as_words
from smoothlab.errors import BadRow, InvalidArgument, UserMistake

LabelKind = Literal["single", "ordinal", "votes", "multilabel"]
UNKNOWN = -1.0
OTHER_CLASSES = "other"
SMALL_STRATUM = 10  # rows
MONTH = "(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
MANGLED = re.compile(
    rf"\d{{1,2}}[- ]{MONTH}(?:[- ]\d{{2,4}})?|{MONTH}[- ]\d{{2,4}}|\d{{4}}-\d{{2}}-\d{{2}}(?: 00:00:00)?"
)
SCIENTIFIC = re.compile(r"\d(?:\.\d+)?E\+\d{2,}")  # of 2310009E13, say, among words
# What people write where a label is missing.
MISSING = {"unknown", "missing", "n/a", "na", "not available", "not known", "unlabeled", "unlabelled", "tbd", "-", "."}
NINES = re.compile(r"9{2,}|-9{1,}")
MOST_NUMBERS = 30  # different fractions in a target, above which it is a quantity and no class


@dataclass
class LabelledRows:
    """The labels of the rows that have one.

    Args:
        kind: of the labels.
        names: of the classes, in the order of the logits.
        values: class indices ``(N,)`` int64; votes ``(N, K)`` float32, rows sum to 1; several labels ``(N, K)``
            float32, 1, 0, or -1 where unknown.
        rows: positions ``(N,)`` in the table of the rows that have a label.
        metadata: columns about the labels, ``(N,)`` each: of votes their number and the share of the largest.
        notes: what there is to say.
        warning: that the cells seem to hold several labels each, and what to type; empty: they do not.
    """

    kind: LabelKind
    names: list[str]
    values: np.ndarray
    rows: np.ndarray
    metadata: dict[str, np.ndarray] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warning: str = ""

    @cached_property
    def strata(self) -> np.ndarray:
        """What splits share out evenly ``(N,)``: the class, the mode of votes, the rarest of several labels."""
        if self.values.ndim == 1:
            return self.values
        if self.kind != "multilabel":
            return np.asarray(self.values.argmax(axis=1))
        present, labels = self.values > 0, self.values.shape[1]
        rarest = np.where(present, present.sum(axis=0), len(present) + 1).argmin(axis=1)
        strata = np.where(present.any(axis=1), rarest, labels)
        sizes = np.bincount(strata, minlength=labels + 1)
        strata = np.where(sizes[strata] < SMALL_STRATUM, sizes.argmax(), strata)  # too small to be shared out
        return np.unique(strata, return_inverse=True)[1]

    @property
    def strata_names(self) -> list[str]:
        """Names of the strata, for errors."""
        if self.kind != "multilabel":
            return self.names
        return [f"label {place}" for place in range(max(2, int(self.strata.max()) + 1))]


def read_labels(
    frame: pd.DataFrame,
    target: str | Sequence[str],
    kind: LabelKind,
    *,
    separator: str | None = None,
    classes: Mapping[str, str] | None = None,
    order: Sequence[str] | None = None,
    rare_classes: int = 0,
    positive: str | None = None,
    lost: Sequence[str] = (),
) -> LabelledRows:
    """The labels that ``target`` holds.

    Args:
        frame: the table.
        target: a column, or a column for each class.
        kind: see ``conf/data/table.yaml``.
        separator: between the labels in one cell.
        classes: names of classes by what the cells, or for a column each the columns, say.
        order: the classes from lowest to highest.
        rare_classes: classes of fewer rows become one.
        positive: of two classes the one that is looked for: the last; None: as they are sorted.
        lost: words of the file that were taken as missing labels; an error or a note names them.

    Raises:
        UserMistake: the labels cannot be used, in one line.
    """
    columns = [target] if isinstance(target, str) else list(target)
    check_columns("target", columns, frame)
    renamed = {str(word): str(name) for word, name in (classes or {}).items()}
    check_kind(kind, columns, order)
    if separator is not None and kind != "multilabel":
        raise InvalidArgument("label_separator", separator, f"null with labels={kind}; it is for labels=multilabel")
    if kind in ("single", "ordinal"):
        labelled = _one_class(frame[columns[0]], kind, renamed, order, rare_classes, lost, positive)
        if positive is not None and (kind == "ordinal" or len(labelled.names) != 2):
            what = "ordered classes" if kind == "ordinal" else f"{len(labelled.names)} classes"
            raise InvalidArgument("positive", positive, f"null with {what}: it is one of two")
        return labelled
    if positive is not None:
        raise InvalidArgument("positive", positive, f"null with labels={kind}: it is one of two classes")
    if rare_classes:
        raise InvalidArgument("rare_classes", rare_classes, f"0 with labels={kind}")
    if kind == "multilabel" and separator is not None:
        if len(columns) != 1:
            raise InvalidArgument("target", columns, "one column, with a label_separator")
        return _separated(frame[columns[0]], separator, renamed, lost)
    if len(columns) < 2:
        expected = "a list of columns, one a class"
        if kind == "multilabel":
            advised = advice(columns[0], _counted(frame[columns[0]].dropna()))
            expected += f", or a label_separator ({advised})" if advised else " (or a label_separator)"
        raise InvalidArgument("target", target, expected)
    if len(set(columns)) < len(columns):
        raise InvalidArgument("target", columns, "each column once")
    values = np.stack([_amounts(frame[name], str(name)) for name in columns], axis=1)
    names = [renamed.get(str(name), str(name)) for name in columns]
    _check_classes(renamed, list(map(str, columns)), names)
    return _votes(values, names) if kind == "votes" else _columns(values, names)


def check_kind(kind: LabelKind, columns: Sequence[str], order: Sequence[str] | None) -> None:
    """Refuse an order or columns that are not for a kind of labels.

    Raises:
        InvalidArgument: they are not.
    """
    if order is not None and kind != "ordinal":
        raise InvalidArgument("order", list(order), f"null with labels={kind}; an order is for labels=ordinal")
    if kind in ("single", "ordinal") and len(columns) != 1:
        raise InvalidArgument("target", columns, f"one column with labels={kind}; several are votes or multilabel")


def _one_class(
    cells: pd.Series,
    kind: LabelKind,
    renamed: Mapping[str, str],
    order: Sequence[str] | None,
    rare_classes: int,
    lost: Sequence[str],
    positive: str | None = None,
) -> LabelledRows:
    rows, notes = _labelled(cells, lost)
    cells = cells.iloc[rows]
    if not len(cells):
        raise UserMistake(f"data.target = {cells.name!r}: every cell is empty")
    if pd.api.types.is_float_dtype(cells):
        fractions = cells[cells % 1 != 0].nunique()
        if fractions > MOST_NUMBERS:
            raise UserMistake(
                f"data.target = {cells.name!r}: {fractions} different fractions, a quantity and no classes; cut it "
                "into ranges first"
            )
    try:
        words = as_words(cells)
    except TypeError:
        raise UserMistake(
            f"data.target = {cells.name!r}: holds {type(cells.iloc[0]).__name__} values; expected a class a row, or "
            "labels joined to one text, such as red;big, with data.labels=multilabel data.label_separator=semicolon"
        ) from None
    known = sorted(set(words), key=_sorting(set(words)))
    warning = advice(cells.name, Counter(words.tolist())) if kind == "single" and not renamed else ""
    _check_classes(renamed, known, [renamed.get(word, word) for word in known], merging=True)
    words = np.array([renamed.get(word, word) for word in words], dtype=object)
    names = list(dict.fromkeys(renamed.get(word, word) for word in known))
    if rare_classes:
        counts = pd.Series(words).value_counts()
        rare = {name for name in names if counts[name] < rare_classes}
        if kind == "ordinal" and rare:
            raise InvalidArgument("rare_classes", rare_classes, "0 with labels=ordinal: what is merged has no place")
        if len(rare) > 1:
            notes.append(f"{len(rare)} classes of fewer than {rare_classes} rows are one, {OTHER_CLASSES!r}")
            words = np.array([OTHER_CLASSES if word in rare else word for word in words], dtype=object)
            names = [name for name in names if name not in rare and name != OTHER_CLASSES] + [OTHER_CLASSES]
    if kind == "ordinal":
        names = _ordered(names, order)
    if len(names) < 2:
        raise UserMistake(
            f"data.target = {cells.name!r}: expected at least two classes, got {listed(names)}"
            + (f" ({_taken_as_missing(lost, cells.name)})" if lost else "")
        )
    notes += _alike(names) + _mangled(names) + _codes(names, cells.name)
    if kind == "single" and len(names) == 2 and positive is not None:
        names = _positive_last(names, positive)
    index = {name: place for place, name in enumerate(names)}
    values = np.array([index[word] for word in words], dtype=np.int64)
    return LabelledRows(kind, names, values, rows, notes=notes, warning=warning)


def _counted(cells: pd.Series) -> Counter[str]:
    """Rows of each different cell; of cells that are no single values none."""
    with suppress(TypeError):
        return Counter(as_words(cells).tolist())
    return Counter()


def _ordered(names: list[str], order: Sequence[str] | None) -> list[str]:
    if order is None:
        if not all(map(_is_number, names)):
            raise InvalidArgument("order", None, f"a list of the classes from lowest to highest: {listed(names)}")
        return sorted(names, key=float)
    given = list(map(str, order))
    lost, extra = [name for name in names if name not in given], [name for name in given if name not in names]
    if lost or extra or len(set(given)) < len(given):
        what = f"it lacks {lost[0]!r}" if lost else f"{extra[0]!r} is no class" if extra else "a class is there twice"
        raise InvalidArgument("order", given, f"the classes {listed(names)}, each once ({what})")
    return given


def _labelled(cells: pd.Series, lost: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Positions of the cells that hold a label, and what is to be said of the others."""
    rows = np.flatnonzero(cells.notna().to_numpy())
    if len(rows) == len(cells):
        return rows, []
    more = f": {_taken_as_missing(lost, cells.name)}" if lost else ""
    return rows, [f"{len(cells) - len(rows)} rows without a label are left out{more}"]


def _taken_as_missing(lost: Sequence[str], column: object) -> str:
    return f"{listed(lost)} means missing; if it is a class, say data.verbatim=[{column}]"


def _alike(names: Sequence[str]) -> list[str]:
    """A note on classes that seem to be one in several spellings."""
    groups = spellings(names)
    if not groups:
        return []
    renamed = ", ".join(f"{_quoted(name)}: {_quoted(group[0])}" for group in groups for name in group[1:])
    written = "; ".join(" and ".join(map(repr, group)) for group in groups)
    apart = [len({" ".join(name.lower().split()) for name in group}) for group in groups]
    what = "differ in case or white space alone" if max(apart) == 1 else "look like spellings of one"
    if any(count < len(group) for count, group in zip(apart, groups, strict=True)) and max(apart) > 1:
        what = "differ in case or white space alone, or look like spellings of one"
    return [
        f'the classes {written} {what}; "data.classes={{{renamed}}}" makes '
        f"{'them one' if len(groups) == 1 else 'one of each group'}"
    ]


def _quoted(name: str) -> str:
    """A class as a key of a config's words."""
    return name if re.fullmatch(r"[\w .\-]+", name, re.ASCII) else f"'{name}'"


def _codes(names: Sequence[str], column: object) -> list[str]:
    """A note on classes that may stand for a missing label."""
    numbers = [float(name) for name in names if _is_number(name)]
    codes = [
        name
        for name in names
        if name.lower() in MISSING
        or (len(numbers) == len(names) > 2 and NINES.fullmatch(name) and float(name) > 10 * sorted(numbers)[-2])
    ]
    if not codes or len(names) < 3:
        return []
    return [
        f"the class {listed(map(repr, codes))} may stand for a missing label; "
        f'"data.missing_words={{{column}: {codes}}}" leaves its rows out'
    ]


def _positive_last(names: list[str], positive: str) -> list[str]:
    """Two classes, of which the positive one is the last.

    Raises:
        InvalidArgument: it is neither.
    """
    if positive not in names:
        raise InvalidArgument("positive", positive, f"{names[0]} or {names[1]}")
    return [name for name in names if name != positive] + [positive]


def _mangled(names: Sequence[str]) -> list[str]:
    """A note on classes that look like dates, as a spreadsheet makes them of 1-2 or MARCH1."""
    numbers = all(map(_is_number, names))
    dates = [name for name in names if MANGLED.fullmatch(name) or (not numbers and SCIENTIFIC.fullmatch(name))]
    if not dates or len(dates) == len(names) > MOST_NUMBERS:
        return []
    return [
        f"the classes {listed(map(repr, dates))} look like dates or numbers: has a spreadsheet made them of 2-1 or "
        f"MARCH1? 'data.classes={{{dates[0]}: ...}}' names them as they were"
    ]


def _separated(cells: pd.Series, separator: str, renamed: Mapping[str, str], lost: Sequence[str]) -> LabelledRows:
    separator = separator_named(separator)
    if not separator:
        raise InvalidArgument("label_separator", separator, "at least one character")
    rows, notes = _labelled(cells, lost)
    words = as_words(cells.iloc[rows])
    sets = [labels_of(word, separator) for word in words]
    known = {name for names_of_row in sets for name in names_of_row}
    ordered = sorted(known, key=_sorting(known))
    _check_classes(renamed, ordered, [renamed.get(name, name) for name in ordered])
    names = [renamed.get(name, name) for name in ordered]
    if len(names) < 2:
        raise UserMistake(
            f"data.target = {cells.name!r}: expected at least two labels with data.label_separator = {separator!r}, "
            f"got {listed(names)}"
        )
    place = {name: index for index, name in enumerate(ordered)}
    values = np.zeros((len(sets), len(names)), dtype=np.float32)
    for row, names_of_row in enumerate(sets):
        values[row, [place[name] for name in names_of_row]] = 1.0
    return LabelledRows("multilabel", names, values, rows, notes=notes)


def _votes(values: np.ndarray, names: list[str]) -> LabelledRows:
    empty = np.isnan(values).all(axis=1)
    rows = np.flatnonzero(~empty)
    notes = [f"{int(empty.sum())} rows without votes are left out"] if empty.any() else []
    votes = np.nan_to_num(values[rows])
    if (votes < 0).any():
        row = int(np.flatnonzero((votes < 0).any(axis=1))[0])
        raise BadRow(f"data.target: data row {rows[row] + 1} has a negative vote, {float(votes[row].min()):g}")
    totals = votes.sum(axis=1)
    if not len(votes) or (totals <= 0).any():
        row = int(rows[np.flatnonzero(totals <= 0)[0]]) + 1 if len(votes) else 1
        raise BadRow(f"data.target: the votes of data row {row} sum to 0; expected counts or probabilities")
    shares = votes / totals[:, None]
    metadata = {"votes": totals.astype(np.float32), "agreement": shares.max(axis=1).astype(np.float32)}
    return LabelledRows("votes", names, shares.astype(np.float32), rows, metadata, notes)


def _columns(values: np.ndarray, names: list[str]) -> LabelledRows:
    wrong = ~np.isnan(values) & ((values < 0) | (values > 1))
    if wrong.any():
        row, column = (int(place) for place in np.argwhere(wrong)[0])
        raise BadRow(
            f"data.target: column {names[column]!r}, data row {row + 1}: expected 0 or 1 (or a share, or an empty cell "
            f"where it is not known), got {values[row, column]:g}"
        )
    empty = np.isnan(values).all(axis=1)
    rows = np.flatnonzero(~empty)
    if not len(rows):
        raise UserMistake("data.target: every cell is empty")
    notes = [f"{int(empty.sum())} rows without a known label are left out"] if empty.any() else []
    known = np.nan_to_num(values[rows], nan=UNKNOWN).astype(np.float32)
    return LabelledRows("multilabel", names, known, rows, notes=notes)


def _amounts(cells: pd.Series, name: str) -> np.ndarray:
    """A target column as numbers, nan where it is empty."""
    from smoothlab.data.table.numeric import read_numbers

    return read_numbers(cells, name, where="data.target", may_be_missing=True)


def _check_classes(
    renamed: Mapping[str, str], known: Sequence[str], names: Sequence[str], *, merging: bool = False
) -> None:
    unknown = [word for word in renamed if word not in known]
    if unknown:
        raise InvalidArgument("classes", unknown[0], f"what the target holds: {listed(known)}")
    if not merging and len(set(names)) < len(names):
        raise InvalidArgument("classes", list(names), "each name once")


def _sorting(words: set[str]) -> Callable[[str], Any]:
    """Numbers by value, words by letter."""
    return (lambda word: (float(word), word)) if all(map(_is_number, words)) else (lambda word: word)


def _is_number(word: str) -> bool:
    try:
        return float(word) == float(word)
    except ValueError:
        return False
