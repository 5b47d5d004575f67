"""Batches that travel as bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from smoothlab.data.batch import Batch


@dataclass
class ImageBatch(Batch):
    """Images as bytes, which become what a net takes on its device: a quarter of the memory and of the traffic.

    ``features`` are pixels ``(N, C, H, W)``, uint8.

    Args:
        finish: makes float32 features of pixels, whole batches at once.
    """

    finish: Callable[[Tensor], Tensor] = field(kw_only=True)

    def take(self, index: Tensor | slice) -> ImageBatch:
        """See :class:`Batch`."""
        return self._with(super().take(index))

    def to(self, device: torch.device | str) -> ImageBatch:
        """See :class:`Batch`; pixels stay bytes."""
        return self._with(super().to(device))

    def ready(self, device: torch.device | str, dtype: torch.dtype) -> Batch:
        """See :class:`Batch`: pixels become floats."""
        here = super().to(device)
        return Batch(self.finish(here.features).to(dtype), here.labels, here.rows, here.metadata)

    def _with(self, batch: Batch) -> ImageBatch:
        return ImageBatch(batch.features, batch.labels, batch.rows, batch.metadata, finish=self.finish)
