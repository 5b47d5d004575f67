"""Arrays of features and labels: in .npz or .npy files, or handed over from Python."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from smoothlab.data.parts import Columns, Encoding, Labels, Loading, Splits, Training, Weights
from smoothlab.data.parts.keys import Name, named
from smoothlab.data.rows import RowData, Understood
from smoothlab.data.table.encoder import TableEncoder
from smoothlab.data.table.kinds import Column
from smoothlab.data.table.scaling import Scaling
from smoothlab.errors import UserMistake, reason_of
from smoothlab.flat_keys import takes_keys
from smoothlab.unpacking import ARRAY_SUFFIXES, load_arrays

SPLITS = ("train", "val", "test")
Arrays = Mapping[str, np.ndarray]


class ArrayEncoder(TableEncoder):
    """Scales the columns of an array ``(N, F)``, which are called x0, x1, ...; new rows may be a table too.

    ``reading`` holds the name of the array.
    """

    kind = "arrays"

    def read(self, path: Path) -> pd.DataFrame:
        """See :class:`Encoder`: an .npz file, an .npy file of features alone, or a table."""
        if path.suffix.lower() not in ARRAY_SUFFIXES:
            return super().read(path)
        arrays, name = arrays_in(path, "input", self.reading["features"]), self.reading["features"]
        where = f"input = {str(path)!r}"
        frame = features_of(arrays, name, where)
        others = {key: array for key, array in arrays.items() if key != name and array.shape == (len(frame),)}
        return frame.assign(**others)

    def read_parts(self, path: Path, rows: int) -> Iterator[pd.DataFrame]:
        """See :class:`Encoder`."""
        if path.suffix.lower() not in ARRAY_SUFFIXES:
            yield from super().read_parts(path, rows)
            return
        frame = self.read(path)
        yield from (frame.iloc[start : start + rows] for start in range(0, len(frame), rows))


class ArraySource:
    """Rows of arrays.

    Args:
        source: arrays by name, or a function that gives them.
        path: an .npz file, or .npy files by the name of their array, in place of it.
        features: name of the array of features; those of splits are ``train_<name>``, ``test_<name>``, ``val_<name>``.
        labels: name of the array of labels.
        others: names of further arrays ``(N,)``: metadata, weights, groups.
    """

    def __init__(
        self,
        source: Arrays | Callable[[], Arrays] | None,
        path: str | Mapping[str, str] | None,
        features: str,
        labels: str,
        others: Sequence[str],
    ) -> None:
        self.source = source
        self.path = path
        self.features = features
        self.labels = labels
        self.others = others
        self._loaded: tuple[Arrays, str] | None = None

    def rows(self) -> tuple[pd.DataFrame, np.ndarray | None, list[str]]:
        """See :class:`smoothlab.data.rows.RowSource`."""
        (arrays, where), self._loaded = self._loaded or self._arrays(), None
        given = [split for split in SPLITS if f"{split}_{self.features}" in arrays]
        if given and not {"train", "test"} <= set(given):
            raise UserMistake(f"{where}: has {', '.join(given)} features; expected train and test (and val)")
        frames = [self._frame(arrays, f"{split}_", where) for split in given] or [self._frame(arrays, "", where)]
        if len({tuple(frame.columns) for frame in frames}) > 1:
            raise UserMistake(f"{where}: the splits have features or labels of different widths")
        splits = np.repeat(given, [len(frame) for frame in frames]) if given else None
        return pd.concat(frames, ignore_index=True), splits, []

    def lost_labels(self, frame: pd.DataFrame, column: str) -> list[str]:
        """See :class:`smoothlab.data.rows.RowSource`."""
        return []

    def label_columns(self) -> str | list[str]:
        """The columns that :meth:`rows` makes of the labels: one, or a number for each column of the array."""
        self._loaded = arrays, where = self._arrays()  # for rows(), which comes next
        names = [name for name in (f"train_{self.labels}", self.labels) if name in arrays]
        if not names:
            raise UserMistake(f"{where}: no array {self.labels!r} (data.target); it has {_listed(arrays)}")
        shape = np.shape(arrays[names[0]])
        return [str(place) for place in range(shape[1])] if len(shape) == 2 and shape[1] > 1 else self.labels

    def _arrays(self) -> tuple[Arrays, str]:
        if (self.path is None) == (self.source is None):
            got = "nothing" if self.path is None else "both"
            raise UserMistake(f"data.path, data.source: got {got}; expected one of them, such as data.path=my.npz")
        if self.source is not None:
            arrays = self.source() if callable(self.source) else self.source
            return {name: np.asarray(array) for name, array in arrays.items()}, "data.source"
        if isinstance(self.path, Mapping):
            files = [arrays_in(Path(file), f"data.path.{name}", name) for name, file in self.path.items()]
            return {name: array for arrays in files for name, array in arrays.items()}, "data.path"
        return arrays_in(Path(str(self.path)), "data.path", self.features), f"data.path = {str(self.path)!r}"

    def _frame(self, arrays: Arrays, prefix: str, where: str) -> pd.DataFrame:
        """Features, labels and further columns of one split, or of all rows."""
        frame = features_of(arrays, prefix + self.features, where)
        columns: dict[str, np.ndarray] = {}
        for name in (self.labels, *self.others):
            if prefix + name not in arrays:
                raise UserMistake(f"{where}: no array {prefix + name!r}; it has {_listed(arrays)}")
            array = arrays[prefix + name]
            several = array.ndim == 2 and array.shape[1] > 1 and name == self.labels
            if array.shape[:1] != (len(frame),) or not (several or array.size == len(frame)):
                expected = f"({len(frame)},)" + (f" or ({len(frame)}, K)" if name == self.labels else "")
                raise UserMistake(
                    f"{where}: {prefix + name} has the shape {array.shape} for {len(frame)} rows of features; expected "
                    f"{expected}"
                )
            columns |= {str(place): array[:, place] for place in range(array.shape[1])} if several else {}
            columns |= {} if several else {name: array.reshape(-1)}
        return frame.assign(**columns)


class ArrayData(RowData):
    """Rows of arrays: split, scaled by training statistics; every column of the features is a number.

    The fields of the parts may be given as keywords (``ArrayData({"features": x, "labels": y}, split="random")``);
    ``conf/data/arrays.yaml`` and ``conf/data/part`` say what each does.

    Args:
        source: arrays by name, or a function that gives them.
        path: an .npz file, or .npy files by the name of their array, in place of it.
        features: name of the array of features ``(N, F)``.
        metadata: arrays ``(N,)`` for strategies that look at them.
        scaling: of the numbers; see ``conf/data/arrays.yaml``.
        labels: the target is the name of the array of labels, ``(N,)`` or a column a class ``(N, K)``.
        weights: what rows count.
        training: what is done to training rows on purpose.
        splits: which row goes where.
        loading: how rows come in batches.
    """

    @takes_keys
    def __init__(
        self,
        source: Arrays | Callable[[], Arrays] | None = None,
        *,
        path: str | dict[str, str] | None = None,
        features: str = "features",
        metadata: Sequence[Name] = (),
        scaling: Scaling = "standard",
        labels: Labels = Labels(target="labels"),
        weights: Weights = Weights(),
        training: Training = Training(),
        splits: Splits = Splits(),
        loading: Loading = Loading(batch_size=128),
    ) -> None:
        columns = Columns(metadata=metadata)
        others = [*columns.metadata, weights.weight, splits.split_column]
        names = [str(name) for name in others if name is not None]
        self.array_source = ArraySource(source, path, features, str(named(labels.target)), names)  # type: ignore[arg-type]
        super().__init__(
            self.array_source,
            labels=labels,
            columns=columns,
            weights=weights,
            training=training,
            splits=splits,
            loading=loading,
        )
        self.features = features
        self.encoding = Encoding(scaling=scaling, missing=False)

    def understand(self) -> Understood:
        """See :meth:`RowData.understand`."""
        self.labels = replace(self.labels, target=self.array_source.label_columns())
        return super().understand()

    def make_encoder(self, train: pd.DataFrame) -> ArrayEncoder:
        """See :class:`RowData`."""
        used = [column.name for column in self.columns if column.role == "feature"]
        encoder = ArrayEncoder.fit(train[used], encoding=self.encoding)
        encoder.reading = {"features": self.features}
        return encoder

    def roles(self, frame: pd.DataFrame) -> list[Column]:
        """Every column of the features is a number, whatever it looks like."""
        own = [name for name in frame.columns if name[0] == "x" and name[1:].isdigit()]
        others = super().roles(frame.drop(columns=own))
        return [*(Column(name, "numeric", "feature", 0, 2, str(frame[name].iloc[0])) for name in own), *others]


def arrays_in(path: Path, key: str, name: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name, or that of an .npy file, which is called ``name``; nothing pickled is read.

    Raises:
        UserMistake: no such file, or it cannot be read.
    """
    where = f"{key} = {str(path)!r}"
    if not path.is_file() or path.suffix.lower() not in ARRAY_SUFFIXES:
        raise UserMistake(f"{where}: {'expected an .npz or .npy file' if path.is_file() else 'no such file'}")
    with readable_arrays(where, path.suffix[1:].lower()):
        loaded = load_arrays(path)
        return {name: loaded} if isinstance(loaded, np.ndarray) else loaded


