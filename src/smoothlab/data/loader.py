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

    Several ranks draw the same order. In training each takes every ``ranks``-th sample of a batch of ``ranks *
    batch_size``, so that together they take the steps of one process with batches of that size; in evaluation each
    takes every ``ranks``-th batch, so that a sample is counted once, in the batch that one process would have had it
    in. All ranks give equally many batches; the last ones of some may be without samples.

    Args:
        data: all samples.
        batch_size: samples a batch of a rank, at least 1; the last batch of an epoch may be smaller.
        shuffle: draw a new order each epoch: training.
        seed: where the orders start.
        rank: of this process.
        ranks: how many there are.
    """

    def __init__(
        self, data: Batch, batch_size: int, *, shuffle: bool = False, seed: int = 0, rank: int = 0, ranks: int = 1
    ) -> None:
        if batch_size < 1:
            raise InvalidArgument("batch_size", batch_size, "an integer of at least 1")
        self.data = data
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.ranks = ranks
        self.epoch = 0
        # What Lightning asks a loader for: it calls sampler.set_epoch(epoch) at each epoch's start.
        self.sampler = self
        self.batch_sampler = None

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.data) // (self.batch_size * self.ranks))

    def __iter__(self) -> Iterator[Batch]:
        size, rank, ranks = self.batch_size, self.rank, self.ranks
        if not self.shuffle:
            for start in range(rank * size, len(self) * ranks * size, ranks * size):
                yield self.data.take(slice(start, start + size))  # beyond the end: without samples
            return
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self.epoch) % 2**63)
        for positions in torch.randperm(len(self.data), generator=generator).split(size * ranks):
            yield self.data.take(positions[rank::ranks])
