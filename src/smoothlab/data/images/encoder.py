"""The map from images to the features of a net."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from smoothlab.data.encoder import Encoder
from smoothlab.data.images.decoding import SUFFIXES, Shape, decode
from smoothlab.errors import UserMistake

PART_VALUES = 2**26  # floats of images that are decoded at once
THREADS = 4  # Pillow decodes outside Python's lock


class ImageEncoder(Encoder):
    """Images of one size and number of channels, each channel standardised: ``(value / 255 - mean) / deviation``.

    Args:
        shape: height, width and channels.
        mean: of each channel over the training images, in [0, 1].
        deviation: of each channel, in (0, 1].
        column: with the path, where images come as rows of a table.
    """

    kind = "image"
    of_tables = False

    def __init__(self, shape: Shape, mean: Sequence[float], deviation: Sequence[float], column: str = "path") -> None:
        self.shape = shape
        self.mean = [float(value) for value in mean]
        self.deviation = [float(value) for value in deviation]
        self.column = column

    @classmethod
    def fit(cls, pixels: np.ndarray, shape: Shape, column: str = "path") -> ImageEncoder:
        """Mean and deviation of training pixels ``(N, C, H, W)``, uint8; a constant channel has deviation 1."""
        counts = np.zeros((shape.channels, 256))
        for part in np.array_split(pixels, max(1, pixels.size // PART_VALUES)):
            for channel in range(shape.channels):
                counts[channel] += np.bincount(part[:, channel].reshape(-1), minlength=256)
        values = np.arange(256) / 255
        shares = counts / counts.sum(1, keepdims=True)
        mean = shares @ values
        deviation = np.sqrt(np.maximum(shares @ values**2 - mean**2, 0))
        return cls(shape, mean.tolist(), np.where(deviation > 1e-6, deviation, 1.0).tolist(), column)

    @property
    def raw_columns(self) -> list[str]:
        """See :class:`Encoder`."""
        return [self.column]

    @property
    def net_arguments(self) -> dict[str, Any]:
        """Of features ``(N, C, H, W)``: C, ``[H, W]``, their product, and by what each channel is standardised."""
        return {
            "in_channels": self.shape.channels,
            "image_size": self.shape.size,
            "in_features": self.shape.values,
            "channel_statistics": {"mean": self.mean, "deviation": self.deviation},
        }

    def scaled(self, pixels: Tensor) -> Tensor:
        """Bytes as float32 in [0, 1]."""
        return pixels.to(torch.float32).mul_(1 / 255)

    def standardised(self, values: Tensor) -> Tensor:
        """Values ``(N, C, H, W)`` in [0, 1] as features; changes them in place."""
        mean = torch.tensor(self.mean, device=values.device, dtype=values.dtype).view(-1, 1, 1)
        deviation = torch.tensor(self.deviation, device=values.device, dtype=values.dtype).view(-1, 1, 1)
        return values.sub_(mean).div_(deviation)

    def finish(self, pixels: Tensor) -> Tensor:
        """Features of pixels ``(N, C, H, W)``, uint8."""
        return self.standardised(self.scaled(pixels))

    def read(self, path: Path) -> pd.DataFrame:
        """Raw rows of what a user names: a folder of images, one image, or a table with a column of paths.

        The rows have a column with the path, and an index ``file`` with what to call them.

        Raises:
            UserMistake: there is nothing, or no image in it.
        """
        if path.is_dir():
            inside = (inner.relative_to(path) for inner in path.rglob("*"))
            names = sorted(name for name in inside if name.suffix.lower() in SUFFIXES and not _hidden(name))
            if not names:
                raise UserMistake(f"{path}: no image in it ({' '.join(sorted(SUFFIXES))})")
            paths = [str(path / name) for name in names]
            return pd.DataFrame({self.column: paths}, index=pd.Index([n.as_posix() for n in names], name="file"))
        if path.suffix.lower() in SUFFIXES:
            return pd.DataFrame({self.column: [str(path)]}, index=pd.Index([str(path)], name="file"))
        from smoothlab.data.table.reading import read_table

        if not path.is_file():
            raise UserMistake(f"input = {str(path)!r}: no such file or folder")
        frame = read_table(path, key="input")
        if self.column not in frame.columns:
            raise UserMistake(f"{path}: no column {self.column!r} with the path of each image")
        return pd.DataFrame(
            {self.column: [str(path.parent / str(name)) for name in frame[self.column]]},
            index=pd.Index(frame[self.column].astype(str), name="file"),
        )

    def encode(self, raw: pd.DataFrame, *, where: str = "images") -> Tensor:
        """Features ``(N, C, H, W)`` in float32 of rows with a column of paths; see :meth:`read`.

        Raises:
            UserMistake: no such column, or a file that cannot be read, with its path.
        """
        return self.finish(torch.from_numpy(self.pixels(raw, where=where)))

    def encode_parts(self, raw: pd.DataFrame, batch_size: int, *, where: str = "images") -> Iterator[Tensor]:
        """The same for a part of the rows after the other, as many as fit in memory, at most ``batch_size``."""
        size = max(1, min(batch_size, PART_VALUES // self.shape.values))
        for start in range(0, max(len(raw), 1), size):
            yield self.encode(raw.iloc[start : start + size], where=where)

    def pixels(self, raw: pd.DataFrame, *, where: str = "images") -> np.ndarray:
        """Pixels ``(N, C, H, W)``, uint8, of rows with a column of paths."""
        if self.column not in raw.columns:
            raise UserMistake(f"{where}: no column {self.column!r} with the path of each image")
        return decode_all([Path(str(path)) for path in raw[self.column]], self.shape)

    def state(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return {
            "kind": self.kind,
            "size": self.shape.size,
            "channels": self.shape.channels,
            "fit": self.shape.fit,
            "mean": self.mean,
            "deviation": self.deviation,
            "column": self.column,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> ImageEncoder:
        """The encoder that ``state()`` described."""
        height, width = state["size"]
        shape = Shape(int(height), int(width), int(state["channels"]), state["fit"])
        return cls(shape, state["mean"], state["deviation"], state["column"])


def decode_all(files: Sequence[Path], shape: Shape) -> np.ndarray:
    """Pixels ``(N, C, H, W)``, uint8, of files.

    Raises:
        UserMistake: one cannot be read, with its path.
    """
    try:
        pixels = np.empty((len(files), shape.channels, shape.height, shape.width), dtype=np.uint8)
    except MemoryError:
        size = len(files) * shape.values / 2**30
        raise UserMistake(f"{len(files)} images of {size:.1f} GiB do not fit in memory; data.keep=files") from None
    with ThreadPoolExecutor(THREADS) as threads:
        for place, image in enumerate(threads.map(functools.partial(decode, shape=shape), files)):
            pixels[place] = image
    return pixels


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
