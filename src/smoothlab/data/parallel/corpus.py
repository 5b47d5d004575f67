"""The sentence pairs of a split as token ids, and batches made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smoothlab.data.batch import Batch
from smoothlab.data.parallel.pairs import SentencePairs
from smoothlab.data.parallel.ragged import Ragged, filled, runs


@dataclass(frozen=True)
class Truth:
    """What is known of each target token of synthetic sentences.

    Args:
        kinds: number of each token's distribution, int32 ``(M,)``.
        distributions: p(token | source, tokens before it), float32 ``(D, K)``; rows sum to 1.
    """

    kinds: NDArray[np.int32]
    distributions: Tensor


@dataclass(frozen=True)
class Corpus:
    """N sentence pairs of one split; its target tokens are the samples.

    Args:
        source: token ids of the sentences, each with its end token.
        target: of their translations, each with its end token unless it was cut.
        first_token: the first target token's number over all splits.
        frequency: each token's share of the training tokens, float32 ``(K,)``.
        padding_index: fills up shorter sentences.
        begin_index: what the decoder reads first.
        numbers: of the sentences in the file that they are from ``(N,)``, from 0.
        about: columns ``(N,)`` that say something about each sentence, by name.
        truth: what is known of each token, or None.
    """

    source: Ragged
    target: Ragged
    first_token: int
    frequency: Tensor
    padding_index: int
    begin_index: int
    numbers: NDArray[np.int64]
    about: Mapping[str, Tensor] = field(default_factory=dict)
    truth: Truth | None = None

    def __len__(self) -> int:
        return len(self.source)

    @property
    def num_tokens(self) -> int:
        """Target tokens."""
        return len(self.target.flat)

    @property
    def longer(self) -> NDArray[np.int64]:
        """Tokens of each pair's longer side ``(N,)``: what it costs."""
        return np.maximum(self.source.lengths, self.target.lengths)

    def batch(self, rows: NDArray[np.int64], *, truth: bool = False) -> Batch:
        """Some of the pairs, padded to their longest; what is not padding are the batch's samples.

        Args:
            rows: places of the pairs in this split ``(n,)``.
            truth: give what is known of each token as metadata ``posterior`` ``(M, K)``.
        """
        lengths = self.target.lengths[rows]
        places = self.target.places(rows)
        labels = self.target.flat[places].astype(np.int64)
        known = filled(lengths, int(lengths.max(initial=1)))
        read = np.full(known.shape, self.padding_index, dtype=np.int64)  # what the decoder reads: one place later
        read[known] = labels
        read[:, 1:] = np.where(known[:, 1:], read[:, :-1], self.padding_index)
        read[:, 0] = self.begin_index
        pairs = SentencePairs(
            torch.from_numpy(self.source.padded(rows, self.padding_index)),
            torch.from_numpy(read),
            torch.from_numpy(np.flatnonzero(known)),
        )
        tokens = torch.from_numpy(labels)
        metadata = {
            "sequence": torch.from_numpy(np.repeat(rows, lengths)),
            "position": torch.from_numpy(runs(np.zeros_like(lengths), lengths)),
            "frequency": self.frequency[tokens],
        }
        if truth and self.truth is not None:
            metadata["posterior"] = self.truth.distributions[torch.from_numpy(self.truth.kinds[places])]
        return Batch(cast(Any, pairs), tokens, torch.from_numpy(places + self.first_token), metadata)
