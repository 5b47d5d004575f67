"""What a search for translations finds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from smoothlab.numbers import check_whole


@dataclass(frozen=True)
class Decoded:
    """The translation found for each of N sentences, on the CPU.

    Args:
        tokens: of each sentence, without begin and end.
        log_probabilities: natural logarithm of the whole translation's probability, the end token included, ``(N,)``
            in float32 or wider.
        lengths: tokens with the end token, ``(N,)`` int64.
    """

    tokens: list[list[int]]
    log_probabilities: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def cut(cls, tokens: Tensor, log_probabilities: Tensor, lengths: Tensor) -> Decoded:
        """Of rows of tokens ``(N, T)``, of which the first ``lengths - 1`` count."""
        counts = (lengths - 1).tolist()
        rows = [row[:count] for row, count in zip(tokens.tolist(), counts, strict=True)]
        return cls(rows, log_probabilities.cpu(), lengths.cpu())

    @classmethod
    def none(cls) -> Decoded:
        """Of no sentence."""
        return cls([], torch.zeros(0), torch.zeros(0, dtype=torch.int64))


def check_length(max_length: int, most: int) -> None:
    """Refuse a ``max_length`` of tokens that the net, which goes to ``most``, cannot write.

    Raises:
        InvalidArgument: it is below 1 or above ``most``.
    """
    check_whole("max_length", max_length, 1, most, f"an integer from 1 to the net's max_length = {most}")
