"""What the columns of a table are, and what each is used as."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from smoothlab.data.parts.keys import Name, all_named, settle
from smoothlab.data.parts.splits import times_of
from smoothlab.data.table.dates import check_date_format, days
from smoothlab.data.table.kinds import Column, Note, check_columns, understand
from smoothlab.data.table.labels import LabelledRows
from smoothlab.data.table.numeric import read_numbers
from smoothlab.data.table.words import as_words, text_of
from smoothlab.errors import InvalidArgument


@dataclass(frozen=True)
class Columns:
    """Columns by what they are used as, and kinds that are not guessed; see ``conf/data/part/columns.yaml``."""

    drop: Sequence[Name] = ()
    ids: Sequence[Name] = ()
    metadata: Sequence[Name] = ()
    text: Sequence[Name] = ()
    kinds: dict[str, str] | None = None
    date_format: str | None = None

    def __post_init__(self) -> None:
        settle(self, **{name: all_named(getattr(self, name)) for name in ("drop", "ids", "metadata", "text")})
        check_date_format(self.date_format)
        kinds = {str(name): kind for name, kind in (self.kinds or {}).items()}
        settle(self, kinds={**dict.fromkeys(self.text, "text"), **kinds})


class Taken(NamedTuple):
    """Columns that another key names.

    Args:
        key: the key, for errors.
        names: of the columns.
        role: what they are used as.
    """

    key: str
    names: Sequence[str]
    role: str


def taken_by(target: Sequence[str], weight: Name | None, split_column: Name | None) -> list[Taken]:
    """The columns that the target, the weights and the splits take."""
    own = Taken("target", target, "target"), Taken("weight", [str(weight)] if weight else [], "weight")
    return [*own, Taken("split_column", [str(split_column)] if split_column else [], "split")]


def roles(frame: pd.DataFrame, columns: Columns, taken: Iterable[Taken], *, lenient: bool = False) -> list[Column]:
    """Every column of a table, or of a sample of its rows, with its kind and role.

    Args:
        frame: the rows.
        columns: what is said of them.
        taken: columns that the target, the weights, the splits and the tree take; the target comes first.
        lenient: columns that cannot be read are left out with a note.

    Raises:
        UserMistake: a name is no column, or the target is used twice.
    """
    role_of: dict[str, str] = {}
    target, *others = taken
    own = (
        Taken("drop", all_named(columns.drop), "ignored"),
        Taken("ids", all_named(columns.ids), "ignored"),
        Taken("metadata", all_named(columns.metadata), "metadata"),
    )
    for key, names, role in (target, *own, *others):
        check_columns(key, names, frame)
        for name in names:
            if name in target.names and role not in ("target", "tree"):
                raise InvalidArgument(key, name, "another column than the target")
            role_of.setdefault(name, role)
    kinds = columns.kinds or {}
    check_columns("kinds", kinds, frame)
    free = [name for name in frame.columns if name not in role_of]
    metadata = [name for name, role in role_of.items() if role == "metadata" and frame[name].notna().any()]
    known: dict[str, Column] = {}
    for names in (free, metadata):
        of_these = {name: kind for name, kind in kinds.items() if name in names}
        known |= understand(frame[names], of_these, columns.date_format, lenient=lenient)
    for name in map(str, frame.columns):
        column = known[name] if name in known else known.setdefault(name, _plain(name, frame[name]))
        column.role = role_of.get(name, column.role)
        if column.role == "ignored" and name in role_of:
            column.note = Note(name, "id", "an id") if name in columns.ids else Note(name, "dropped", "dropped")
    return [known[name] for name in map(str, frame.columns)]


def notes_on(columns: Iterable[Column]) -> list[str]:
    """What there is to say of columns that were understood in another way than one may expect."""
    return [
        f"column {column.name!r} {'is no feature' if column.role == 'ignored' else f'is taken as {column.kind}'}: "
        f"{column.note}"
        for column in columns
        if column.note is not None and column.note.reason != "dropped"
    ]


@dataclass
class Metadata:
    """Columns that strategies look at.

    Args:
        values: of each, ``(N,)``: numbers, days since 1970, or codes of words, -1 where there is none.
        categories: the words by code.
        dates: columns that are days.
    """

    values: dict[str, np.ndarray] = field(default_factory=dict)
    categories: dict[str, list[str]] = field(default_factory=dict)
    dates: set[str] = field(default_factory=set)

    def tensors(self, labelled: LabelledRows, weights: np.ndarray | None) -> dict[str, torch.Tensor]:
        """What a batch holds of them, of what is known of the labels, and of the weights, by name."""
        columns = {**labelled.metadata, **self.values}
        columns |= {} if weights is None else {"sample_weight": weights}
        order = [*self.values, *(name for name in columns if name not in self.values)]
        return {name: torch.from_numpy(np.array(columns[name])) for name in order}  # copies that may be written


def metadata_of(
    frame: pd.DataFrame,
    columns: Iterable[Column],
    time_column: str | None = None,
    date_format: str | None = None,
) -> Metadata:
    """The metadata of rows.

    Args:
        frame: the rows.
        columns: those that are metadata.
        time_column: of a split by time; metadata too.
        date_format: of its dates.
    """
    made = Metadata()
    for column in columns:
        name, cells = column.name, frame[column.name]
        if column.kind == "date":
            made.dates.add(name)
            made.values[name] = days(cells, column.style)
        elif column.kind in ("numeric", "boolean", "constant") and not _is_words(cells):
            made.values[name] = read_numbers(cells, name, where="data", may_be_missing=True).astype(np.float32)
        else:
            words = as_words(cells)
            made.categories[name] = sorted({word for word in words if word is not None})
            code = {word: place for place, word in enumerate(made.categories[name])}
            made.values[name] = np.array([-1 if word is None else code[word] for word in words], dtype=np.int64)
    if time_column is not None:
        made.values[time_column] = times_of(frame[time_column], date_format)
        if _is_words(frame[time_column]):
            made.dates.add(time_column)
    return made


def _plain(name: str, cells: pd.Series) -> Column:
    """A column of which only the role matters."""
    present = cells.dropna()
    words = as_words(present.map(repr) if present.dtype == object else present) if len(present) else np.array([""])
    return Column(name, "", "", int(cells.isna().sum()), len(set(words)), str(words[0])[:40])


def _is_words(cells: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(cells) or pd.api.types.is_bool_dtype(cells):
        return False
    present = text_of(cells.dropna()).str.strip()
    truth = set(present.str.lower()) <= {"true", "false"}
    return bool(pd.to_numeric(present, errors="coerce").isna().any()) and not truth
