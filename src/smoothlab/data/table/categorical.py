"""Columns of categories: a feature each, or a code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from smoothlab.data.layout import Span
from smoothlab.data.table.words import as_word

OTHER = "(other)"
MISSING = "(missing)"


class CategoricalColumn:
    """A category as one feature for each known one, or as its code.

    Code 0 is "other": categories of too few training rows, and such that training never saw. Code 1 is "missing", in
    columns that have missing values. The known ones follow.

    Args:
        column: name of the column.
        words: the known categories.
        missing: whether missing values have a code of their own; else they are "other".
    """

    def __init__(self, column: str, words: Sequence[str], *, missing: bool) -> None:
        self.column = column
        self.words = list(words)
        self.missing = missing

    @property
    def all_words(self) -> list[str]:
        """The categories by code."""
        return [OTHER, *([MISSING] if self.missing else []), *self.words]

    @property
    def names(self) -> list[str]:
        """Of the features."""
        return [f"{self.column} = {word}" for word in self.all_words]

    @property
    def edges(self) -> list[list[float]]:
        """See :class:`NumericColumn`: no feature is a number."""
        return [[] for _ in self.names]

    def spans(self, start: int) -> list[Span]:
        """What the features stand for, the first of which is at ``start``."""
        return [Span(start, len(self.all_words), "one_hot", self.missing, len(self.all_words))]

    def code_span(self, place: int) -> Span:
        """What the code at ``place`` stands for."""
        return Span(place, 1, "code", self.missing, len(self.all_words))

    def codes(self, cells: pd.Series) -> np.ndarray:
        """Codes ``(N,)``, int64."""
        places, values = pd.factorize(cells)
        return np.asarray(self.codes_of(values)[places])

    def codes_of(self, values: Iterable[object]) -> np.ndarray:
        """Codes of different values, and after them the code of a missing one: the one at the place -1."""
        first = 2 if self.missing else 1
        code_of = {word: code for code, word in enumerate(self.words, first)}
        return np.array([*(code_of.get(as_word(value), 0) for value in values), int(self.missing)], dtype=np.int64)

    def encode(self, cells: pd.Series, *, where: str) -> np.ndarray:
        """Features ``(N, categories)``, float32, a 1 in each row."""
        codes = self.codes(cells)
        features = np.zeros((len(codes), len(self.all_words)), dtype=np.float32)
        features[np.arange(len(codes)), codes] = 1.0
        return features

    def state(self) -> dict[str, Any]:
        """Plain values."""
        return {"kind": "categorical", "column": self.column, "words": self.words, "missing": self.missing}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> CategoricalColumn:
        """The column that ``state()`` described."""
        return cls(state["column"], state["words"], missing=state["missing"])
