"""A loader of images that stay in their files until a batch needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from smoothlab.data.batch import Batch
from smoothlab.data.images.batch import ImageBatch
from smoothlab.data.images.decoding import Shape, decode
from smoothlab.data.loader import EpochLoader, EpochOrder
from smoothlab.errors import UserMistake


class FileLoader(EpochLoader):
    """Batches of images that are decoded when it is their turn, by other processes than the one that trains.

    The order is that of :class:`~smoothlab.data.MemoryLoader`, whatever the workers.

    Args:
        files: of the images.
        known: what is known of them, in the same order; ``features`` is not looked at.
        shape: that they get.
        finish: makes features of a batch's pixels.
        batch_size: see :class:`smoothlab.data.loader.EpochOrder`, as ``order``.
        workers: processes that decode; 0: the one that trains.
        order: ``shuffle``, ``seed``, ``rank`` and ``ranks``.
    """

    def __init__(
        self,
        files: Sequence[Path],
        known: Batch,
        shape: Shape,
        finish: Callable[[Tensor], Tensor],
        batch_size: int,
        *,
        workers: int = 0,
        **order: Any,
    ) -> None:
        super().__init__(EpochOrder(len(files), batch_size, **order))
        self.known = known
        self.finish = finish
        self._loader = DataLoader(
            Images(files, shape),
            sampler=self.order,
            batch_size=None,  # the sampler gives whole batches
            num_workers=workers,
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # else each epoch would draw from the global one
        )

    def __iter__(self) -> Iterator[ImageBatch]:
        for pixels, positions, mistake in self._loader:
            if mistake:
                raise UserMistake(mistake)
            known = self.known.take(positions)
            yield ImageBatch(pixels, known.labels, known.rows, known.metadata, finish=self.finish)


class Images(Dataset[tuple[Tensor, Tensor, str]]):
    """Pixels of a batch of files, their positions, and what is wrong with them; an error would lose its one line."""

    def __init__(self, files: Sequence[Path], shape: Shape) -> None:
        self.files = np.array([str(file) for file in files])  # one block of memory, which workers share untouched
        self.shape = shape
        self.none = np.empty((0, shape.channels, shape.height, shape.width), dtype=np.uint8)

    def __getitem__(self, positions: slice | Tensor) -> tuple[Tensor, Tensor, str]:
        where = torch.arange(len(self.files))[positions]
        try:
            images = [decode(Path(file), self.shape) for file in self.files[where.numpy()]]
            pixels = np.stack(images) if images else self.none
        except UserMistake as error:
            return torch.empty(0), where, str(error)
        return torch.from_numpy(pixels), where, ""
