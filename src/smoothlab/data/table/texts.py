"""Columns of text: weights of their words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from smoothlab.data.layout import Span, number_spans
from smoothlab.errors import InvalidArgument

WORD = r"(?u)\b\w+\b"  # words of one letter too
TextEncoding = Literal["tfidf", "hashed"]


class TextColumn:
    """A text as weights of its words, each row of length 1: of the words known from training, or of hashed ones.

    ``tfidf``: count times ``1 + log((1 + n) / (1 + n_word))``, n training rows, n_word those with the word (Spaerck
    Jones, "A statistical interpretation of term specificity", Journal of Documentation, 1972, as scikit-learn has it).
    ``hashed``: counts in as many places as there are features, signed (Weinberger et al., "Feature Hashing for Large
    Scale Multitask Learning", ICML 2009).

    Args:
        column: name of the column.
        encoding: ``tfidf`` or ``hashed``.
        features: how many.
        words: with ``tfidf`` the words by feature.
        weights: with ``tfidf`` their weights.
    """

    def __init__(
        self,
        column: str,
        encoding: TextEncoding,
        features: int,
        words: Sequence[str] = (),
        weights: Sequence[float] = (),
    ) -> None:
        self.column = column
        self.encoding = encoding
        self.features = features
        self.words = list(words)
        self.weights = list(weights)
        self._vectorizer: Any = None

    @classmethod
    def fit(cls, column: str, cells: pd.Series, *, encoding: TextEncoding, features: int) -> TextColumn:
        """Take the words of training cells, the most frequent ones if there are more than ``features``.

        Raises:
            InvalidArgument: no features, or another encoding.
        """
        if features < 1:
            raise InvalidArgument("text_features", features, "an integer of at least 1")
        if encoding == "hashed":
            return cls(column, encoding, features)
        if encoding != "tfidf":
            raise InvalidArgument("text_encoding", encoding, "tfidf or hashed")
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(max_features=features, token_pattern=WORD)
        try:
            vectorizer.fit(_texts(cells))
        except ValueError:  # no words at all
            return cls(column, "hashed", 1)
        words = vectorizer.get_feature_names_out().tolist()
        return cls(column, encoding, len(words), words, vectorizer.idf_.tolist())

    @property
    def names(self) -> list[str]:
        """Of the features."""
        return [f"{self.column}: {word}" for word in (self.words or range(self.features))]

    @property
    def edges(self) -> list[list[float]]:
        """See :class:`NumericColumn`: no feature is a number."""
        return [[] for _ in self.names]

    def spans(self, start: int) -> list[Span]:
        """What the features stand for, the first of which is at ``start``."""
        return number_spans(start, self.features)

    def encode(self, cells: pd.Series, *, where: str) -> np.ndarray:
        """Features ``(N, features)``, float32; a missing text is a row of zeros."""
        if self._vectorizer is None:
            self._vectorizer = self._make()
        return np.asarray(self._vectorizer.transform(_texts(cells)).toarray(), dtype=np.float32)

    def _make(self) -> Any:
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer

        if self.encoding == "hashed":
            return HashingVectorizer(n_features=self.features, token_pattern=WORD)
        vectorizer = TfidfVectorizer(vocabulary=self.words, token_pattern=WORD)
        vectorizer.idf_ = np.asarray(self.weights)
        return vectorizer

    def state(self) -> dict[str, Any]:
        """Plain values."""
        return {"kind": "text"} | {name: value for name, value in vars(self).items() if name != "_vectorizer"}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TextColumn:
        """The column that ``state()`` described."""
        return cls(**{key: value for key, value in state.items() if key != "kind"})


def _texts(cells: pd.Series) -> list[str]:
    return ["" if missing else str(cell) for cell, missing in zip(cells, cells.isna(), strict=True)]
