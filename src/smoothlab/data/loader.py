"""A loader for data that fits in memory: one indexing operation a batch, no collation of samples."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from smoothlab.data.batch import Batch
from smoothlab.errors import InvalidArgument


class MemoryLoader:
    """Iterate over one big batch in small ones.

    A DataLoader collates samples one by one, which costs 3-4 x the training step at batch 1024 on small nets; this
    loader takes whole batches out of the tensors. The order of an epoch depends on ``seed`` and the epoch's number
    alone, not on any global random state, so that a resumed run sees the batches that it would have seen.

    Args:
        data: all samples.
        batch_size: samples a batch, at least 1; the last batch of an epoch may be smaller.
        shuffle: draw a new order each epoch.
        seed: where the orders start.
    """

    def __init__(self, data: Batch, batch_size: int, *, shuffle: bool = False, seed: int = 0) -> None:
        if batch_size < 1:
            raise InvalidArgument("batch_size", batch_size, "an integer of at least 1")
        self.data = data
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0
        # What Lightning asks a loader for: it calls sampler.set_epoch(epoch) at each epoch's start.
        self.sampler = self
        self.batch_sampler = None

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.data) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        size = self.batch_size
        if not self.shuffle:
            for start in range(0, len(self.data), size):
                yield self.data.take(slice(start, start + size))
            return
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self.epoch) % 2**63)
        for positions in torch.randperm(len(self.data), generator=generator).split(size):
            yield self.data.take(positions)
