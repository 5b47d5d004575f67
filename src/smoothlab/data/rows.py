"""Data of labelled rows: what tables, texts and arrays share."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import torch

from smoothlab.data.batch import Batch
from smoothlab.data.encoder import Encoder
from smoothlab.data.module import MemoryData
from smoothlab.data.parts import Columns, Labels, Loading, Splits, Training, Weights
from smoothlab.data.parts.columns import Taken, metadata_of, notes_on, roles, taken_by
from smoothlab.data.parts.splits import check_rows
from smoothlab.data.table.encoder import TableEncoder
from smoothlab.data.table.hashing import fingerprint
from smoothlab.data.table.kinds import Column, like_cells
from smoothlab.data.table.labels import LabelledRows
from smoothlab.data.table.splits import Rows
from smoothlab.data.table.suspects import misread
from smoothlab.errors import InvalidArgument, UserMistake


@dataclass
class Understood:
    """A table's rows that have a label.

    Args:
        frame: the rows, numbers as numbers.
        cells: the same as the encoder takes them: with bounds such as ``<0.5`` as they are written.
        labels: of them.
        rows: positions of each split.
        numbers: of the rows in their source.
    """

    frame: pd.DataFrame
    cells: pd.DataFrame
    labels: LabelledRows
    rows: Rows
    numbers: np.ndarray


class RowSource(Protocol):
    """Where rows come from."""

    def rows(self) -> tuple[pd.DataFrame, np.ndarray | None, list[str]]:
        """All rows, whose index numbers them; the split that each is from, or None; and what there is to say.

        Raises:
            UserMistake: there are none, or they cannot be read.
        """

    def lost_labels(self, frame: pd.DataFrame, column: str) -> list[str]:
        """The words that the source has where a label is missing, such as NA, which may be the name of a class."""


class RowData(MemoryData):
    """Rows of a table: understood, split, and encoded by their training rows.

    Args:
        row_source: where the rows come from.
        labels: a part, as those that follow; see ``conf/data/part``.
        columns: what the columns are.
        weights: what rows count.
        training: what is done to training rows on purpose.
        splits: which row goes where.
        loading: how rows come in batches.

    Attributes:
        columns: what each column is and what it is used as, in the table's order.
        lenient: whether columns that cannot be read are left out, and not refused: for a description of the data.
    """

    lenient = False

    def __init__(
        self,
        row_source: RowSource,
        *,
        labels: Labels,
        columns: Columns,
        weights: Weights,
        training: Training,
        splits: Splits,
        loading: Loading,
    ) -> None:
        super().__init__(loading=loading, label_kind=labels.labels)
        weights.refuse_several(labels.labels)
        self.row_source = row_source
        self.labels = labels
        self.column_options = columns
        self.weights = weights
        self.training = training
        self.splits = splits
        self.time_column = splits.time_column
        self.columns: list[Column] = []

    # What a source changes --------------------------------------------------------------------------------------------

    @abstractmethod
    def make_encoder(self, train: pd.DataFrame) -> Encoder:
        """An encoder of the columns that are features, fitted to training rows."""

    def encode(self, frame: pd.DataFrame) -> torch.Tensor:
        """Features of the rows."""
        assert self.encoder is not None
        features: torch.Tensor = self.encoder.encode(frame, where="data")
        return features

    def noise_features(self, features: torch.Tensor) -> np.ndarray:
        """What the noise of a row depends on with ``noise=instance``, ``(N, F)``."""
        return features.numpy()

    def roles(self, frame: pd.DataFrame) -> list[Column]:
        """Every column with its kind and role."""
        return roles(frame, self.column_options, self.taken(frame), lenient=self.lenient)

    # What all of them share -------------------------------------------------------------------------------------------

    def read(self) -> dict[str, Batch]:
        """Read, understand, split and encode the rows.

        Raises:
            UserMistake: they cannot be used, in one line.
        """
        table = self.understand()
        frame, labels, rows = table.frame, table.labels, table.rows
        fitted = self.encoder is None
        if self.encoder is None:
            self.encoder = self.make_encoder(table.cells.iloc[rows["train"]])
        encoded = self.encode(table.cells)
        train = torch.from_numpy(rows["train"])
        if fitted and isinstance(self.encoder, TableEncoder):
            self.encoder.remember(encoded[train])
        values, note = self.training.with_noise(
            labels, rows["train"], self.splits.split_seed, lambda: self.noise_features(encoded[train])
        )
        self.notes += note
        metadata = self._metadata(frame, labels, rows["train"])
        everything = Batch(encoded, torch.from_numpy(values), torch.from_numpy(table.numbers), metadata)
        return {split: everything.take(torch.from_numpy(index)) for split, index in rows.items()}

    def understand(self) -> Understood:
        """Everything but the features: the rows that have a label, their labels and their splits.

        Raises:
            UserMistake: as :meth:`read`, but for what stands in the cells of the features.
        """
        target = self.labels.columns
        if not target:
            raise UserMistake("data.target: missing; give the column with the label as data.target=...")
        frame, given, notes = self.row_source.rows()
        for name in set(frame.attrs.get("twice", ())) & set(target):
            header = "; where these are cells of a row, data.header=null reads it so" if like_cells(frame) else ""
            raise UserMistake(
                f"data.target = {name!r}: two columns have this name; rename one, or give data.names{header}"
            )
        lost = self.row_source.lost_labels(frame, target[0]) if isinstance(self.labels.target, str) else []
        labels = self.labels.read(frame, lost)
        tree = self.labels.class_tree(frame, labels)
        frame, given = rows_at(frame, labels.rows), None if given is None else given[labels.rows]
        self.classes_are(labels.names, tree=tree)
        self.fingerprint = fingerprint(frame)
        self.columns = self.roles(frame)
        cells = with_plain_numbers(frame, self.columns, bounds=False)
        frame = with_plain_numbers(cells, self.columns)
        if given is not None and self.splits.kind != "random":
            raise InvalidArgument("split", self.splits.kind, "random where each split has a table of its own")
        self.test_is_given = given is not None
        try:
            rows = self.splits.rows(frame, labels, given, self.column_options.date_format)
        except UserMistake as mistake:
            if not labels.warning:
                raise
            raise UserMistake(f"{labels.warning} ({mistake})") from None
        drawn, rows["train"] = rows["train"], self.training.thinned(rows["train"], labels, self.splits.split_seed)
        if len(rows["train"]) < len(drawn):
            notes.append(f"{len(rows['train'])} of {len(drawn)} training rows are kept on purpose")
        used = Counter(column.kind for column in self.columns if column.role == "feature")
        missing = check_rows(rows, labels)
        if not used:
            reasons = [f"{column.name!r} ({column.note})" for column in self.columns if column.role == "ignored"]
            why = f"; left out: {', '.join(reasons[:4])}; data.kinds says what a column is" if reasons else ""
            raise UserMistake(f"data: no column is left as a feature{why}")
        parts = ", ".join(f"{len(index)} {split}" for split, index in rows.items())
        kinds = ", ".join(f"{count} {kind}" for kind, count in used.items())
        first = f"{len(frame)} rows ({parts}), {len(labels.names)} classes; features: {kinds}"
        self.notes = [first, *notes, *labels.notes, *notes_on(self.columns), *missing]
        self.warnings = [*misread(frame, self.columns), *[labels.warning] * bool(labels.warning)]
        return Understood(frame, cells, labels, rows, np.asarray(frame.index))

    def taken(self, frame: pd.DataFrame) -> list[Taken]:
        """The columns that the target, the weights, the splits and the tree take."""
        tree = self.labels.tree
        own = Taken("tree", [tree] if isinstance(tree, str) and tree in frame.columns else [], "tree")
        return [*taken_by(self.labels.columns, self.weights.weight, self.splits.split_column), own]

    def _metadata(self, frame: pd.DataFrame, labels: LabelledRows, train: np.ndarray) -> dict[str, torch.Tensor]:
        columns = [column for column in self.columns if column.name in self.column_options.metadata]
        known = metadata_of(frame, columns, self.time_column, self.column_options.date_format)
        self.metadata_categories, self.date_columns = known.categories, known.dates
        return known.tensors(labels, self.weights.of(frame, labels, train))


def with_plain_numbers(frame: pd.DataFrame, columns: list[Column], *, bounds: bool = True) -> pd.DataFrame:
    """The rows with numbers in place of those that are written as text; columns with bounds too, or not."""
    written = {
        column.name: column.writing
        for column in columns
        if column.writing is not None and (bounds or not column.writing.limits)
    }
    if not written:
        return frame
    attrs = frame.attrs
    frame = frame.assign(**{name: writing.plain(frame[name]) for name, writing in written.items()})
    frame.attrs = attrs
    return frame


def rows_at(frame: pd.DataFrame, index: np.ndarray) -> pd.DataFrame:
    """Rows of a table; their index still numbers those of the source, and what is known of the table comes along."""
    attrs = frame.attrs
    taken = frame if len(index) == len(frame) else frame.iloc[index]
    taken.attrs = attrs
    return taken
