"""A data module for images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from smoothlab.classes import ClassTree
from smoothlab.data.batch import Batch
from smoothlab.data.images.batch import ImageBatch
from smoothlab.data.images.decoding import Shape, look_at
from smoothlab.data.images.encoder import ImageEncoder, decode_all
from smoothlab.data.images.folders import read_folders
from smoothlab.data.images.idx import is_idx, read_idx_set
from smoothlab.data.images.image_set import ImageSet
from smoothlab.data.images.listing import read_listing
from smoothlab.data.images.loading import FileLoader
from smoothlab.data.images.npz import read_npz
from smoothlab.data.images.pixels import Pixels, height_and_width
from smoothlab.data.loader import MemoryLoader
from smoothlab.data.module import KnownData
from smoothlab.data.parts import Labels, Loading, Splits, Training, Weights
from smoothlab.data.parts.columns import metadata_of
from smoothlab.data.parts.splits import check_rows
from smoothlab.data.ranks import this_rank
from smoothlab.data.table.kinds import check_columns, understand
from smoothlab.data.table.labels import LabelledRows
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.flat_keys import takes_keys

TABLES = (".csv", ".tsv", ".txt", ".parquet", ".arrow", ".feather", ".gz", ".bz2", ".xz", ".zip")
STATISTICS_FROM = 2000  # training images, where they are not all in memory, and at most
STATISTICS_VALUES = 2**28  # bytes of them
FIRST_VALUES = 2**26  # most floats that ``first`` makes
NOISE_SIDE = 8  # pixels a side of what instance noise looks at


class ImageData(KnownData):
    """Images with labels: understood, split, brought to one size, and standardised by training statistics.

    The fields of the parts may be given as keywords; ``conf/data/images.yaml`` and ``conf/data/part`` say what each
    does. Pixels are kept as bytes and become float features a batch at a time, on the device of the net. Training
    batches alone are augmented.

    Args:
        source: a function that gives a path, or the files of an idx set by name.
        path: a folder, an .npz file or a table of paths, in place of it.
        image_column: the column of a table with the paths.
        metadata: columns of a table for strategies that look at them.
        augment: changes training images ``(N, C, H, W)`` in [0, 1], or None.
        pixels: what images are brought to, and where they are kept.
        labels: the target.
        weights: what images count.
        training: what is done to training images on purpose.
        splits: which image goes where.
        loading: how images come in batches.

    Attributes:
        in_memory: whether all pixels are held in memory.
    """

    @takes_keys
    def __init__(
        self,
        source: Callable[[], Any] | None = None,
        *,
        path: str | None = None,
        image_column: str = "path",
        metadata: Sequence[str] = (),
        augment: Callable[[Tensor], Tensor] | dict[str, Any] | None = None,
        pixels: Pixels = Pixels(),
        labels: Labels = Labels(),
        weights: Weights = Weights(),
        training: Training = Training(),
        splits: Splits = Splits(),
        loading: Loading = Loading(batch_size=64, eval_batch_size=256),
    ) -> None:
        super().__init__(loading=loading, label_kind=labels.labels)
        if augment and not callable(augment):
            raise InvalidArgument("augment", augment, "null, {}, or something with a _target_")
        weights.refuse_several(labels.labels)
        self.source = source
        self.path = path
        self.image_column = image_column
        self.metadata = list(metadata)
        self.augment = augment if callable(augment) else None
        self.pixels = pixels
        self.labels = labels
        self.weights = weights
        self.training = training
        self.splits = splits
        self.time_column = splits.time_column
        self.in_memory = True
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
        if self._batches:
            return
        images = self._find()
        labels = self._labels(images)
        frame = images.frame.iloc[labels.rows]
        self.classes_are(labels.names, tree=self._tree(images, labels))
        given = images.splits if self.splits.kind == "random" and images.splits is not None else None
        self.test_is_given = given is not None
        rows = self.splits.rows(frame, labels, None if given is None else given[labels.rows])
        rows["train"] = self.training.thinned(rows["train"], labels, self.splits.split_seed)
        self.notes += check_rows(rows, labels)
        shape = self._shape(images)
        self.in_memory = images.pixels is not None or self.pixels.keep == "memory" or self._fits(images, shape)
        self.fingerprint = images.fingerprint(by_content=self.in_memory)
        if images.pixels is None and self.in_memory:
            images.pixels = decode_all(images.files or [], shape)
        elif images.pixels is not None and images.pixels.shape[1:] != (shape.channels, *shape.size):
            images.pixels = _reshaped(images.pixels, shape)
        if self.encoder is None:
            self.encoder = ImageEncoder.fit(self._sample(images, rows["train"], shape), shape, self.image_column)
        values = self._with_noise(images, labels, rows["train"])
        metadata = self._metadata(frame, labels, rows["train"])
        everything = Batch(
            torch.empty(len(values), 0), torch.from_numpy(values), torch.from_numpy(labels.rows), metadata
        )
        for split, index in rows.items():
            self._batches[split] = everything.take(torch.from_numpy(index))
            if images.pixels is not None:
                self._pixels[split] = torch.from_numpy(images.pixels[labels.rows[index]])
            else:
                self._files[split] = [(images.files or [])[place] for place in labels.rows[index]]

    def _find(self) -> ImageSet:
        """What the path or the source holds."""
        if bool(self.path) == (self.source is not None):
            given = "and data.source are both given" if self.path else "nothing is given"
            raise UserMistake(f"data.path: {given}; expected a folder, an .npz file or a table of paths")
        images = self._read(Path(self.path) if self.path else self._from_source())
        wanted = self.labels.columns
        if wanted and images.columns != wanted:
            raise InvalidArgument(
                "target", self.labels.target, "null: only a table of paths has columns to choose from"
            )
        if not len(images.frame):
            raise UserMistake("data: there are no images")
        self.notes += images.notes
        return images

    def _from_source(self) -> Path | Mapping[str, Path]:
        assert self.source is not None
        made = self.source()
        if isinstance(made, Mapping):
            return {str(name): Path(path) for name, path in made.items()}
        return Path(made)

    def _read(self, place: Path | Mapping[str, Path]) -> ImageSet:
        if isinstance(place, Mapping):
            if not is_idx(place):
                raise UserMistake(
                    f"data.source: gives {', '.join(place)}; expected the files of an idx set, or a folder"
                )
            return read_idx_set(place)
        if place.is_dir():
            names = {file.name: file for file in place.iterdir() if file.is_file()}
            return read_idx_set(names) if is_idx(names) else read_folders(place)
        if not place.is_file():
            raise UserMistake(f"data.path = {str(place)!r}: no such file or folder")
        if place.suffix.lower() == ".npz":
            return read_npz(place)
        if place.suffix.lower() not in TABLES:
            raise UserMistake(
                f"data.path = {str(place)!r}: expected a folder, an .npz file, or a table of paths ({' '.join(TABLES)})"
            )
        return read_listing(place, self.image_column, self.labels.columns)

    def _labels(self, images: ImageSet) -> LabelledRows:
        kind, columns = self.labels.labels, images.columns
        if len(columns) > 1 and kind in ("single", "ordinal"):
            raise InvalidArgument("labels", kind, f"multilabel or votes: there are {len(columns)} columns of labels")
        target = columns if len(columns) > 1 else columns[0]
        try:
            labels = replace(self.labels, target=target).read(images.frame)
        except InvalidArgument as error:
            raise UserMistake(f"data.{error}") from None
        self.notes += labels.notes
        return labels

    def _tree(self, images: ImageSet, labels: LabelledRows) -> ClassTree | None:
        """The tree that is given, or that of folders in folders."""
        if self.labels.tree is None and not self.labels.classes:
            return images.tree
        return self.labels.class_tree(images.frame, labels)

    # Pixels -----------------------------------------------------------------------------------------------------------

    def _shape(self, images: ImageSet) -> Shape:
        """Size and channels: as told, as the encoder of a checkpoint has them, or as all images have them."""
        if isinstance(self.encoder, ImageEncoder):
            return self.encoder.shape
        wanted = height_and_width(self.pixels.size)
        if images.pixels is not None:
            _, channels, height, width = images.pixels.shape
            size, grey = (height, width), channels == 1
        else:
            files = images.files or []
            if wanted is not None and self.pixels.channels != "auto":
                size, grey = wanted, self.pixels.channels == "grey"  # every file is decoded later on
            else:
                size, grey = _common(files, wanted)
        height, width = wanted or size
        channels = {"auto": 1 if grey else 3, "grey": 1, "rgb": 3}[self.pixels.channels]
        return Shape(height, width, channels, self.pixels.fit)

    def _fits(self, images: ImageSet, shape: Shape) -> bool:
        return self.pixels.keep == "auto" and len(images.frame) * shape.values <= self.pixels.memory_gib * 2**30

    def _sample(self, images: ImageSet, train: np.ndarray, shape: Shape) -> np.ndarray:
        """Training pixels that the statistics come from."""
        if images.pixels is not None:
            return np.asarray(images.pixels[train])
        count = max(1, min(STATISTICS_FROM, STATISTICS_VALUES // shape.values))
        step = -(-len(train) // count)
        files = images.files or []
        if step > 1:
            self.notes.append(f"mean and deviation come from {len(train[::step])} of {len(train)} training images")
        return decode_all([files[place] for place in train[::step]], shape)

    def _with_noise(self, images: ImageSet, labels: LabelledRows, train: np.ndarray) -> np.ndarray:
        def seen() -> np.ndarray:
            if images.pixels is None:
                raise InvalidArgument("noise", "instance", "symmetric or pair where images are not held in memory")
            pixels = torch.from_numpy(images.pixels[labels.rows[train]])
            small = [torch.nn.functional.adaptive_avg_pool2d(part.float(), NOISE_SIDE) for part in pixels.split(4096)]
            flat = torch.cat(small).flatten(1)
            return ((flat - flat.mean(0)) / flat.std(0).clamp_min(1e-6)).numpy()

        values, note = self.training.with_noise(labels, train, self.splits.split_seed, seen)
        self.notes += note
        return values

    def _metadata(self, frame: pd.DataFrame, labels: LabelledRows, train: np.ndarray) -> dict[str, Tensor]:
        check_columns("metadata", self.metadata, frame)
        columns = understand(frame[[name for name in self.metadata if frame[name].notna().any()]])
        known = metadata_of(frame, columns.values(), self.time_column)
        self.metadata_categories, self.date_columns = known.categories, known.dates
        return known.tensors(labels, self.weights.of(frame, labels, train))

    # What a run asks for ----------------------------------------------------------------------------------------------

    def first(self, count: int) -> Batch:
        """See :class:`DataModule`; no more than fit in a quarter of a gigabyte."""
        count = min(count, max(2, FIRST_VALUES // self.images.shape.values))
        known = self._batches["train"].take(slice(0, count))
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
        known, seed = self._batches[split], self.shuffle_seed
        if self.in_memory:
            pixels = self._pixels[split]
            batch = ImageBatch(pixels, known.labels, known.rows, known.metadata, finish=finish)
            return MemoryLoader(batch, batch_size, shuffle=shuffle, seed=seed, **this_rank())
        options: dict[str, Any] = {"shuffle": shuffle, "seed": seed, "workers": self.pixels.workers, **this_rank()}
        return FileLoader(self._files[split], known, self.images.shape, finish, batch_size, **options)


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
    for place, image in enumerate(pixels):
        made[place] = fitted(image_module.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)), shape)
    return made
