"""A loader of images that stay in their files until a batch needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from smoothlab.data.batch import Batch
from smoothlab.data.images.batch import ImageBatch
from smoothlab.data.images.decoding import Shape, decode
from smoothlab.errors import InvalidArgument, UserMistake


class FileLoader:
    """Batches of images that are decoded when it is their turn, by other processes than the one that trains.

    The order of an epoch depends on ``seed`` and the epoch's number alone, whatever the workers, as that of
    :class:`~smoothlab.data.MemoryLoader`; so is what falls to each rank.

    Args:
        files: of the images.
        known: what is known of them, in the same order; ``features`` is not looked at.
        shape: that they get.
        finish: makes features of a batch's pixels.
        batch_size: samples a batch of a rank, at least 1; the last batch of an epoch may be smaller.
        shuffle: draw a new order each epoch: training.
        seed: where the orders start.
        workers: processes that decode; 0: the one that trains.
        rank: of this process.
        ranks: how many there are.
    """

    def __init__(
        self,
        files: Sequence[Path],
        known: Batch,
        shape: Shape,
        finish: Callable[[Tensor], Tensor],
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        workers: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        if batch_size < 1:
            raise InvalidArgument("batch_size", batch_size, "an integer of at least 1")
        self.known = known
        self.finish = finish
        self.order = Order(len(files), batch_size, shuffle=shuffle, seed=seed, rank=rank, ranks=ranks)
        self.sampler = self.order  # Lightning calls sampler.set_epoch(epoch) at each epoch's start
        self.batch_sampler = None
        self._loader = DataLoader(
            Images(files, shape),
            sampler=self.order,
            batch_size=None,  # the sampler gives whole batches
            num_workers=workers,
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # else each epoch would draw from the global one
        )

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.order.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[ImageBatch]:
        for pixels, positions, mistake in self._loader:
            if mistake:
                raise UserMistake(mistake)
            known = self.known.take(positions)
            yield ImageBatch(pixels, known.labels, known.rows, known.metadata, finish=self.finish)


class Order(Sampler[list[int]]):
    """Positions of each batch of an epoch that falls to a rank."""

    def __init__(self, count: int, batch_size: int, *, shuffle: bool, seed: int, rank: int = 0, ranks: int = 1) -> None:
        self.count = count
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.ranks = ranks
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.count // (self.batch_size * self.ranks))

    def __iter__(self) -> Iterator[list[int]]:
        positions = torch.arange(self.count)
        if self.shuffle:
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self.epoch) % 2**63)
            positions = torch.randperm(self.count, generator=generator)
        for part in positions.split(self.batch_size * self.ranks):
            if self.shuffle:
                yield part[self.rank :: self.ranks].tolist()
            else:  # whole batches of one process
                yield part[self.rank * self.batch_size : (self.rank + 1) * self.batch_size].tolist()


class Images(Dataset[tuple[Tensor, Tensor, str]]):
    """Pixels of a batch of files, their positions, and what is wrong with them; an error would lose its one line."""

    def __init__(self, files: Sequence[Path], shape: Shape) -> None:
        self.files = np.array([str(file) for file in files])  # one block of memory, which workers share untouched
        self.shape = shape
        self.none = np.empty((0, shape.channels, shape.height, shape.width), dtype=np.uint8)

    def __getitem__(self, positions: list[int]) -> tuple[Tensor, Tensor, str]:
        where = torch.tensor(positions, dtype=torch.int64)
        try:
            images = [decode(Path(self.files[position]), self.shape) for position in positions]
            pixels = np.stack(images) if images else self.none
        except UserMistake as error:
            return torch.empty(0), where, str(error)
        return torch.from_numpy(pixels), where, ""