@contextmanager
def readable_arrays(where: str, kind: str) -> Iterator[None]:
    """Say in one line that a file is none of NumPy's arrays, or that something in it is pickled."""
    try:
        yield
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
        reason = "it holds pickled Python objects" if "pickle" in str(error) else reason_of(error)
        raise UserMistake(f"{where}: cannot be read as {kind} ({reason})") from None


def features_of(arrays: Arrays, name: str, where: str) -> pd.DataFrame:
    """The columns x0, x1, ... of an array of features.

    Raises:
        UserMistake: there is none, or it is no finite numbers ``(N, F)``.
    """
    if name not in arrays:
        raise UserMistake(f"{where}: no array {name!r} (data.features); it has {_listed(arrays)}")
    array = arrays[name]
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "fiub":
        raise UserMistake(
            f"{where}: {name} has the shape {array.shape} and {array.dtype} values; expected numbers (N, F), neither 0"
        )
    wrong = ~np.isfinite(array)
    if wrong.any():
        row, column = (int(place) for place in np.argwhere(wrong)[0])
        more = f" ({int(wrong.sum())} such values)" if wrong.sum() > 1 else ""
        raise UserMistake(
            f"{where}: {name}, row {row + 1}, column {column}: expected a finite number, got {array[row, column]}{more}"
        )
    return pd.DataFrame(array, columns=[f"x{place}" for place in range(array.shape[1])])


def _listed(arrays: Arrays) -> str:
    return ", ".join(arrays) or "none"
