"""The map from the columns of a table to the features of a net: part of the model, stored in its checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from smoothlab.data.encoder import Encoder
from smoothlab.data.layout import Span
from smoothlab.data.parts.encoding import Categories, Encoding
from smoothlab.data.table.categorical import CategoricalColumn
from smoothlab.data.table.dates import DateColumn, date_style
from smoothlab.data.table.fitting import CategoryFit, ColumnFit, DateFit, NumericFit
from smoothlab.data.table.hashing import feature_hashes
from smoothlab.data.table.numeric import NumericColumn
from smoothlab.data.table.parts import table_parts
from smoothlab.data.table.reading import emptied, read_table, usually_emptied
from smoothlab.data.table.summary import Drift, drifts, summarised
from smoothlab.data.table.texts import TextColumn
from smoothlab.data.table.written import Writing
from smoothlab.errors import InvalidArgument, UserMistake

ColumnEncoder = NumericColumn | CategoricalColumn | DateColumn | TextColumn
MOST_SEEN = 4_096  # training rows whose hashes are kept: those with the smallest
KINDS: dict[str, type[ColumnEncoder]] = {
    "numeric": NumericColumn,
    "categorical": CategoricalColumn,
    "date": DateColumn,
    "text": TextColumn,
}


class TableEncoder(Encoder):
    """Read the columns of a table by name and make features of each, by training statistics.

    Args:
        columns: what encodes each column, in the order of the features.
        categories: ``one_hot``: a feature a category; ``codes``: a code a column, as the last features, for nets with
            embeddings.
        reading: how the files were read that it was fitted to, options of :func:`read_table`.
        summary: of the training rows' columns (:func:`smoothlab.data.table.summary.summarised`); None: not kept.

    Attributes:
        seen: hashes of training rows, the smallest; see :meth:`remember`.
    """

    kind = "table"

    def __init__(
        self,
        columns: Sequence[ColumnEncoder],
        categories: Categories = "one_hot",
        reading: Mapping[str, Any] | None = None,
        summary: dict[str, Any] | None = None,
    ) -> None:
        if categories not in get_args(Categories):
            raise InvalidArgument("categories", categories, "one_hot or codes")
        self.columns = list(columns)
        self.categories = categories
        self.reading = dict(reading or {})
        self.summary = summary
        self.seen: list[int] = []

    def remember(self, features: Tensor) -> None:
        """Keep hashes of training rows ``(N, F)``, so that they are known again: the smallest of them, so that the same
        rows of another table are looked at."""
        self.seen = np.unique(feature_hashes(features.numpy()))[:MOST_SEEN].tolist()

    def known_again(self, features: Tensor) -> tuple[int, int]:
        """How many of some rows ``(N, F)`` are training rows, and how many were looked at."""
        hashes = feature_hashes(features.numpy())
        if len(self.seen) == MOST_SEEN:
            hashes = hashes[hashes <= np.uint64(self.seen[-1])]
        return int(np.isin(hashes, np.array(self.seen, dtype=np.uint64)).sum()), len(hashes)

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        kinds: Mapping[str, str] | None = None,
        *,
        may_be_missing: Sequence[str] = (),
        styles: Mapping[str, str | None] | None = None,
        writings: Mapping[str, Writing | None] | None = None,
        encoding: Encoding = Encoding(rare=1),
    ) -> Self:
        """Take the columns of ``frame`` as features.

        Args:
            frame: training rows.
            kinds: numeric, boolean, categorical, date or text, by column; one that is not named is numeric.
            may_be_missing: columns of numbers and dates in which empty cells are taken.
            styles: formats of columns of dates; of those that are not named it is guessed.
            writings: how the numbers of columns are written where they are text.
            encoding: what becomes of categories, empty cells and texts.

        Raises:
            UserMistake: a cell that its column cannot hold.
        """
        columns: list[ColumnEncoder] = []
        for name in frame.columns:
            cells, kind = frame[name], (kinds or {}).get(name, "numeric")
            if kind == "text":
                width = encoding.text_features
                columns.append(TextColumn.fit(name, cells, encoding=encoding.text_encoding, features=width))
                continue
            options: dict[str, Any] = {"where": "training data", "may_be_missing": name in may_be_missing}
            if kind == "categorical":
                fit: ColumnFit = CategoryFit(name)
            elif kind == "date":
                style = (styles or {}).get(name) or date_style(cells, name, "training data")
                fit = DateFit(name, style, **options)
            else:
                fit = NumericFit(name, (writings or {}).get(name), **options)
            fit.update(cells)
            columns.append(fit.finish(indicators=encoding.missing, rare=encoding.rare, scaling=encoding.scaling))
        return cls(columns, encoding.categories, summary=summarised(frame, columns))

    @property
    def names(self) -> list[str]:
        """Of the features, in their order."""
        return [name for column in self.wide for name in column.names] + [column.column for column in self.coded]

    @property
    def num_features(self) -> int:
        """Width of the features."""
        return len(self.names)

    @property
    def cardinalities(self) -> list[int]:
        """Codes of each column that is coded."""
        return [len(column.all_words) for column in self.coded]

    @property
    def raw_columns(self) -> list[str]:
        """See :class:`Encoder`."""
        return [column.column for column in self.columns]

    @property
    def word_columns(self) -> list[str]:
        """See :class:`Encoder`."""
        return [column.column for column in self.columns if not isinstance(column, NumericColumn)]

    @property
    def width(self) -> int:
        """See :class:`Encoder`."""
        return self.num_features

    def drifts(self, raw: pd.DataFrame, *, where: str) -> list[Drift] | None:
        """See :class:`Encoder`."""
        return None if self.summary is None else drifts(self.summary, raw, self.columns, where=where)

    @property
    def net_arguments(self) -> dict[str, Any]:
        """``num_numeric``, ``cardinalities``, ``spans``, ``quantiles``, and ``in_features`` where no feature is a code.

        Quantiles are those of the training rows of each feature before the codes, none of one that is no number.
        """
        coded = self.cardinalities
        quantiles = [edges for column in self.wide for edges in column.edges]
        arguments = {"num_numeric": len(quantiles), "cardinalities": coded, "quantiles": quantiles, "spans": self.spans}
        return arguments if coded else {"in_features": self.num_features, **arguments}

    @property
    def spans(self) -> list[Span]:
        """What each feature stands for, in their order."""
        spans: list[Span] = []
        for column in self.wide:
            spans += column.spans(spans[-1].start + spans[-1].width if spans else 0)
        first = self.num_features - len(self.coded)
        return spans + [column.code_span(first + place) for place, column in enumerate(self.coded)]

    @property
    def coded(self) -> list[CategoricalColumn]:
        """The columns that become a code each, the last features."""
        words = [column for column in self.columns if isinstance(column, CategoricalColumn)]
        return words if self.categories == "codes" else []

    @property
    def wide(self) -> list[ColumnEncoder]:
        """The other columns, in the order of their features."""
        coded = set(map(id, self.coded))
        return [column for column in self.columns if id(column) not in coded]

    def encode(self, frame: pd.DataFrame, *, where: str = "table") -> Tensor:
        """Features ``(rows, num_features)`` in float32.

        Args:
            frame: raw rows; columns that are not features are ignored, their order does not matter.
            where: what to call the table in an error.

        Raises:
            UserMistake: a column is missing, or a cell is one that its column cannot hold.
        """
        self.check(frame, where=where)
        features = np.empty((len(frame), self.num_features), dtype=np.float32)
        place = 0
        for column in self.wide:
            part = column.encode(frame[column.column], where=where)
            features[:, place : place + part.shape[1]] = part
            place += part.shape[1]
        for coded in self.coded:
            features[:, place] = coded.codes(frame[coded.column])  # exact: float32 holds whole numbers below 2^24
            place += 1
        return torch.from_numpy(features)

    def check(self, frame: pd.DataFrame, *, where: str = "table") -> None:
        """Refuse a table without all the columns.

        Raises:
            UserMistake: one is missing.
        """
        missing = [column.column for column in self.columns if column.column not in frame.columns]
        if missing:
            names = ", ".join(repr(name) for name in missing[:5]) + (", ..." if len(missing) > 5 else "")
            raise UserMistake(
                f"{where}: column{'s' if len(missing) > 1 else ''} {names} missing; "
                f"the model needs {len(self.columns)} columns, the first is {self.columns[0].column!r}"
            )

    def read(self, path: Path) -> pd.DataFrame:
        """Raw rows from a file: as the files of training were read, but with a header if the file has one.

        Raises:
            UserMistake: it cannot be read.
        """
        options = dict(self.reading)
        words = options.pop("missing_words", ())
        try:
            frame = read_table(path, key="input", **{**options, "header": 0, "names": None})
            if options.get("names") is not None or options.get("header", 0) != 0:
                needed = set(self.raw_columns)
                if not needed <= set(frame.columns):
                    frame = read_table(path, key="input", **options)
            return emptied(frame, words)
        except InvalidArgument as error:
            raise UserMistake(f"input = {str(path)!r}: {error}") from None

    def as_read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """See :class:`Encoder`; ``frame`` itself stays as it is."""
        frame = usually_emptied(frame.copy(deep=False), self.reading.get("verbatim", ()))
        return emptied(frame, self.reading.get("missing_words", ()))

    def read_parts(self, path: Path, rows: int) -> Iterator[pd.DataFrame]:
        """The same in parts of so many rows, in memory that does not grow with the file.

        Raises:
            UserMistake: it cannot be read; perhaps after some parts.
        """
        options = dict(self.reading)
        missing_words = options.pop("missing_words", ())
        needed, words = self.raw_columns, self.word_columns
        own = options.get("names") is not None or options.get("header", 0) != 0
        chosen = {**options, "header": 0, "names": None}
        try:
            if own:
                first = next(table_parts(path, 1, **chosen), None)
                chosen = chosen if first is not None and set(needed) <= set(first.columns) else options
            for part in table_parts(path, rows, words=words, columns=needed, **chosen):
                yield emptied(part, missing_words)
        except InvalidArgument as error:
            raise UserMistake(f"input = {str(path)!r}: {error}") from None

    def state(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return {
            "kind": self.kind,
            "categories": self.categories,
            "columns": [column.state() for column in self.columns],
            "reading": self.reading,
            **({} if self.summary is None else {"summary": self.summary}),
            **({"seen": self.seen} if self.seen else {}),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The encoder that ``state()`` described."""
        columns = [KINDS[column["kind"]].from_state(column) for column in state["columns"]]
        encoder = cls(columns, state["categories"], state.get("reading"), state.get("summary"))
        encoder.seen = list(state.get("seen", ()))
        return encoder
