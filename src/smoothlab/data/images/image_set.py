"""What a source of images holds, before anything is decoded or split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from smoothlab.classes import ClassTree

LABEL = "label"


@dataclass
class ImageSet:
    """Images and what is known of them.

    Args:
        frame: a row an image: a column of labels (``label``, or those of a table), and any others.
        files: the images' files, or None where there are pixels.
        pixels: ``(N, C, H, W)``, uint8, or None where there are files.
        splits: ``train``, ``val`` or ``test`` of each image, or None where the source does not say.
        tree: of the classes, where the source says.
        names: of the classes by what the labels say, where the source says.
        target: the column of labels, or the columns.
        contents: files whose bytes are the data, beside the images themselves, for the fingerprint.
        root: folder of the images, which is left out of the fingerprint: a moved folder is the same data.
        notes: what there is to say.
    """

    frame: pd.DataFrame
    files: list[Path] | None = None
    pixels: np.ndarray | None = None
    splits: np.ndarray | None = None
    tree: ClassTree | None = None
    names: dict[str, str] | None = None
    target: str | list[str] = LABEL
    contents: list[Path] = field(default_factory=list)
    root: Path | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        """The columns of labels."""
        return [self.target] if isinstance(self.target, str) else self.target

    def fingerprint(self, *, by_content: bool) -> str:
        """A hash of the data: of every byte, or of the image files' names, sizes and times of change."""
        digest = hashlib.sha256()
        for path in self.contents:
            digest.update(_hash(path))
        for path in self.files or ():
            name = path.relative_to(self.root).as_posix() if self.root and path.is_relative_to(self.root) else str(path)
            digest.update(name.encode() + b"\0")
            if by_content:
                digest.update(_hash(path))
            else:
                stat = path.stat()
                digest.update(f"{stat.st_size} {stat.st_mtime_ns}\0".encode())
        return digest.hexdigest()


def _hash(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def as_pixels(images: np.ndarray, where: str) -> np.ndarray:
    """Arrays of images ``(N, H, W)`` or ``(N, H, W, C)`` as ``(N, C, H, W)``, uint8.

    Raises:
        ValueError: another shape or type, in words that follow ``where``.
    """
    if images.dtype == np.uint16:
        images = (images >> 8).astype(np.uint8)
    elif images.dtype == np.bool_:
        images = images.astype(np.uint8) * 255
    if images.dtype != np.uint8:
        raise ValueError(f"{where} holds {images.dtype} values; expected bytes (uint8)")
    if images.ndim == 3:
        return np.ascontiguousarray(images[:, None])
    if images.ndim == 4 and images.shape[-1] in (1, 3):
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    raise ValueError(f"{where} has the shape {images.shape}; expected (N, H, W), (N, H, W, 1) or (N, H, W, 3)")


def joined(parts: Iterable[str]) -> str:
    """Some names in a row, the rest as a number."""
    names = list(parts)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
