"""The map between sentences and token ids, both ways: part of the model, stored in its checkpoint."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from smoothlab.data.encoder import Encoder
from smoothlab.data.parallel.lines import lines_of, read_text
from smoothlab.data.parallel.ragged import Ragged
from smoothlab.data.parallel.reading import read_sentence_table, table_ending, texts_in
from smoothlab.data.parallel.tokenizers import SUBWORDS, SpecialTokens, open_tokenizer, special_tokens
from smoothlab.errors import InvalidArgument

CHUNK = 65_536  # sentences that are cut at once
COLUMN = "source"


class ParallelEncoder(Encoder):
    """Cut sentences of two languages into tokens and number them, and make sentences of numbers again.

    Args:
        source_tokenizer: a tokenizer of the ``tokenizers`` library, as the JSON text that it is saved as.
        target_tokenizer: the same of the target language; None: one vocabulary for both.
        max_length: tokens of a sentence at most, the end token among them.
        special: names of the special tokens, which both vocabularies have.
        column: of the sources in a table for prediction.

    Attributes:
        cut: sentences of the last :meth:`encode` that were longer than ``max_length``.

    Raises:
        InvalidArgument: a length below 2, or a special token that a vocabulary lacks.
        UserMistake: the library is not installed, or a text is no tokenizer.
    """

    kind = "translation"
    of_tables = False

    def __init__(
        self,
        source_tokenizer: str,
        target_tokenizer: str | None = None,
        *,
        max_length: int = 128,
        special: SpecialTokens = SUBWORDS,
        column: str = COLUMN,
    ) -> None:
        if isinstance(max_length, bool) or not isinstance(max_length, int) or max_length < 2:
            raise InvalidArgument("max_length", max_length, "an integer of at least 2")
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        self.max_length = max_length
        self.special = special
        self.column = column
        self.cut = 0
        self._source = open_tokenizer(source_tokenizer, "the source tokenizer")
        self._target = (
            self._source if target_tokenizer is None else open_tokenizer(target_tokenizer, "the target tokenizer")
        )
        places, of_source = _places(self._target, special), _places(self._source, special)
        if of_source != places:
            raise InvalidArgument("special_tokens", of_source, f"the same ids in both vocabularies, {places}")
        self.padding_index, self.begin_index, self.end_index = (places[use] for use in ("padding", "begin", "end"))
        self.unknown_index = places.get("unknown")
        self._not_text = sorted({self.padding_index, self.begin_index, self.end_index})

    @property
    def joint(self) -> bool:
        """Whether both languages share one vocabulary."""
        return self.target_tokenizer is None

    @property
    def class_names(self) -> list[str]:
        """The K tokens of the target vocabulary in the order of their ids, as the tokenizer writes them."""
        return _names(self._target)

    @property
    def raw_columns(self) -> list[str]:
        """See :class:`Encoder`."""
        return [self.column]

    @property
    def net_arguments(self) -> dict[str, Any]:
        """``source_vocab_size``, the special tokens' indices, ``max_length`` and ``joint_vocabulary``."""
        return {
            "source_vocab_size": _size(self._source),
            "padding_index": self.padding_index,
            "begin_index": self.begin_index,
            "end_index": self.end_index,
            "max_length": self.max_length,
            "joint_vocabulary": self.joint,
        }

    def source_ids(self, texts: Sequence[str]) -> Ragged:
        """Token ids of source sentences as they are cut, without an end token."""
        return _cut(self._source, texts, self._not_text, self.unknown_index)

    def target_ids(self, texts: Sequence[str]) -> Ragged:
        """Token ids of target sentences as they are cut, without an end token."""
        return _cut(self._target, texts, self._not_text, self.unknown_index)

    def tokens(self, text: str, *, side: str = "source") -> list[str]:
        """What a sentence is cut into, as one reads it; ``side`` is ``"source"`` or ``"target"``."""
        tokenizer = self._source if side == "source" else self._target
        ids = (self.source_ids if side == "source" else self.target_ids)([text]).flat
        return [tokenizer.decode([index], skip_special_tokens=False) for index in ids.tolist()]

    def sources(self, raw: Any, *, where: str = "table") -> list[str]:
        """The source sentences of raw rows.

        Args:
            raw: sentences in a list or a Series, or a table with the column ``source`` or that of training.
            where: what to call a table in an error.

        Raises:
            UserMistake: the column is missing.
        """
        if isinstance(raw, pd.DataFrame):
            name = COLUMN if COLUMN in raw.columns else self.column
            return texts_in(raw, name, "the source column", where)
        if isinstance(raw, pd.Series):
            return texts_in(raw.to_frame(COLUMN), COLUMN, "the source column", where)
        if isinstance(raw, str) or not all(isinstance(text, str) for text in raw):
            raise InvalidArgument("raw", type(raw).__name__, "a list of sentences, a Series or a DataFrame")
        return list(raw)

    def encode(self, raw: Any, *, where: str = "table") -> Tensor:
        """Token ids ``(N, S)`` int64 of source sentences, each with its end token, padded on the right.

        Args:
            raw: as of :meth:`sources`; an empty sentence is the end token alone.
            where: what to call a table in an error.

        Raises:
            UserMistake: the column is missing.
        """
        cut = self.source_ids(self.sources(raw, where=where))
        self.cut = int((cut.lengths > self.max_length - 1).sum())
        ids = cut.ended(self.end_index, self.max_length, always=True)
        return torch.from_numpy(ids.padded(np.arange(len(ids)), self.padding_index))

    def decode(self, ids: Sequence[int] | Tensor) -> str:
        """The sentence of target token ids; padding, begin and end are left out."""
        return self.decode_all([ids])[0]

    def decode_all(self, rows: Sequence[Sequence[int] | Tensor]) -> list[str]:
        """The sentences of rows of target token ids."""
        plain = [row.tolist() if isinstance(row, Tensor) else list(row) for row in rows]
        ids = [[index for index in row if index not in self._not_text] for row in plain]
        # all at once, one copy of the ids; special tokens that are left are said, an unknown word too
        return [text.strip() for text in self._target.decode_batch(ids, skip_special_tokens=False)]

    def read(self, path: Path) -> pd.DataFrame:
        """Sources to translate, column ``source``: a row for each line, also empty ones; index ``line`` counts from 1.

        A .csv, .tsv, .jsonl, .parquet or .arrow file is a table with the column ``source``, or that of training; every
        other file has a sentence a line. Both may be compressed (.gz, .bz2, .xz, .zip).

        Raises:
            UserMistake: a file that cannot be read or is not UTF-8, or a table without the column.
        """
        if table_ending(path) is None:
            lines = lines_of(read_text(path, "input"))
        else:
            lines = self.sources(read_sentence_table(path, "input"), where=f"input = {str(path)!r}")
        index = pd.RangeIndex(1, len(lines) + 1, name="line")
        return pd.DataFrame({COLUMN: pd.Series(lines, dtype=object, index=index)}, index=index)

    def state(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return {
            "kind": self.kind,
            "source_tokenizer": self.source_tokenizer,
            "target_tokenizer": self.target_tokenizer,
            "max_length": self.max_length,
            "special": self.special.names(),
            "column": self.column,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> ParallelEncoder:
        """The encoder that ``state()`` described."""
        return cls(
            state["source_tokenizer"],
            state["target_tokenizer"],
            max_length=state["max_length"],
            special=special_tokens(state["special"]),
            column=state["column"],
        )


def _places(tokenizer: Any, special: SpecialTokens) -> dict[str, int]:
    """Ids of the special tokens by use."""
    ids = {use: tokenizer.token_to_id(name) for use, name in special.names().items()}
    for use, place in ids.items():
        if place is None:
            raise InvalidArgument(
                f"special_tokens.{use}", special.names()[use], "a token of the tokenizer's vocabulary"
            )
    return ids


def _size(tokenizer: Any) -> int:
    return 1 + int(max(tokenizer.get_vocab(with_added_tokens=True).values()))


def _names(tokenizer: Any) -> list[str]:
    names = [f"[{place}]" for place in range(_size(tokenizer))]  # a pretrained vocabulary may have holes
    for name, place in tokenizer.get_vocab(with_added_tokens=True).items():
        names[place] = name
    return names


def _cut(tokenizer: Any, texts: Sequence[str], not_text: Sequence[int], unknown: int | None) -> Ragged:
    parts, lengths = [], []
    for start in range(0, len(texts), CHUNK):
        encodings = tokenizer.encode_batch_fast(list(texts[start : start + CHUNK]), add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        lengths.append(np.fromiter(map(len, ids), dtype=np.int64, count=len(ids)))
        parts.append(np.fromiter(itertools.chain.from_iterable(ids), dtype=np.int32, count=int(lengths[-1].sum())))
    made = Ragged(
        np.concatenate(parts) if parts else np.empty(0, dtype=np.int32),
        np.concatenate(lengths) if lengths else np.empty(0, dtype=np.int64),
    )
    # a word "[PAD]" of a text, where the model of a tokenizer finds it in its vocabulary
    wrong = np.isin(made.flat, not_text)
    if not wrong.any():
        return made
    if unknown is not None:
        made.flat[wrong] = unknown
        return made
    return made.without(wrong)
