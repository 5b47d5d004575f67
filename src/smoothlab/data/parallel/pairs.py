"""Sentence pairs as an encoder-decoder takes them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass  # not frozen: Lightning casts a copy of it, for trainer.precision=64-true
class SentencePairs:
    """N sentences and what the decoder reads of their translations; the tokens to predict are a batch's labels.

    Args:
        source: token ids ``(N, S)`` that end with the end token, padded on the right.
        target: the decoder's input ``(N, T)``: the begin token, then y_1 to y_n, padded on the right.
        positions: places ``(M,)`` in the flattened decoder output ``(N * T,)`` whose label is known, in rising order;
            the labels there are y_1 to y_n and the end token, so that padding reaches no loss.
    """

    source: Tensor
    target: Tensor
    positions: Tensor

    @property
    def shape(self) -> torch.Size:
        """Of the source, ``(N, S)``."""
        return self.source.shape

    def __len__(self) -> int:
        return self.source.shape[0]

    def index_select(self, dim: int, index: Tensor) -> SentencePairs:
        """Those of the known tokens at ``index`` of their number ``(M,)``, with the sentences that have any of them.

        Args:
            dim: 0, as that of a batch's labels.
            index: ``(M',)``, in any order, of which ``positions`` are then.
        """
        assert dim == 0, dim
        width = self.target.shape[1]
        rows, places = self.positions[index] // width, self.positions[index] % width
        used, rows = rows.unique(return_inverse=True)
        return SentencePairs(self.source[used], self.target[used], rows * width + places)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> SentencePairs:
        """The same pairs on ``device``."""
        return SentencePairs(
            self.source.to(device, non_blocking=non_blocking),
            self.target.to(device, non_blocking=non_blocking),
            self.positions.to(device, non_blocking=non_blocking),
        )
