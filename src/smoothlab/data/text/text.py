"""A data module for texts with one label, votes or several labels each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from smoothlab.data.module import Encoder
from smoothlab.data.ranks import this_rank
from smoothlab.data.table import TableData
from smoothlab.data.table.kinds import Column, check_columns
from smoothlab.data.table.table import Understood
from smoothlab.data.text.encoder import TextEncoder, texts_of
from smoothlab.data.text.loader import TextLoader
from smoothlab.data.text.tokenizer import tokenizer_library
from smoothlab.errors import InvalidArgument, UserMistake

# What a table's columns are told; here one column is the feature.
OF_COLUMNS = ("drop", "ids", "kinds", "categories", "rare", "missing", "text_encoding", "text_features")
NOISE_FEATURES = 64
CHUNK = 8192


class TextData(TableData):
    """Texts in a column of a table, cut into the subwords of a tokenizer that is trained on the training rows.

    Features are token ids ``(N, T)``. The table is read, its labels understood, its rows split and weighted as by
    :class:`smoothlab.data.TableData`; every argument stands in ``conf/data/text.yaml``.

    Args:
        text: the column of texts.
        vocab_size: tokens at most.
        max_length: tokens of a text at most; the rest is cut off.
        lowercase: whether upper and lower case are one.
        min_frequency: how often a pair of tokens has to occur to be joined.
    """

    def __init__(
        self,
        source: Callable[[], Any] | dict | None = None,
        target: str | Sequence[str] | None = None,
        *,
        text: str | None = None,
        vocab_size: int = 8000,
        max_length: int = 128,
        lowercase: bool = True,
        min_frequency: int = 2,
        **rows: Any,
    ) -> None:
        of_columns = [name for name in OF_COLUMNS if name in rows]
        if of_columns:
            raise InvalidArgument(of_columns[0], rows[of_columns[0]], "nothing: the text is the only feature")
        super().__init__(source, target, **rows)
        if text is not None and not isinstance(text, str):
            raise InvalidArgument("text", text, "one column")
        self.text = text
        self.tokenizing: dict[str, Any] = {
            "vocab_size": vocab_size,
            "max_length": max_length,
            "lowercase": lowercase,
            "min_frequency": min_frequency,
        }

    def understand(self) -> Understood:
        """See :meth:`TableData.understand`."""
        if self.text is None:
            raise UserMistake("data.text: missing; give the column with the texts as data.text=...")
        tokenizer_library()
        table = super().understand()
        texts_of(self.text, table.frame[self.text], "data", table.numbers)
        return table

    def make_encoder(self, train: pd.DataFrame) -> Encoder:
        """A tokenizer trained on training rows."""
        assert self.text is not None
        return TextEncoder.fit(self.text, train[self.text], where="data", **self.tokenizing)

    def encode(self, frame: pd.DataFrame) -> Tensor:
        """Token ids of the rows, with a note on those that are cut."""
        ids = super().encode(frame)
        cut = getattr(self.encoder, "cut", 0)
        if cut:
            self.notes.append(f"{cut} texts have more than max_length = {ids.shape[1]} tokens; their ends are cut off")
        return ids

    def noise_features(self, features: Tensor) -> np.ndarray:
        """Each text as the mean of random vectors of its tokens: a random map of these is one of its token shares."""
        ids = features.numpy()
        vectors = np.random.default_rng(0).standard_normal((int(ids.max()) + 1, NOISE_FEATURES))
        vectors[0] = 0
        made = np.empty((len(ids), NOISE_FEATURES))
        for start in range(0, len(ids), CHUNK):
            part = ids[start : start + CHUNK]
            made[start : start + CHUNK] = vectors[part].sum(1) / (part != 0).sum(1, keepdims=True).clip(1)
        return made

    def _roles(self, frame: pd.DataFrame) -> list[Column]:
        check_columns("text", [self.text], frame)
        others = [str(name) for name in frame.columns if name != self.text]
        if self.text in ([self.target] if isinstance(self.target, str) else list(self.target or ())):
            raise InvalidArgument("text", self.text, "another column than the target")
        kept = {*self.metadata, self.weight, self.split_column}
        if self.text in kept:
            raise InvalidArgument("text", self.text, "another column than metadata, weight and split_column")
        self.kinds = {str(self.text): "text"}
        self.drop = [name for name in others if name not in self._named(frame)]
        return super()._roles(frame)

    def _named(self, frame: pd.DataFrame) -> set[str]:
        """The columns that an argument names."""
        targets = [self.target] if isinstance(self.target, str) else list(self.target or ())
        columns = [*targets, *self.metadata, self.weight, self.split_column]
        return {str(name) for name in columns if name is not None} | (
            {self.tree} if isinstance(self.tree, str) else set()
        )

    def loader(self, split: str) -> TextLoader:
        """See :class:`smoothlab.data.DataModule`."""
        return TextLoader(self.split(split), self.eval_batch_size, **this_rank())

    def train_dataloader(self) -> TextLoader:
        """Shuffled batches; the order depends on ``shuffle_seed`` and the epoch."""
        data = self.split("train")
        return TextLoader(data, self.batch_size, shuffle=True, seed=self.shuffle_seed, **this_rank())
