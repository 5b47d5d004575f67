"""Loaders: the order of an epoch, batches out of memory, and batches of a stream."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from smoothlab.data.batch import Batch
from smoothlab.errors import InvalidArgument


def epoch_seed(seed: int, epoch: int) -> int:
    """What draws the order of an epoch: the seed and the epoch's number alone, so that a resumed run repeats it."""
    return (seed * 1_000_003 + epoch) % 2**63


class EpochLoader:
    """A loader whose order hangs on the epoch; Lightning calls ``loader.sampler.set_epoch(epoch)`` at each start.

    Args:
        order: what has the ``epoch``, the batches to be ``skipped`` and, as its length, the number of batches.
    """

    batch_sampler = None

    def __init__(self, order: Any) -> None:
        self.order = order

    @property
    def sampler(self) -> EpochLoader:
        """What Lightning tells the epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.order.epoch = epoch

    def skip(self, batches: int) -> None:
        """Leave out the first batches of the next pass: a run that is resumed within an epoch has had them."""
        self.order.skipped = batches

    def __len__(self) -> int:
        return len(self.order)


class EpochOrder(Sampler[slice | Tensor]):
    """Positions of the samples of each batch.

    Several ranks draw the same order. In training each takes every ``ranks``-th sample of a batch of ``ranks *
    batch_size``, so that together they take the steps of one process with batches of that size; in evaluation each
    takes every ``ranks``-th batch, so that a sample is counted once, in the batch that one process would have had it
    in. All ranks give equally many batches; the last ones of some may be without samples.

    Args:
        count: of all samples.
        batch_size: samples a batch of a rank, at least 1; the last batch of an epoch may be smaller.
        shuffle: draw a new order each epoch: training.
        seed: where the orders start.
        rank: of this process.
        ranks: how many there are.
    """

    def __init__(
        self, count: int, batch_size: int, *, shuffle: bool = False, seed: int = 0, rank: int = 0, ranks: int = 1
    ) -> None:
        if batch_size < 1:
            raise InvalidArgument("batch_size", batch_size, "an integer of at least 1")
        self.count = count
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.ranks = ranks
        self.epoch = 0
        self.skipped = 0

    def __len__(self) -> int:
        return -(-self.count // (self.batch_size * self.ranks))

    def __iter__(self) -> Iterator[slice | Tensor]:
        skipped, self.skipped = self.skipped, 0
        yield from itertools.islice(self._batches(), skipped, None)

    def _batches(self) -> Iterator[slice | Tensor]:
        size, rank, ranks = self.batch_size, self.rank, self.ranks
        if not self.shuffle:
            for start in range(rank * size, len(self) * ranks * size, ranks * size):
                yield slice(start, start + size)  # beyond the end: without samples
            return
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.epoch))
        for positions in torch.randperm(self.count, generator=generator).split(size * ranks):
            yield positions if ranks == 1 else positions[rank::ranks]


class MemoryLoader(EpochLoader):
    """Iterate over one big batch in small ones, in the order of :class:`EpochOrder`.

    A DataLoader collates samples one by one, which costs 3-4 x the training step at batch 1024 on small nets; this
    loader takes whole batches out of the tensors.

    Args:
        data: all samples.
        batch_size: see :class:`EpochOrder`, as ``order``.
        order: ``shuffle``, ``seed``, ``rank`` and ``ranks``.
    """

    def __init__(self, data: Batch, batch_size: int, **order: Any) -> None:
        super().__init__(EpochOrder(len(data), batch_size, **order))
        self.data = data

    def __iter__(self) -> Iterator[Batch]:
        return map(self.data.take, self.order)


class StreamLoader(EpochLoader):
    """Batches of a stream, made in this process or ahead of time in workers.

    A rank whose batches are over before those of the others gives batches without samples.

    Args:
        stream: an ``IterableDataset`` of a rank's batches, with an ``epoch``, the number of steps that all ranks take
            as its length, and ``any_batch()`` for a rank that has none of its own.
        workers: processes that make them; 0 is this one.
    """

    def __init__(self, stream: Any, workers: int = 0) -> None:
        super().__init__(stream)
        self.stream = stream
        self.workers = workers
        self._skipped = 0

    def skip(self, batches: int) -> None:
        """See :class:`EpochLoader`; the stream makes them all the same."""
        self._skipped = batches

    def __iter__(self) -> Iterator[Batch]:
        skipped, self._skipped = self._skipped, 0
        made, batch = 0, None
        for batch in self._batches():
            made += 1
            if made > skipped:
                yield batch
        if (given := max(made, skipped)) < len(self):
            some = self.stream.any_batch() if batch is None else batch
            for _ in range(len(self) - given):
                yield some.take(slice(0, 0))

    def _batches(self) -> Any:
        if not self.workers:
            return self.stream
        generator = torch.Generator()  # else each epoch would draw from the global one
        return DataLoader(self.stream, batch_size=None, num_workers=self.workers, generator=generator)
