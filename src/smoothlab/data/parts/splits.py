"""Which samples train, validate and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from smoothlab.data.parts.keys import Name, check_choice, check_least, check_seed, named, settle
from smoothlab.data.table.dates import date_format, days
from smoothlab.data.table.kinds import check_columns
from smoothlab.data.table.labels import LabelledRows
from smoothlab.data.table.numeric import read_numbers
from smoothlab.data.table.splits import (
    Rows,
    SplitKind,
    check_fractions,
    check_learnable,
    column_split,
    fold_split,
    group_split,
    groups_of,
    lacking,
    random_split,
    refuse_empty,
    time_split,
    val_of,
)
from smoothlab.data.table.words import as_words, text_of
from smoothlab.errors import InvalidArgument, UserMistake


@dataclass(frozen=True)
class Splits:
    """How samples are split; see ``conf/data/part/splits.yaml``."""

    split: SplitKind = "random"
    fractions: Sequence[float] = (0.64, 0.16, 0.2)
    split_column: Name | None = None
    folds: int = 5
    fold: int | None = None
    split_seed: int = 0

    def __post_init__(self) -> None:
        check_choice("split", self.split, SplitKind)
        check_seed("split_seed", self.split_seed)
        check_least("folds", self.folds, 2)
        settle(self, split_column=named(self.split_column), fractions=check_fractions(self.fractions))
        if self.fold is not None and self.split not in ("random", "fold", "group"):
            raise InvalidArgument("fold", self.fold, f"null with split={self.split}")
        if self.fold is not None and not 0 <= self.fold < self.folds:
            raise InvalidArgument("fold", self.fold, f"an integer in [0, {self.folds - 1}], of folds = {self.folds}")
        if self.kind in ("group", "time", "column") and self.split_column is None:
            raise InvalidArgument("split_column", None, f"the column that split={self.split} goes by")
        if self.kind == "random" and self.split_column is not None:
            raise InvalidArgument("split_column", self.split_column, "null with split=random; say split=group or time")

    @property
    def kind(self) -> SplitKind:
        """The split that is made: a number of a fold makes it a k-fold one."""
        return "fold" if self.fold is not None else self.split

    @property
    def time_column(self) -> str | None:
        """The column of a split by time."""
        return self.split_column if self.kind == "time" else None  # type: ignore[return-value]

    def limit(self, kinds: Sequence[str], where: str) -> None:
        """Refuse other kinds of splits than a source can make.

        Raises:
            InvalidArgument: with those that it can.
        """
        if self.kind not in kinds:
            raise InvalidArgument("split", self.kind, f"one of {', '.join(kinds)} {where}")

    def rows(
        self,
        frame: pd.DataFrame,
        labelled: LabelledRows,
        given: np.ndarray | None = None,
        date_format: str | None = None,
    ) -> Rows:
        """Positions of each split among the rows that have a label.

        Args:
            frame: these rows.
            labelled: their labels.
            given: the split that each is from ``(N,)``, where the source says; None: it does not.
            date_format: of the dates of a split by time.

        Raises:
            UserMistake: the rows cannot be split so.
        """
        strata, names = labelled.strata, labelled.strata_names
        if self.split_column is not None:
            check_columns("split_column", [self.split_column], frame)
        cells = None if self.split_column is None else frame[self.split_column]
        if self.kind == "column" or given is not None:
            words: Any = as_words(cells) if given is None else given
            rows = column_split(words, np.asarray(frame.index))
            if not len(rows["val"]):
                rows["train"], rows["val"] = val_of(rows["train"], strata, names, self.fractions, self.split_seed)
            return rows
        if self.kind == "time":
            return time_split(times_of(cells, date_format), self.fractions)
        groups = None if cells is None else groups_of(cells, str(self.split_column))
        if self.kind == "fold":
            return fold_split(strata, names, self.fractions, self.split_seed, self.folds, self.fold or 0, groups)
        if groups is not None:
            return group_split(groups, strata, self.fractions, self.split_seed)
        return random_split(strata, names, self.fractions, self.split_seed)


def check_rows(rows: Rows, labelled: LabelledRows) -> list[str]:
    """Notes on the classes that a split lacks.

    Raises:
        UserMistake: a split has no rows, or training lacks a class.
    """
    if labelled.kind != "multilabel":
        check_learnable(rows, labelled.values, labelled.names)
        return lacking(rows, labelled.values, labelled.names)
    for split, index in rows.items():
        if not len(index):
            raise UserMistake(f"data.split: no rows are left for {split}")
    seen = np.asarray((labelled.values[rows["train"]] > 0).any(axis=0))
    lost = [name for name, present in zip(labelled.names, seen, strict=True) if not present]
    return [f"{len(lost)} labels are present in no training row ({', '.join(lost[:5])})"] if lost else []


def times_of(cells: pd.Series, wanted: str | None = None) -> np.ndarray:
    """A column of dates or numbers as numbers ``(N,)``.

    Raises:
        UserMistake: a cell is empty.
    """
    numeric = pd.api.types.is_numeric_dtype(cells)
    style = None if numeric else date_format(text_of(cells.dropna()), wanted)
    dated = style is not None or pd.api.types.is_datetime64_any_dtype(cells)
    times = (
        days(cells, style)
        if dated
        else read_numbers(cells, str(cells.name), where="data.split_column", may_be_missing=True)
    )
    refuse_empty(cells, np.isnan(times), str(cells.name), "time")
    return times
