"""A data module for texts with one label, votes or several labels each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from smoothlab.data.parts import Columns, Labels, Loading, Reading, Splits, Training, Weights
from smoothlab.data.parts.columns import roles
from smoothlab.data.parts.keys import Name
from smoothlab.data.rows import RowData, Understood
from smoothlab.data.table.kinds import Column, check_columns
from smoothlab.data.table.sources import TableSource
from smoothlab.data.text.encoder import TextEncoder, texts_of
from smoothlab.data.text.loader import TextLoader
from smoothlab.data.text.pretrained_encoder import PretrainedTextEncoder, Use
from smoothlab.data.text.tokenizer import tokenizer_library
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.flat_keys import takes_keys

NOISE_FEATURES = 64
CHUNK = 8192


@dataclass(frozen=True)
class Tokens:
    """How texts are cut into subwords; see ``conf/data/text.yaml``."""

    vocab_size: int = 8000
    max_length: int = 128
    lowercase: bool = True
    min_frequency: int = 2
    pretrained: str | None = None
    encoder: Use = "pooled"
    layers: Sequence[int] = (-1, -3)


class TextData(RowData):
    """Texts in a column of a table, cut into the subwords of a tokenizer that is trained on the training rows.

    Features are token ids ``(N, T)``, or what a pretrained encoder makes of them; no other column is a feature. The
    table is read, its labels understood, its rows split and weighted as by :class:`smoothlab.data.TableData`, and keys
    are given as there.

    Args:
        source: see :class:`smoothlab.data.TableData`, as ``path``, ``reading`` and the parts after ``tokens``.
        path: of the table.
        text: the column of texts.
        metadata: columns for strategies that look at them.
        date_format: of dates among them.
        reading: of files.
        labels: the target.
        tokens: how texts are cut.
        weights: of rows.
        training: of training rows.
        splits: of rows.
        loading: of batches.
    """

    loader_of = TextLoader

    @takes_keys
    def __init__(
        self,
        source: Callable[[], Any] | dict[str, Callable[[], Any]] | None = None,
        *,
        path: str | dict[str, str] | None = None,
        text: str | None = None,
        metadata: Sequence[Name] = (),
        date_format: str | None = None,
        reading: Reading = Reading(),
        labels: Labels = Labels(),
        tokens: Tokens = Tokens(),
        weights: Weights = Weights(),
        training: Training = Training(),
        splits: Splits = Splits(),
        loading: Loading = Loading(),
    ) -> None:
        if text is not None and not isinstance(text, str):
            raise InvalidArgument("text", text, "one column")
        super().__init__(
            TableSource(source, path, reading),
            labels=labels,
            columns=Columns(metadata=metadata, text=[] if text is None else [text], date_format=date_format),
            weights=weights,
            training=training,
            splits=splits,
            loading=loading,
        )
        self.text = text
        self.tokens = tokens

    def understand(self) -> Understood:
        """See :meth:`RowData.understand`."""
        if self.text is None:
            raise UserMistake("data.text: missing; give the column with the texts as data.text=...")
        tokenizer_library()
        table = super().understand()
        texts_of(self.text, table.frame[self.text], "data", table.numbers)
        return table

    def make_encoder(self, train: pd.DataFrame) -> TextEncoder:
        """A tokenizer trained on training rows, or a pretrained encoder."""
        assert self.text is not None
        tokens = self.tokens
        if tokens.pretrained is None:
            own = ("vocab_size", "max_length", "lowercase", "min_frequency")
            options: dict[str, Any] = {name: getattr(tokens, name) for name in own}
            return TextEncoder.fit(self.text, train[self.text], where="data", **options)
        return PretrainedTextEncoder.of(
            self.text, tokens.pretrained, use=tokens.encoder, layers=tokens.layers, max_length=tokens.max_length
        )

    def encode(self, frame: pd.DataFrame) -> Tensor:
        """Features of the rows, with a note on texts that are cut."""
        encoder = self.encoder
        assert isinstance(encoder, TextEncoder)
        if isinstance(encoder, PretrainedTextEncoder):
            features = encoder.encode_kept(frame, where="data")
            self.fingerprint = f"{self.fingerprint} {encoder.content}"
        else:
            features = super().encode(frame)
        if encoder.cut:
            longest = self.tokens.max_length
            self.notes.append(
                f"{encoder.cut} texts have more than max_length = {longest} tokens; their ends are cut off"
            )
        if features.ndim == 3:
            size = features.numel() * features.element_size() / 2**20
            self.notes.append(f"vectors of the frozen encoder: {tuple(features.shape)}, {size:.0f} MiB")
        return features

    def noise_features(self, features: Tensor) -> np.ndarray:
        """Each text as the mean of random vectors of its tokens: a random map of these is one of its token shares."""
        if features.is_floating_point():
            return (features if features.ndim == 2 else features.float().mean(1)).numpy()
        ids = features.numpy()
        vectors = np.random.default_rng(0).standard_normal((int(ids.max()) + 1, NOISE_FEATURES))
        vectors[0] = 0
        made = np.empty((len(ids), NOISE_FEATURES))
        for start in range(0, len(ids), CHUNK):
            part = ids[start : start + CHUNK]
            made[start : start + CHUNK] = vectors[part].sum(1) / (part != 0).sum(1, keepdims=True).clip(1)
        return made

    def roles(self, frame: pd.DataFrame) -> list[Column]:
        """The text is the feature; columns that nothing names are dropped."""
        check_columns("text", [self.text], frame)
        taken = self.taken(frame)
        if self.text in self.labels.columns:
            raise InvalidArgument("text", self.text, "another column than the target")
        options = self.column_options
        if self.text in (*options.metadata, self.weights.weight, self.splits.split_column):
            raise InvalidArgument("text", self.text, "another column than metadata, weight and split_column")
        used = {self.text, *options.metadata}.union(*(names for _, names, _ in taken))
        others = [name for name in map(str, frame.columns) if name not in used]
        return roles(frame, replace(options, drop=others), taken)
