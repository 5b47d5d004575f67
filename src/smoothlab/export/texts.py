"""Texts: token ids; the tokenizer stands in the metadata."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from smoothlab.data.text.encoder import PADDING_INDEX
from smoothlab.export.inputs import Arrays, Inputs


class TextInputs(Inputs):
    """``ids`` int64 ``(N, T)``, filled up with 0, at least two places: a program of torch.export wants no fewer."""

    names: tuple[str, ...] = ("ids",)

    def read(self, frame: pd.DataFrame, *, where: str = "table") -> Arrays:
        """See :class:`Inputs`."""
        return {"ids": self._wide(self.encoder.encode(frame, where=where)).numpy()}

    def _wide(self, ids: Tensor) -> Tensor:
        lacking = min(2, self.encoder.max_length) - ids.shape[1]
        return nn.functional.pad(ids, (0, lacking), value=PADDING_INDEX) if lacking > 0 else ids

    def graph(self) -> nn.Module:
        """See :class:`Inputs`."""
        return nn.Identity()

    def trial(self, rows: int, seed: int) -> tuple[Arrays, Tensor]:
        """See :class:`Inputs`; texts of any length."""
        generator = np.random.default_rng(seed)
        ids = generator.integers(1, max(self.encoder.vocab_size, 2), (rows, self.encoder.max_length))
        lengths = generator.integers(1, self.encoder.max_length + 1, rows)
        ids[np.arange(self.encoder.max_length) >= lengths[:, None]] = PADDING_INDEX
        features = torch.from_numpy(ids.astype(np.int64))
        return {"ids": self._wide(features).numpy()}, features

    def dynamic(self) -> dict[str, tuple[int, ...]]:
        """See :class:`Inputs`."""
        return {"ids": (0, 1) if self.encoder.max_length > 2 else (0,)}


class PretrainedTextInputs(TextInputs):
    """The same by a pretrained encoder's tokenizer, ids 1 more than its own; frozen, it is in the graph."""

    def read(self, frame: pd.DataFrame, *, where: str = "table") -> Arrays:
        """See :class:`Inputs`."""
        return {"ids": self._wide(self.encoder.ids(frame, where=where)).numpy()}

    def graph(self) -> nn.Module:
        """See :class:`Inputs`."""
        return nn.Identity() if self.encoder.use == "tuned" else self.encoder.features

    def trial(self, rows: int, seed: int) -> tuple[Arrays, Tensor]:
        """See :class:`Inputs`."""
        arrays, ids = super().trial(rows, seed)
        return arrays, ids if self.encoder.use == "tuned" else self.encoder.embed(ids)
