"""A loader for texts in memory that leaves out the padding which no text of a batch needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch
from torch import Tensor

from smoothlab.data.batch import Batch
from smoothlab.data.loader import MemoryLoader
from smoothlab.data.text.encoder import PADDING_INDEX


class TextLoader(MemoryLoader):
    """Batches of token ids ``(N, T)``, T the length of the batch's longest text; arguments as of MemoryLoader."""

    def __iter__(self) -> Iterator[Batch]:
        for batch in super().__iter__():
            yield dataclasses.replace(batch, features=trimmed(batch.features))


def trimmed(ids: Tensor) -> Tensor:
    """Token ids ``(N, T)`` without the columns at the end that hold padding alone; one column is left at least."""
    used = torch.nonzero((ids != PADDING_INDEX).any(0))
    return ids[:, : int(used[-1]) + 1 if len(used) else 1]
