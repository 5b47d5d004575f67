"""Batches of row groups: in their order, or shuffled in windows, in memory that does not grow with the rows."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from smoothlab.data.batch import Batch
from smoothlab.data.module import SPLITS
from smoothlab.data.parquet.source import RowGroups

Item = TypeVar("Item")


class ParquetBatches(IterableDataset[Batch]):
    """The batches of a split that fall to one rank and worker.

    The samples of all row groups stand in a line: in evaluation in the order of the files, in training in an order of
    the row groups that seed and epoch decide. The line is cut into as many pieces as there are ranks and workers, equal
    to one sample; so every sample comes once an epoch, and only the row groups at the cuts are read twice. In training
    a piece is read in windows, whose samples are mixed.

    Args:
        source: where the samples come from.
        split: ``train``, ``val`` or ``test``.
        batch_size: samples a batch of a rank.
        window: samples that are mixed at least; whole row groups, one or more.
        shuffle_seed: of the orders of training; None: evaluation.
        rank: of this process.
        ranks: how many there are.
        workers: processes that read for each of them; 0 is its own.
    """

    def __init__(
        self,
        source: RowGroups,
        split: str,
        batch_size: int,
        *,
        window: int,
        shuffle_seed: int | None = None,
        rank: int = 0,
        ranks: int = 1,
        workers: int = 0,
    ) -> None:
        self.source = source
        self.split = split
        self.batch_size = batch_size
        self.window = window
        self.shuffle_seed = shuffle_seed
        self.rank = rank
        self.ranks = ranks
        self.shards = max(workers, 1)
        self.epoch = 0
        self._counts = source.counts[:, SPLITS.index(split)]
        self.num_samples = int(self._counts.sum())

    def __len__(self) -> int:
        return max(self._batches_of(rank) for rank in range(self.ranks))  # all ranks take so many steps

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        shard = self.rank * self.shards + (info.id if info is not None else 0)
        windows = self._windows(shard, threads=info is None)
        for pool, batches in windows if info is not None else ahead(windows):
            yield from (self.source.finished(pool.take(positions)) for positions in batches)

    def any_batch(self) -> Batch:
        """A batch of the split, for a rank that has none of its own: the first of all."""
        return next(iter(ParquetBatches(self.source, self.split, self.batch_size, window=1)))

    def _batches_of(self, rank: int) -> int:
        first = rank * self.shards
        pieces = (self._cuts(shard) for shard in range(first, first + self.shards))
        return sum(-(-(stop - start) // self.batch_size) for start, stop in pieces)

    def _cuts(self, shard: int) -> tuple[int, int]:
        """Where a piece begins and ends in the line of all samples."""
        pieces = self.ranks * self.shards
        return self.num_samples * shard // pieces, self.num_samples * (shard + 1) // pieces

    def _parts(self, shard: int) -> Iterator[tuple[int, int, int]]:
        """A row group and which of its samples, for each group that a piece takes a part of."""
        order = np.arange(len(self._counts))
        if self.shuffle_seed is not None:
            order = np.random.default_rng((self.shuffle_seed, self.epoch)).permutation(order)
        start, stop = self._cuts(shard)
        ends = np.cumsum(self._counts[order])
        for place in range(int(np.searchsorted(ends, start, side="right")), len(order)):
            group, begin = int(order[place]), int(ends[place] - self._counts[order[place]])
            if begin >= stop:
                return
            low, high = max(start - begin, 0), min(stop, int(ends[place])) - begin
            if low < high:
                yield group, low, high

    def _windows(self, shard: int, *, threads: bool) -> Iterator[tuple[Batch, list[torch.Tensor | slice]]]:
        """Some samples, and which of them make the batches; what is less than a batch goes into the next window."""
        shuffled = self.shuffle_seed is not None
        window = self.window if shuffled else 1
        seed = np.random.SeedSequence((self.shuffle_seed or 0, self.epoch, shard + 1)).generate_state(1)[0]
        generator = torch.Generator().manual_seed(int(seed))
        start, stop = self._cuts(shard)
        left = stop - start
        parts: list[tuple[int, int, int]] = []
        fresh, before = 0, None
        with closing(self.source.reader(threads=threads)) as reader:
            for part in self._parts(shard):
                parts.append(part)
                fresh += part[2] - part[1]
                left -= part[2] - part[1]
                if fresh < window and left:
                    continue
                pool = self.source.joined(reader, self.split, parts, before)
                whole = len(pool) - (len(pool) % self.batch_size if left else 0)
                cuts = [slice(at, min(at + self.batch_size, whole)) for at in range(0, whole, self.batch_size)]
                batches: list[torch.Tensor | slice] = list(cuts)
                rest: torch.Tensor | slice = slice(whole, None)
                if shuffled:
                    places = torch.randperm(len(pool), generator=generator)
                    batches, rest = [places[cut] for cut in cuts], places[whole:]
                parts, fresh, before = [], 0, pool.take(rest)
                yield pool, batches


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, each made in a thread while the one before it is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="parquet") as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item
