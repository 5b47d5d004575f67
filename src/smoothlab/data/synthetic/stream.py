"""Loaders that draw synthetic rows when they are asked for, in memory that does not grow with the rows."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import IterableDataset, get_worker_info

from smoothlab.data.batch import Batch, joined
from smoothlab.data.loader import epoch_seed
from smoothlab.data.synthetic.rows import SyntheticRows

PIECE = 1024  # rows that stay together when the order of a training epoch is drawn, at least
WINDOW = 16  # pieces that are mixed row by row


class RowStream(IterableDataset[Batch]):
    """The batches of a split that fall to one rank and worker.

    In evaluation the batches stand in the order of the rows, and a rank has every ``ranks``-th of them. In training
    pieces of about ``PIECE`` rows are put into an order that the seed and the epoch decide, dealt out to ranks and
    workers, and mixed row by row in windows of ``WINDOW`` pieces. Every row comes once an epoch.

    Args:
        rows: where they come from.
        split: ``train``, ``val`` or ``test``.
        batch_size: samples a batch of a rank.
        shuffle_seed: of the orders of training; None: evaluation, whose batches have the truth beside them.
        rank: of this process.
        ranks: how many there are.
    """

    def __init__(
        self,
        rows: SyntheticRows,
        split: str,
        batch_size: int,
        *,
        shuffle_seed: int | None = None,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.rows = rows
        self.split = split
        self.batch_size = batch_size
        self.shuffle_seed = shuffle_seed
        self.rank = rank
        self.ranks = ranks
        self.epoch = 0
        start, stop = rows.ranges[split]
        self.num_rows = stop - start
        self.piece = batch_size * -(
            -PIECE // batch_size
        )  # whole batches, so that only the last piece has a part of one

    def __len__(self) -> int:
        batches = -(-self.num_rows // self.batch_size)
        if self.ranks == 1:
            return batches
        if self.shuffle_seed is None:
            return -(-batches // self.ranks)
        pieces = -(-self.num_rows // self.piece)  # the same for all ranks: each takes so many steps
        return min(batches, -(-pieces // self.ranks) * (self.piece // self.batch_size))

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info is not None else (0, 1)
        if self.shuffle_seed is None:
            own = range(self.rank, -(-self.num_rows // self.batch_size), self.ranks)[worker::workers]
            for index in own:
                begin = index * self.batch_size
                yield self.rows.batch(self.split, begin, min(begin + self.batch_size, self.num_rows), truth=True)
            return
        generator = torch.Generator().manual_seed(epoch_seed(self.shuffle_seed, self.epoch))
        order = torch.randperm(-(-self.num_rows // self.piece), generator=generator)  # 8 bytes a piece
        shard = self.rank + self.ranks * worker
        generator.manual_seed(epoch_seed(self.shuffle_seed, self.epoch + 7919 * (shard + 1)))
        for window in order[shard :: self.ranks * workers].split(WINDOW):
            if not len(window):
                return  # more shards than pieces
            begins = (int(index) * self.piece for index in window)
            ends = ((begin, min(begin + self.piece, self.num_rows)) for begin in begins)
            mixed = joined([self.rows.batch(self.split, *end, truth=False) for end in ends])
            for positions in torch.randperm(len(mixed), generator=generator).split(self.batch_size):
                yield mixed.take(positions)

    def any_batch(self) -> Batch:
        """A batch without rows, for a rank that has none of its own."""
        return self.rows.empty(self.split, truth=self.shuffle_seed is None)
