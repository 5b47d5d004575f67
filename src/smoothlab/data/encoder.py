"""Encoders of raw rows: all that training, prediction, evaluation, export and inspection ask of them."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from torch import Tensor

from smoothlab.data.table.summary import Drift
from smoothlab.errors import UserMistake

# By the kind that a state names: module and class, imported when they are asked for.
ENCODERS = {
    "synthetic": ("smoothlab.data.synthetic.encoder", "SyntheticEncoder"),
    "image": ("smoothlab.data.images.encoder", "ImageEncoder"),
    "arrays": ("smoothlab.data.arrays", "ArrayEncoder"),
    "table": ("smoothlab.data.table.encoder", "TableEncoder"),
    "text": ("smoothlab.data.text.encoder", "TextEncoder"),
    "pretrained_text": ("smoothlab.data.text.pretrained_encoder", "PretrainedTextEncoder"),
    "translation": ("smoothlab.data.parallel.encoder", "ParallelEncoder"),
}


class Encoder(ABC):
    """Maps raw rows to the features of a net: a part of the model, stored in its checkpoint.

    Attributes:
        kind: one of ``ENCODERS``.
        of_tables: whether raw rows are rows of a table, which may hold labels beside what is encoded.
    """

    kind: ClassVar[str]
    of_tables: ClassVar[bool] = True

    @property
    @abstractmethod
    def net_arguments(self) -> dict[str, Any]:
        """What the features say about the net they need, such as ``in_features``; a net takes those that it names."""

    @property
    @abstractmethod
    def raw_columns(self) -> list[str]:
        """Columns that raw rows need."""

    @property
    def word_columns(self) -> list[str]:
        """Those of them whose cells are taken as words."""
        return self.raw_columns

    @property
    def width(self) -> int:
        """Values that a row has as features, at most; by it rows are read in parts."""
        return len(self.raw_columns)

    @abstractmethod
    def encode(self, raw: Any, *, where: str = "table") -> Any:
        """Features of raw rows, as a batch holds them; ``where`` names the source in an error."""

    def encode_parts(self, raw: Any, batch_size: int, *, where: str = "table") -> Iterable[Tensor]:
        """Features of ``batch_size`` rows after the other."""
        return tuple(self.encode(raw, where=where).split(batch_size))

    def read(self, path: Path) -> pd.DataFrame:
        """Raw rows of what a user names.

        Raises:
            UserMistake: it cannot be read.
        """
        from smoothlab.data.table.reading import read_table

        return read_table(path, key="input")

    def as_read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Raw rows of Python with cells emptied that would be empty if they were read from a file."""
        return frame

    def read_parts(self, path: Path, rows: int) -> Iterator[pd.DataFrame]:
        """The same in parts of so many rows, in memory that does not grow with the file.

        Raises:
            UserMistake: it cannot be read; perhaps after some parts.
        """
        if not self.of_tables:
            yield self.read(path)
            return
        from smoothlab.data.table.parts import table_parts

        yield from table_parts(path, rows, words=self.word_columns, columns=self.raw_columns)

    def drifts(self, raw: pd.DataFrame, *, where: str) -> list[Drift] | None:
        """How far each column of new rows has moved from the training rows; None where nothing is kept of those."""
        return None

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Plain values and tensors, with a ``kind`` that :func:`encoder_from_state` knows."""


def encoder_from_state(state: dict[str, Any]) -> Any:
    """The encoder that a checkpoint describes.

    Raises:
        UserMistake: of a kind that this version does not know.
    """
    if state.get("kind") not in ENCODERS:
        raise UserMistake(
            f"the checkpoint's encoder is of the kind {state.get('kind')!r}; known: {', '.join(ENCODERS)}"
        )
    module, name = ENCODERS[state["kind"]]
    return getattr(importlib.import_module(module), name).from_state(state)
