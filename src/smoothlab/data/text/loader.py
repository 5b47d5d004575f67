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
    """Batches whose T is the length of the batch's longest text; arguments as of MemoryLoader."""

    def __iter__(self) -> Iterator[Batch]:
        for batch in super().__iter__():
            yield dataclasses.replace(batch, features=trimmed(batch.features))


def trimmed(features: Tensor) -> Tensor:
    """Token ids ``(N, T)``, or vectors ``(N, T, D)``, without the places at the end that hold padding alone.

    One place is left at least; a vector a text ``(N, D)`` has none to leave out.
    """
    if features.is_floating_point() and features.ndim == 2:
        return features
    there = (features != PADDING_INDEX).any(0)
    used = torch.nonzero(there if there.ndim == 1 else there.any(-1))
    return features[:, : int(used[-1]) + 1 if len(used) else 1]
