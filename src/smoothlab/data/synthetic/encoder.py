"""From the raw columns of a synthetic domain to features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from smoothlab.data.encoder import Encoder
from smoothlab.data.layout import Span, number_spans
from smoothlab.errors import UserMistake

FLOAT32_END = 3.4e38


class SyntheticEncoder(Encoder):
    """Numeric columns as they are, a feature for each word of a categorical one. Nothing is fitted.

    Args:
        numeric: names of the numeric columns.
        words: of each categorical column, by its name.
    """

    kind = "synthetic"

    def __init__(self, numeric: Sequence[str], words: Mapping[str, Sequence[str]]) -> None:
        self.numeric = list(numeric)
        self.words = {name: list(those) for name, those in words.items()}

    @property
    def raw_columns(self) -> list[str]:
        """See :class:`Encoder`."""
        return [*self.numeric, *self.words]

    @property
    def word_columns(self) -> list[str]:
        """See :class:`Encoder`."""
        return list(self.words)

    @property
    def net_arguments(self) -> dict[str, Any]:
        """``in_features`` and ``spans``."""
        spans = number_spans(0, len(self.numeric))
        for words in self.words.values():
            start = spans[-1].start + spans[-1].width if spans else 0
            spans.append(Span(start, len(words), "one_hot", categories=len(words)))
        return {"in_features": self.num_features, "spans": spans}

    @property
    def num_features(self) -> int:
        """Width of the features."""
        return len(self.numeric) + sum(map(len, self.words.values()))

    def features(self, numeric: NDArray[np.float64], codes: NDArray[np.int64]) -> Tensor:
        """Features ``(N, in_features)`` in float32 of numbers ``(N, F)`` and the words' places ``(N, C)``."""
        features = np.zeros((len(numeric), self.num_features), dtype=np.float32)
        features[:, : len(self.numeric)] = numeric
        begin, rows = len(self.numeric), np.arange(len(numeric))
        for column, words in enumerate(self.words.values()):
            features[rows, begin + codes[:, column]] = 1
            begin += len(words)
        return torch.from_numpy(features)

    def encode(self, frame: pd.DataFrame, *, where: str = "table") -> Tensor:
        """Features of raw rows.

        Raises:
            UserMistake: as :meth:`cells`.
        """
        return self.features(*self.cells(frame, where=where))

    def cells(self, frame: pd.DataFrame, *, where: str = "table") -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Numbers ``(N, F)`` and the words' places ``(N, C)`` of raw rows.

        Raises:
            UserMistake: a column is missing, or a cell is no finite number or none of its column's words.
        """
        missing = [name for name in (*self.numeric, *self.words) if name not in frame.columns]
        if missing:
            needed = f"{len(self.numeric)} columns of numbers and {len(self.words)} of words"
            raise UserMistake(f"{where}: column {missing[0]!r} missing; the model needs {needed}")
        numeric = np.empty((len(frame), len(self.numeric)))
        for column, name in enumerate(self.numeric):
            cells = pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
            numeric[:, column] = cells
            _refuse(where, frame[name], ~(np.abs(cells) < FLOAT32_END), "a finite number")
        codes = np.empty((len(frame), len(self.words)), dtype=np.int64)
        for column, (name, words) in enumerate(self.words.items()):
            codes[:, column] = pd.Index(words).get_indexer(frame[name].astype(str))
            _refuse(where, frame[name], codes[:, column] < 0, ", ".join(words))
        return numeric, codes

    def state(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return {"kind": self.kind, "numeric": self.numeric, "words": self.words}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> SyntheticEncoder:
        """The encoder that ``state()`` described."""
        return cls(state["numeric"], state["words"])


def _refuse(where: str, column: pd.Series, wrong: NDArray[np.bool_], expected: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        cell = str(column.iloc[row])
        raise UserMistake(f"{where}: column {column.name!r}, data row {row + 1}: expected {expected}, got {cell!r}")
