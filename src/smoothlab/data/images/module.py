"""A data module for images."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from smoothlab.classes import ClassTree
from smoothlab.data.batch import Batch
from smoothlab.data.images.batch import ImageBatch
from smoothlab.data.images.decoding import Fit, Shape, look_at
from smoothlab.data.images.encoder import ImageEncoder, decode_all
from smoothlab.data.images.folders import read_folders
from smoothlab.data.images.found import Found
from smoothlab.data.images.idx import is_idx, read_idx_set
from smoothlab.data.images.listing import read_listing
from smoothlab.data.images.loading import FileLoader
from smoothlab.data.images.npz import read_npz
from smoothlab.data.loader import MemoryLoader
from smoothlab.data.module import DataModule, check_seed, count_classes
from smoothlab.data.ranks import this_rank
from smoothlab.data.table.kinds import check_columns
from smoothlab.data.table.labels import LabelKind, Labels, read_labels
from smoothlab.data.table.noise import NoiseKind, noisy
from smoothlab.data.table.splits import (
    Rows,
    check_fractions,
    check_learnable,
    column_split,
    fold_split,
    group_split,
    groups_of,
    random_split,
    val_of,
)
from smoothlab.data.table.trees import class_tree
from smoothlab.data.table.weights import class_weights, weights_of_rows
from smoothlab.data.table.words import as_words
from smoothlab.data.thinning import check_thinning, thinned
from smoothlab.errors import InvalidArgument, UserMistake

Channels = Literal["auto", "grey", "rgb"]
Storage = Literal["auto", "memory", "files"]
SplitKind = Literal["random", "group", "column", "fold"]
TABLES = (".csv", ".tsv", ".txt", ".parquet", ".arrow", ".feather", ".gz", ".bz2", ".xz", ".zip")
STATISTICS_FROM = 2000  # training images, where they are not all in memory, and at most
STATISTICS_VALUES = 2**28  # bytes of them
LARGEST = 8192  # pixels a side
FIRST_VALUES = 2**26  # most floats that ``first`` makes
SMALL_STRATUM = 50  # samples without any label (or with one), below which a split does not look at them
NOISE_SIDE = 8  # pixels a side of what instance noise looks at


class ImageData(DataModule):
    """Images with labels: understood, split, brought to one size, and standardised by training statistics.

    Every argument stands in ``conf/data/images.yaml``, with what it does; None or "none" is off. Pixels are kept as
    bytes and become float features a batch at a time, on the device of the net. Training batches alone are augmented.

    Attributes:
        notes: what was left out or guessed, a line each.
        class_tree: of the classes, or None.
        class_order: whether the classes are in their ordinal order.
        metadata_categories: the words that the codes of a metadata column stand for, by column.
        in_memory: whether all pixels are held in memory.
    """

    def __init__(
        self,
        source: Callable[[], Any] | None = None,
        *,
        path: str | None = None,
        image_column: str = "path",
        target: str | Sequence[str] | None = None,
        labels: LabelKind = "single",
        label_separator: str | None = None,
        classes: dict | None = None,
        order: list | None = None,
        tree: str | dict | list | None = None,
        metadata: Sequence[str] = (),
        size: int | Sequence[int] | None = None,
        channels: Channels = "auto",
        fit: Fit = "stretch",
        augment: Callable[[Tensor], Tensor] | dict | None = None,
        keep: Storage = "auto",
        memory_gib: float = 4.0,
        workers: int | None = None,
        class_weight: str | dict | None = None,
        noise: NoiseKind = "none",
        noise_rate: float = 0.0,
        train_share: float = 1.0,
        imbalance: float = 1.0,
        split: SplitKind = "random",
        fractions: Sequence[float],
        split_column: str | None = None,
        folds: int = 5,
        fold: int | None = None,
        split_seed: int,
        shuffle_seed: int,
        batch_size: int,
        eval_batch_size: int,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, shuffle_seed=shuffle_seed)
        check_seed("split_seed", split_seed)
        for name, value, kind in (
            ("labels", labels, LabelKind),
            ("channels", channels, Channels),
            ("fit", fit, Fit),
            ("keep", keep, Storage),
            ("noise", noise, NoiseKind),
            ("split", split, SplitKind),
        ):
            if value not in get_args(kind):
                raise InvalidArgument(name, value, f"one of {', '.join(get_args(kind))}")
        noisy(np.zeros(0, dtype=np.int64), 2, noise, noise_rate, 0)  # checks the rate
        if not memory_gib > 0:
            raise InvalidArgument("memory_gib", memory_gib, "a number above 0")
        if workers is not None and workers < 0:
            raise InvalidArgument("workers", workers, "null or an integer of at least 0")
        if fold is not None and split not in ("random", "fold", "group"):
            raise InvalidArgument("fold", fold, f"null with split={split}")
        if split in ("group", "column") and split_column is None:
            raise InvalidArgument("split_column", None, f"the column that split={split} goes by")
        if split == "random" and split_column is not None and fold is None:
            raise InvalidArgument("split_column", split_column, "null with split=random; say split=group")
        if augment and not callable(augment):
            raise InvalidArgument("augment", augment, "null, {}, or something with a _target_")
        self.source = source
        self.path = path
        self.image_column = image_column
        self.target = target if target is None or isinstance(target, str) else _columns(target)
        self.label_kind: LabelKind = labels
        self.label_separator = label_separator
        self.classes = classes
        self.order = order
        self.tree = tree
        self.metadata = list(metadata)
        self.size = _size(size)
        self.channels: Channels = channels
        self.fit: Fit = fit
        self.augment = augment if callable(augment) else None
        self.keep: Storage = keep
        self.memory_gib = memory_gib
        self.workers = max(1, min(8, (os.cpu_count() or 2) - 1)) if workers is None else workers
        self.class_weight = class_weight
        check_thinning(train_share, imbalance)
        self.thinning = {"train_share": train_share, "imbalance": imbalance}
        self.noise: NoiseKind = noise
        self.noise_rate = noise_rate
        self.split_by: SplitKind = "fold" if fold is not None else split
        self.fractions = check_fractions(fractions)
        self.split_column = split_column
        self.folds = folds
        self.fold = fold or 0
        self.split_seed = split_seed
        self.notes: list[str] = []
        self.class_tree: ClassTree | None = None
        self.class_order = labels == "ordinal"
        self.metadata_categories: dict[str, list[str]] = {}
        self.in_memory = True
        self.split_rows: Rows = {}
        self._known: dict[str, Batch] = {}  # what is known of each split's images, without the images
        self._pixels: dict[str, Tensor] = {}
        self._files: dict[str, list[Path]] = {}

    @property
    def images(self) -> ImageEncoder:
        """The encoder."""
        assert isinstance(self.encoder, ImageEncoder), "call setup() first"
        return self.encoder

    # Reading ----------------------------------------------------------------------------------------------------------

    def setup(self, stage: str | None = None) -> None:
        """See :class:`DataModule`."""
        if self._known:
            return
        found = self._find()
        labels = self._labels(found)
        rows = self._split(found.frame, labels, found.splits)
        if labels.values.ndim == 1:
            rows["train"] = thinned(rows["train"], labels.values[rows["train"]], **self.thinning, seed=self.split_seed)
        elif set(self.thinning.values()) != {1}:
            raise InvalidArgument("train_share", self.thinning["train_share"], f"1 with labels={self.label_kind}")
        if self.label_kind == "multilabel":
            for split, index in rows.items():
                if not len(index):
                    raise UserMistake(f"data.split: no images are left for {split}")
        else:
            check_learnable(rows, labels.values, labels.names)
        self.class_names = labels.names
        self.split_rows = rows
        shape = self._shape(found)
        self.in_memory = found.pixels is not None or self.keep == "memory" or self._fits(len(found.frame), shape)
        self.fingerprint = found.fingerprint(by_content=self.in_memory)
        if found.pixels is None and self.in_memory:
            found.pixels = decode_all(found.files or [], shape)
        elif found.pixels is not None and found.pixels.shape[1:] != (shape.channels, *shape.size):
            found.pixels = _reshaped(found.pixels, shape)
        if self.encoder is None:
            self.encoder = ImageEncoder.fit(self._sample(found, rows["train"], shape), shape, self.image_column)
        values = self._with_noise(found, labels, rows["train"])
        metadata = self._metadata(found.frame, labels, rows["train"])
        everything = Batch(
            torch.empty(len(values), 0), torch.from_numpy(values), torch.from_numpy(labels.kept), metadata
        )
        for split, index in rows.items():
            self._known[split] = everything.take(torch.from_numpy(index))
            if found.pixels is not None:
                self._pixels[split] = torch.from_numpy(found.pixels[labels.kept[index]])
            else:
                self._files[split] = [(found.files or [])[place] for place in labels.kept[index]]

    def _find(self) -> Found:
        """What the path or the source holds."""
        if bool(self.path) == (self.source is not None):
            given = "and data.source are both given" if self.path else "nothing is given"
            raise UserMistake(f"data.path: {given}; expected a folder, an .npz file or a table of paths")
        found = self._found(Path(self.path) if self.path else self._from_source())
        if self.target is not None and found.target != self.target:
            raise InvalidArgument("target", self.target, "null: only a table of paths has columns to choose from")
        if not len(found.frame):
            raise UserMistake("data: there are no images")
        self.notes += found.notes
        return found

    def _from_source(self) -> Path | Mapping[str, Path]:
        assert self.source is not None
        made = self.source()
        if isinstance(made, Mapping):
            return {str(name): Path(path) for name, path in made.items()}
        return Path(made)

    def _found(self, place: Path | Mapping[str, Path]) -> Found:
        if isinstance(place, Mapping):
            if not is_idx(place):
                raise UserMistake(
                    f"data.source: gives {', '.join(place)}; expected the files of an idx set, or a folder"
                )
            return read_idx_set(place)
        if place.is_dir():
            names = {one.name: one for one in place.iterdir() if one.is_file()}
            return read_idx_set(names) if is_idx(names) else read_folders(place)
        if not place.is_file():
            raise UserMistake(f"data.path = {str(place)!r}: no such file or folder")
        if place.suffix.lower() == ".npz":
            return read_npz(place)
        if place.suffix.lower() not in TABLES:
            raise UserMistake(
                f"data.path = {str(place)!r}: expected a folder, an .npz file, or a table of paths ({' '.join(TABLES)})"
            )
        return read_listing(place, self.image_column, self.target)

    def _labels(self, found: Found) -> Labels:
        target = found.target
        if isinstance(target, list) and self.label_kind in ("single", "ordinal"):
            raise InvalidArgument(
                "labels", self.label_kind, f"multilabel or votes: there are {len(target)} columns of labels"
            )
        try:
            labels = read_labels(
                found.frame,
                target,
                self.label_kind,
                separator=self.label_separator,
                classes=self.classes,
                order=self.order,
            )
        except InvalidArgument as error:
            raise UserMistake(f"data.{error}") from None
        self.notes += labels.notes
        words: list[str | None] = [None] * len(found.frame)
        if labels.values.ndim == 1:
            for place, label in zip(labels.kept, labels.values, strict=True):
                words[place] = labels.names[label]
        if self.tree is not None:
            self.class_tree = class_tree(self.tree, found.frame, words, labels.names)
        elif found.tree is not None and not self.classes:
            self.class_tree = found.tree
        return labels

    def _split(self, frame: pd.DataFrame, labels: Labels, splits: np.ndarray | None) -> Rows:
        """Positions among the labelled images."""
        even, names = labels.values, labels.names
        if even.ndim == 2:
            even, names = _strata(even, names, several=self.label_kind == "multilabel")
        if self.split_column is not None:
            check_columns("split_column", [self.split_column], frame)
        column = (
            None if self.split_column is None else frame[self.split_column].iloc[labels.kept].reset_index(drop=True)
        )
        groups = None
        if column is not None and self.split_by != "column":
            groups = groups_of(column, str(self.split_column))
        if self.split_by == "fold":
            return fold_split(even, names, self.fractions, self.split_seed, self.folds, self.fold, groups)
        if groups is not None:
            return group_split(groups, even, self.fractions, self.split_seed)
        words: Any = None
        if self.split_by == "column":
            words = np.array(as_words(column), dtype=object)
        elif splits is not None:
            words = splits[labels.kept]
        if words is None:
            return random_split(even, names, self.fractions, self.split_seed)
        rows = column_split(words)
        if not len(rows["val"]):
            rows["train"], rows["val"] = val_of(rows["train"], even, names, self.fractions, self.split_seed)
        return rows

    # Pixels -----------------------------------------------------------------------------------------------------------

    def _shape(self, found: Found) -> Shape:
        """Size and channels: as told, as the encoder of a checkpoint has them, or as all images have them."""
        if isinstance(self.encoder, ImageEncoder):
            return self.encoder.shape
        if found.pixels is not None:
            _, channels, height, width = found.pixels.shape
            size, grey = (height, width), channels == 1
        else:
            files = found.files or []
            if self.size is not None and self.channels != "auto":
                size, grey = self.size, self.channels == "grey"  # every file is decoded later on; broken ones are found
            else:
                size, grey = _common(files, self.size)
        height, width = self.size or size
        return Shape(height, width, {"auto": 1 if grey else 3, "grey": 1, "rgb": 3}[self.channels], self.fit)

    def _fits(self, count: int, shape: Shape) -> bool:
        return self.keep == "auto" and count * shape.values <= self.memory_gib * 2**30

    def _sample(self, found: Found, train: np.ndarray, shape: Shape) -> np.ndarray:
        """Training pixels that the statistics come from."""
        if found.pixels is not None:
            return found.pixels[train]
        count = max(1, min(STATISTICS_FROM, STATISTICS_VALUES // shape.values))
        step = -(-len(train) // count)
        files = found.files or []
        if step > 1:
            self.notes.append(f"mean and deviation come from {len(train[::step])} of {len(train)} training images")
        return decode_all([files[place] for place in train[::step]], shape)

    def _with_noise(self, found: Found, labels: Labels, train: np.ndarray) -> np.ndarray:
        if self.noise == "none" or not self.noise_rate:
            return labels.values
        if labels.values.ndim != 1:
            raise InvalidArgument("noise", self.noise, f"none with labels={self.label_kind}")
        features = None
        if self.noise == "instance":
            if found.pixels is None:
                raise InvalidArgument("noise", self.noise, "symmetric or pair where images are not held in memory")
            pixels = torch.from_numpy(found.pixels[labels.kept[train]])
            small = [torch.nn.functional.adaptive_avg_pool2d(part.float(), NOISE_SIDE) for part in pixels.split(4096)]
            flat = torch.cat(small).flatten(1)
            features = ((flat - flat.mean(0)) / flat.std(0).clamp_min(1e-6)).numpy()
        values = labels.values.copy()
        before = values[train]
        values[train] = noisy(before, len(labels.names), self.noise, self.noise_rate, self.split_seed, features)
        changed = int((values[train] != before).sum())
        self.notes.append(f"{self.noise} noise: {changed} of {len(train)} training labels are wrong on purpose")
        return values

    def _metadata(self, frame: pd.DataFrame, labels: Labels, train: np.ndarray) -> dict[str, Tensor]:
        made: dict[str, np.ndarray] = {}
        check_columns("metadata", self.metadata, frame)
        for name in self.metadata:
            cells = frame[name].iloc[labels.kept]
            if pd.api.types.is_numeric_dtype(cells):
                made[name] = cells.to_numpy(dtype=np.float32, na_value=np.nan)
                continue
            words = as_words(cells)
            known = sorted({word for word in words if word is not None})
            self.metadata_categories[name] = known
            code = {word: place for place, word in enumerate(known)}
            made[name] = np.array([-1 if word is None else code[word] for word in words], dtype=np.int64)
        made |= {name: column for name, column in labels.metadata.items() if name not in made}
        if self.class_weight is not None:
            if self.label_kind == "multilabel":
                raise InvalidArgument("class_weight", self.class_weight, "null with labels=multilabel")
            by_class = class_weights(self.class_weight, labels.names, labels.values[train], None)
            weights = weights_of_rows(by_class, labels.values)
            made["sample_weight"] = (weights / weights[train].mean()).astype(np.float32)
        return {name: torch.from_numpy(np.ascontiguousarray(column)) for name, column in made.items()}

    # What a run asks for ----------------------------------------------------------------------------------------------

    @property
    def class_counts(self) -> list[int]:
        """See :class:`DataModule`."""
        return count_classes(self._known["train"].labels, len(self.class_names))

    @property
    def num_samples(self) -> int:
        """See :class:`DataModule`."""
        return len(self._known["train"])

    @property
    def num_rows(self) -> int:
        """See :class:`DataModule`."""
        return 1 + max(int(known.rows.max()) for known in self._known.values())

    def first(self, count: int) -> Batch:
        """See :class:`DataModule`; no more than fit in a quarter of a gigabyte."""
        count = min(count, max(2, FIRST_VALUES // self.images.shape.values))
        known = self._known["train"].take(slice(0, count))
        if self.in_memory:
            pixels = self._pixels["train"][:count]
        else:
            pixels = torch.from_numpy(decode_all(self._files["train"][:count], self.images.shape))
        return Batch(self.images.finish(pixels), known.labels, known.rows, known.metadata)

    def loader(self, split: str) -> Any:
        """See :class:`DataModule`."""
        return self._loader(split, self.eval_batch_size, self.images.finish)

    def train_dataloader(self) -> Any:
        """Shuffled batches, augmented; the order depends on ``shuffle_seed`` and the epoch."""
        return self._loader("train", self.batch_size, self._finish_in_training, shuffle=True)

    def _finish_in_training(self, pixels: Tensor) -> Tensor:
        values = self.images.scaled(pixels)
        if self.augment is not None:
            values = self.augment(values)
        return self.images.standardised(values)

    def _loader(self, split: str, batch_size: int, finish: Callable[[Tensor], Tensor], *, shuffle: bool = False) -> Any:
        known, seed = self._known[split], self.shuffle_seed
        if self.in_memory:
            pixels = self._pixels[split]
            batch = ImageBatch(pixels, known.labels, known.rows, known.metadata, finish=finish)
            return MemoryLoader(batch, batch_size, shuffle=shuffle, seed=seed, **this_rank())
        options: dict[str, Any] = {"shuffle": shuffle, "seed": seed, "workers": self.workers, **this_rank()}
        return FileLoader(self._files[split], known, self.images.shape, finish, batch_size, **options)


def _columns(target: Sequence[str]) -> str | list[str]:
    """The columns of labels; a list of one is that one."""
    return target[0] if len(target) == 1 else list(target)


def _size(size: int | Sequence[int] | None) -> tuple[int, int] | None:
    """Height and width; a number is both."""
    if size is None:
        return None
    both = [size, size] if isinstance(size, int) else list(size)
    if len(both) != 2 or any(isinstance(one, bool) or not isinstance(one, int) or one < 1 for one in both):
        raise InvalidArgument("size", size, "null, a number of pixels, or [height, width]")
    if max(both) > LARGEST:
        raise InvalidArgument("size", size, f"at most {LARGEST} pixels a side")
    return both[0], both[1]


def _common(files: Sequence[Path], size: tuple[int, int] | None) -> tuple[tuple[int, int], bool]:
    """Height and width that all files have, and whether all are grey.

    Raises:
        UserMistake: a file is no image, or the sizes differ and none was told.
    """
    first, all_grey = None, True
    for path in files:
        height, width, grey = look_at(path)
        all_grey &= grey
        if first is None:
            first = (height, width)
        elif size is None and first != (height, width):
            raise UserMistake(
                f"data.size = None: the images differ in size, {first[0]} x {first[1]} in {files[0].name} and "
                f"{height} x {width} in {path.name}; give the size to bring them to, such as data.size=64"
            )
    assert first is not None
    return first, all_grey


def _reshaped(pixels: np.ndarray, shape: Shape) -> np.ndarray:
    """Pixels ``(N, C, H, W)`` of other arrays brought to a shape."""
    from smoothlab.data.images.decoding import fitted, pillow

    image_module = pillow()
    made = np.empty((len(pixels), shape.channels, *shape.size), dtype=np.uint8)
    for place, one in enumerate(pixels):
        made[place] = fitted(image_module.fromarray(one[0] if len(one) == 1 else one.transpose(1, 2, 0)), shape)
    return made


def _strata(values: np.ndarray, names: list[str], *, several: bool) -> tuple[np.ndarray, list[str]]:
    """What a split shares out evenly among votes and several labels: the mode, or whether there is any label."""
    if not several:
        return values.argmax(1), names
    strata = np.asarray((values > 0).any(1), dtype=np.int64)
    if min(strata.sum(), len(strata) - strata.sum()) < SMALL_STRATUM:
        strata = np.arange(len(strata)) % 2  # too few of a kind to be shared out: at random
    return strata, ["without a label", "with a label"]
