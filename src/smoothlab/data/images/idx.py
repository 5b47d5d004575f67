"""Images in idx files, the format of MNIST and its successors."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from smoothlab.data.images.image_set import LABEL, ImageSet
from smoothlab.errors import UserMistake, reason_of
from smoothlab.unpacking import unpacked

UNSIGNED_BYTES = 0x08
PREFIXES = {"train": "train", "test": "t10k"}


def is_idx(names: Mapping[str, Path] | list[str]) -> bool:
    """Whether these are the files of such a set."""
    return any(name.startswith("train-images-idx3-ubyte") for name in names)


def read_idx_set(files: Mapping[str, Path]) -> ImageSet:
    """The set of ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same of ``t10k``, or with .gz.

    Args:
        files: by name.

    Raises:
        UserMistake: a file is missing, damaged, or does not fit another one.
    """
    pixels, labels, splits, used = [], [], [], []
    for split, prefix in PREFIXES.items():
        pair = []
        for kind, dimensions in (("images", 3), ("labels", 1)):
            name = f"{prefix}-{kind}-idx{dimensions}-ubyte"
            path = files.get(name) or files.get(f"{name}.gz")
            if path is None:
                raise UserMistake(f"data.path: {name} (or {name}.gz) is missing")
            pair.append(read_idx(path, dimensions))
            used.append(path)
        if len(pair[0]) != len(pair[1]):
            raise UserMistake(f"{used[-2]}: {len(pair[0])} images, but {len(pair[1])} labels in {used[-1].name}")
        pixels.append(pair[0])
        labels.append(pair[1])
        splits += [split] * len(pair[0])
    if pixels[0].shape[1:] != pixels[1].shape[1:]:
        raise UserMistake(f"{used[2]}: images of {pixels[1].shape[1:]}, those of training have {pixels[0].shape[1:]}")
    return ImageSet(
        pd.DataFrame({LABEL: np.concatenate(labels).astype(np.int64)}),
        pixels=np.concatenate(pixels)[:, None],
        splits=np.array(splits, dtype=object),
        contents=used,
    )


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The array in an idx file of unsigned bytes.

    Args:
        path: of the file; a name that ends in .gz is unpacked.
        dimensions: that it must have.

    Raises:
        UserMistake: not such a file, truncated or with something behind its end.
    """
    try:
        content = unpacked(path)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UserMistake(f"{path}: cannot be read ({reason_of(error)})") from None
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes((0, 0, UNSIGNED_BYTES, dimensions)):
        raise UserMistake(f"{path}: not an idx file of bytes in {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    expected = int(np.prod(shape, dtype=object))
    if len(content) - start != expected:
        raise UserMistake(f"{path}: truncated or damaged, {len(content) - start} bytes of data where {expected} belong")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
