"""The map from texts to token ids: part of the model, stored in its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from smoothlab.data.encoder import Encoder
from smoothlab.data.table.words import as_words
from smoothlab.data.text.tokenizer import tokenizer_library, train_tokenizer
from smoothlab.errors import InvalidArgument, UserMistake, readable

PADDING_INDEX = 0
CHUNK = 65_536  # texts that are cut at once


class TextEncoder(Encoder):
    """Cut the texts of a column into tokens, known from training, and number them; 0 fills up the shorter texts.

    Args:
        column: name of the column.
        tokenizer: a tokenizer of the ``tokenizers`` library, as the JSON text that it is saved as.
        max_length: tokens of a text at most; the rest is cut off.

    Raises:
        InvalidArgument: a length below 1.
        UserMistake: the library is not installed, or the text is no tokenizer.
    """

    kind = "text"

    def __init__(self, column: str, tokenizer: str, max_length: int) -> None:
        if isinstance(max_length, bool) or not isinstance(max_length, int) or max_length < 1:
            raise InvalidArgument("max_length", max_length, "an integer of at least 1")
        self.column = column
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.cut = 0  # texts of the last encode() that were longer
        with readable("the checkpoint's tokenizer"):
            self._tokenizer = tokenizer_library().Tokenizer.from_str(tokenizer)
        self._tokenizer.encode_special_tokens = True  # "[PAD]" in a text is text

    @classmethod
    def fit(
        cls,
        column: str,
        cells: pd.Series,
        *,
        vocab_size: int = 8000,
        max_length: int = 128,
        lowercase: bool = True,
        min_frequency: int = 2,
        where: str = "table",
    ) -> TextEncoder:
        """Train a tokenizer on training cells; arguments as of :func:`train_tokenizer`.

        Raises:
            UserMistake: an empty text, or the library is not installed.
        """
        made = train_tokenizer(
            texts_of(column, cells, where),
            vocab_size=vocab_size,
            lowercase=lowercase,
            min_frequency=min_frequency,
        )
        return cls(column, made.to_str(), max_length)

    @property
    def vocab_size(self) -> int:
        """Tokens, padding among them."""
        return int(self._tokenizer.get_vocab_size())

    @property
    def raw_columns(self) -> list[str]:
        """See :class:`Encoder`."""
        return [self.column]

    @property
    def width(self) -> int:
        """See :class:`Encoder`."""
        return self.max_length

    @property
    def net_arguments(self) -> dict[str, Any]:
        """``vocab_size``, ``padding_index`` and ``max_length``."""
        return {"vocab_size": self.vocab_size, "padding_index": PADDING_INDEX, "max_length": self.max_length}

    def tokens(self, text: str) -> list[str]:
        """What a text is cut into, as one reads it."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return [self._tokenizer.decode([index]) for index in encoding.ids[: self.max_length]]

    def encode(self, frame: pd.DataFrame, *, where: str = "table") -> Tensor:
        """Token ids ``(rows, T)`` int64, filled up with 0; T is the length of the longest text, ``max_length`` at most.

        Args:
            frame: raw rows; other columns are ignored.
            where: what to call the table in an error.

        Raises:
            UserMistake: the column is missing, or a text is empty.
        """
        if self.column not in frame.columns:
            shown = ", ".join(map(str, frame.columns[:8])) + (", ..." if len(frame.columns) > 8 else "")
            raise UserMistake(f"{where}: column {self.column!r} missing, the text; the table has {shown}")
        texts = texts_of(self.column, frame[self.column], where)
        parts = [self._ids(texts[start : start + CHUNK]) for start in range(0, len(texts), CHUNK)]
        self.cut = sum(cut for _, cut in parts)
        width = max((part.shape[1] for part, _ in parts), default=1)
        ids = np.full((len(texts), width), PADDING_INDEX, dtype=np.int64)
        for number, (part, _) in enumerate(parts):
            ids[number * CHUNK : number * CHUNK + len(part), : part.shape[1]] = part
        return torch.from_numpy(ids)

    def _ids(self, texts: Sequence[str]) -> tuple[np.ndarray, int]:
        """Ids of some texts, and how many of them were cut."""
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
        lengths = np.array([len(row) for row in rows])
        taken = np.minimum(lengths, self.max_length)
        ids = np.full((len(rows), max(int(taken.max(initial=0)), 1)), PADDING_INDEX, dtype=np.int32)
        for row, tokens in enumerate(rows):
            ids[row, : taken[row]] = tokens[: self.max_length]
        return ids, int((lengths > self.max_length).sum())

    def state(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return {"kind": self.kind, "column": self.column, "tokenizer": self.tokenizer, "max_length": self.max_length}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TextEncoder:
        """The encoder that ``state()`` described."""
        return cls(state["column"], state["tokenizer"], state["max_length"])


def texts_of(column: str, cells: pd.Series, where: str, numbers: np.ndarray | None = None) -> list[str]:
    """The texts in a column, without white space around them.

    Args:
        column: its name.
        cells: what it holds.
        where: what to call the table in an error.
        numbers: of the rows in their source ``(N,)``, from 0; None: as they stand here.

    Raises:
        UserMistake: an empty text, with its row.
    """
    texts = ["" if word is None else word for word in as_words(cells)]
    empty = [row for row, text in enumerate(texts) if not text]
    if empty:
        first = empty[0] if numbers is None else int(numbers[empty[0]])
        raise UserMistake(
            f"{where}: column {column!r}: {len(empty)} empty text(s), the first in data row {first + 1} (NA and null "
            "count as empty); fill them in, or leave these rows out"
        )
    return texts
