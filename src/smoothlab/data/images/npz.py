"""Images in an .npz file, as those of MedMNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from smoothlab.data.arrays import readable_arrays
from smoothlab.data.images.image_set import LABEL, ImageSet, as_pixels
from smoothlab.errors import UserMistake
from smoothlab.unpacking import load_arrays

SPLITS = ("train", "val", "test")


def read_npz(path: Path) -> ImageSet:
    """Arrays ``train_images``, ``train_labels`` and the same of ``test`` (and ``val``), or ``images`` and ``labels``.

    Images are ``(N, H, W)`` or ``(N, H, W, 3)`` bytes; labels are classes ``(N,)`` or ``(N, 1)``, or a column a class
    ``(N, K)``: several labels a sample, or votes. Nothing pickled is read.

    Raises:
        UserMistake: not such a file, or damaged.
    """
    with readable_arrays(str(path), "npz"):
        loaded = load_arrays(path)
        if isinstance(loaded, np.ndarray):
            raise ValueError("one array without a name")
    names = list(loaded)
    arrays = {name: loaded[name] for name in names if name.rpartition("_")[2] in ("images", "labels")}
    given = [split for split in SPLITS if f"{split}_images" in arrays]
    if given and not {"train", "test"} <= set(given):
        raise UserMistake(f"{path}: has {', '.join(given)} images; expected train and test (and val), or images alone")
    prefixes = [f"{split}_" for split in given] or [""]
    pixels: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    splits: list[str] = []
    for prefix in prefixes:
        for name in (f"{prefix}images", f"{prefix}labels"):
            if name not in arrays:
                raise UserMistake(f"{path}: no array {name!r}; it has {', '.join(names) or 'none'}")
        try:
            images = as_pixels(arrays[f"{prefix}images"], f"array {prefix}images")
        except ValueError as error:
            raise UserMistake(f"{path}: {error}") from None
        labels_of_split = arrays[f"{prefix}labels"]
        labels_of_split = labels_of_split.reshape(-1, 1) if labels_of_split.ndim == 1 else labels_of_split
        if labels_of_split.ndim != 2 or len(labels_of_split) != len(images):
            shape, count = arrays[f"{prefix}labels"].shape, len(images)
            raise UserMistake(
                f"{path}: {prefix}labels has the shape {shape} for {count} images; expected ({count},) or ({count}, K)"
            )
        if pixels and (images.shape[1:] != pixels[0].shape[1:] or labels_of_split.shape[1] != labels[0].shape[1]):
            raise UserMistake(f"{path}: {prefix}images or labels have another shape than those of {given[0]}")
        pixels.append(images)
        labels.append(labels_of_split)
        splits += [prefix[:-1]] * len(images)
    values = np.concatenate(labels)
    single = values.shape[1] == 1
    columns = [LABEL] if single else [str(number) for number in range(values.shape[1])]
    return ImageSet(
        pd.DataFrame(values, columns=columns),
        pixels=np.concatenate(pixels),
        splits=np.array(splits, dtype=object) if given else None,
        target=LABEL if single else columns,
        contents=[path],
    )
