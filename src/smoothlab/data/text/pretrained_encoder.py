"""The map from texts to what a pretrained encoder makes of them: part of the model, stored in its checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from smoothlab.data.layout import number_spans
from smoothlab.data.registry.fetching import cache_folder
from smoothlab.data.text.encoder import PADDING_INDEX, TextEncoder
from smoothlab.data.text.pretrained import (
    FrozenFeatures,
    TextVectors,
    config_of,
    content_of,
    folder_of,
    load_model,
)
from smoothlab.data.text.tokenizer import tokenizer_library
from smoothlab.errors import InvalidArgument, UserMistake, readable
from smoothlab.rundir.atomic import write_atomically

Use = Literal["tuned", "frozen", "pooled"]
ROWS = 64  # texts that go through the encoder at once
PARTS_ROWS = 256  # texts whose vectors a prediction holds at once


class PretrainedTextEncoder(TextEncoder):
    """Cut texts by the tokenizer of a pretrained encoder; frozen, the encoder makes vectors of them here.

    Args:
        column: name of the column.
        tokenizer: the tokenizer's JSON text.
        max_length: tokens of a text at most, with those that begin and end it.
        pretrained: folder or package of the encoder.
        content: the hash of that folder's content.
        config: of the model, plain values.
        use: ``tuned``: features are token ids ``(N, T)``, the model's own and 1 more, and the net has the encoder;
            ``frozen``: the tokens' vectors ``(N, T, D)`` in float16; ``pooled``: one vector ``(N, 3 D)`` a text.
        layers: of the encoder, whose vectors are taken.

    Raises:
        InvalidArgument: for an argument outside its range.
    """

    kind = "pretrained_text"

    def __init__(
        self,
        column: str,
        tokenizer: str,
        max_length: int,
        *,
        pretrained: str,
        content: str,
        config: dict[str, Any],
        use: Use,
        layers: Sequence[int],
    ) -> None:
        super().__init__(column, tokenizer, max_length)
        if use not in get_args(Use):
            raise InvalidArgument("encoder", use, f"one of {', '.join(get_args(Use))}")
        places = config.get("max_position_embeddings")
        if isinstance(places, int) and max_length > places:
            raise InvalidArgument("max_length", max_length, f"at most {places}, for which the encoder has places")
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)
        self.pretrained, self.content, self.config = pretrained, content, config
        self.use: Use = use
        self.layers = list(layers)
        self._features: FrozenFeatures | None = None

    @classmethod
    def of(
        cls, column: str, pretrained: str, *, use: Use, layers: Sequence[int], max_length: int
    ) -> PretrainedTextEncoder:
        """An encoder of a folder or a package; arguments as of the class.

        Raises:
            InvalidArgument: there is none.
        """
        tokenizer_library()
        folder = folder_of(pretrained)
        with readable(str(folder / "tokenizer.json")):
            tokenizer = (folder / "tokenizer.json").read_text(encoding="utf-8")
        encoder = cls(
            column,
            tokenizer,
            max_length,
            pretrained=pretrained,
            content=content_of(folder),
            config=config_of(folder),
            use=use,
            layers=layers,
        )
        if use != "tuned":
            _ = encoder.features  # what is wrong with it is found now
        return encoder

    @property
    def vocab_size(self) -> int:
        """Tokens, padding among them."""
        return int(self._tokenizer.get_vocab_size()) + 1

    @property
    def features(self) -> FrozenFeatures:
        """From token ids to features, by the frozen encoder.

        Raises:
            UserMistake: it is not where it was, or is another one than that of the training.
        """
        if self._features is None:
            try:
                folder = folder_of(self.pretrained)
            except InvalidArgument as error:
                raise UserMistake(f"the frozen encoder of this model is not here: {error}") from None
            if content_of(folder) != self.content:
                raise UserMistake(
                    f"pretrained = {self.pretrained!r}: the encoder there is not the one of this model's training"
                )
            vectors = TextVectors(load_model(folder), self.layers)
            self._features = FrozenFeatures(vectors, each_token=self.use == "frozen").eval().requires_grad_(False)
        return self._features

    @property
    def net_arguments(self) -> dict[str, Any]:
        """Tuned: as of :class:`TextEncoder`, with ``encoder_config``; else ``token_width`` or ``in_features``."""
        if self.use == "tuned":
            return super().net_arguments | {"encoder_config": self.config}
        width = int(self.config["hidden_size"]) * len(self.layers)
        if self.use == "frozen":
            return {"token_width": width}
        return {"in_features": 3 * width, "num_numeric": 3 * width, "spans": number_spans(0, 3 * width)}

    def encode(self, frame: pd.DataFrame, *, where: str = "table") -> Tensor:
        """Features of the texts, by ``use``; see :class:`TextEncoder` for arguments and errors."""
        ids = self.ids(frame, where=where)
        return ids if self.use == "tuned" else self.embed(ids)

    def ids(self, frame: pd.DataFrame, *, where: str = "table") -> Tensor:
        """Token ids ``(N, T)`` of the texts; see :class:`TextEncoder`."""
        return super().encode(frame, where=where)

    def encode_parts(self, raw: Any, batch_size: int, *, where: str = "table") -> Iterator[Tensor]:
        """Features of at most ``batch_size`` rows after the other; vectors of few, since they are large."""
        rows = batch_size if self.use == "tuned" else min(batch_size, PARTS_ROWS)
        for start in range(0, len(raw), rows):
            yield self.encode(raw.iloc[start : start + rows], where=where)

    def encode_kept(self, frame: pd.DataFrame, *, where: str) -> Tensor:
        """As :meth:`encode`, with vectors that an earlier call has left in the folder of caches."""
        ids = self.ids(frame, where=where)
        if self.use == "tuned":
            return ids
        digest = hashlib.sha256(f"{self.content} {self.layers} {self.use} {tuple(ids.shape)}\n".encode())
        digest.update(ids.numpy().tobytes())
        path = cache_folder() / "vectors" / f"{digest.hexdigest()[:32]}.npy"
        if not path.is_file():
            made = self.embed(ids).numpy()
            path.parent.mkdir(parents=True, exist_ok=True)

            def write(temporary: Path) -> None:
                with temporary.open("wb") as file:
                    np.save(file, made)

            write_atomically(path, write)
        with readable(str(path)):
            return torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))

    @torch.no_grad()
    def embed(self, ids: Tensor) -> Tensor:
        """Vectors of token ids ``(N, T)``: ``(N, T, D)`` in float16, or pooled ``(N, 3 D)``."""
        lengths = (ids != PADDING_INDEX).sum(1)
        net, width = self.features, self.features.vectors.width
        shape, dtype = (
            ((*ids.shape, width), torch.float16) if net.each_token else ((len(ids), 3 * width), torch.float32)
        )
        made = torch.zeros(shape, dtype=dtype)
        for rows in lengths.argsort().split(ROWS):
            longest = max(int(lengths[rows].max()), 1)
            if net.each_token:
                made[rows, :longest] = net(ids[rows, :longest])
            else:
                made[rows] = net(ids[rows, :longest])
        return made

    def _ids(self, texts: Sequence[str]) -> tuple[np.ndarray, int]:
        encodings = self._tokenizer.encode_batch(list(texts))
        ids = np.full((len(texts), max((len(encoding.ids) for encoding in encodings), default=1)), PADDING_INDEX)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = np.asarray(encoding.ids) + 1
        return ids, sum(bool(encoding.overflowing) for encoding in encodings)

    def state(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        own = {name: getattr(self, name) for name in ("pretrained", "content", "config", "use", "layers")}
        return super().state() | own

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> PretrainedTextEncoder:
        """The encoder that ``state()`` described."""
        rest = {
            name: value for name, value in state.items() if name not in ("kind", "column", "tokenizer", "max_length")
        }
        return cls(state["column"], state["tokenizer"], state["max_length"], **rest)
