"""Images: bytes of the size that the model was trained on; standardising is in the graph."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from smoothlab.export.inputs import Arrays, Inputs


class ImageGraph(nn.Module):
    """From bytes ``(N, C, H, W)`` to ``(value / 255 - mean) / deviation``, by channel.

    Args:
        mean: of each channel.
        deviation: of each channel.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: list[float], deviation: list[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(-1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Features of pixels."""
        return (pixels.to(torch.float32) * (1 / 255) - self.mean) / self.deviation


class ImageInputs(Inputs):
    """``pixels`` uint8 ``(N, C, H, W)``; files are decoded, and brought to the size, before the graph."""

    names: tuple[str, ...] = ("pixels",)

    def read(self, frame: pd.DataFrame, *, where: str = "table") -> Arrays:
        """See :class:`Inputs`."""
        return {"pixels": self.encoder.pixels(frame, where=where)}

    def graph(self) -> ImageGraph:
        """See :class:`Inputs`."""
        return ImageGraph(self.encoder.mean, self.encoder.deviation)

    def trial(self, rows: int, seed: int) -> tuple[Arrays, Tensor]:
        """See :class:`Inputs`; random bytes."""
        shape = self.encoder.shape
        size = (min(rows, 8), shape.channels, shape.height, shape.width)
        pixels = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
        return {"pixels": pixels}, self.encoder.finish(torch.from_numpy(pixels.copy()))
