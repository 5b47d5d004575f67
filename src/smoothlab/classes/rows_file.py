"""Numbers by class in files: similarities (K, K) and embeddings (K, D), with the names of the classes or without."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smoothlab.errors import InvalidArgument
from smoothlab.unpacking import load_arrays

SUFFIXES = (".npy", ".npz", ".csv", ".parquet")


@dataclass(frozen=True, eq=False)
class ClassRows:
    """Numbers of classes.

    Args:
        values: ``(K, D)``, a row a class.
        names: of the K rows (and of the columns of a matrix), or None: they are in the order of the logits.
    """

    values: np.ndarray
    names: list[str] | None = None

    def order(self, argument: str, class_names: Sequence[str]) -> list[int]:
        """Which row belongs to each class; there may be rows of classes that the data do not have.

        Raises:
            InvalidArgument: a class has no row, or without names another number of rows than classes.
        """
        if self.names is None:
            if len(self.values) != len(class_names):
                expected = f"{len(class_names)}: {', '.join(class_names)}"
                raise InvalidArgument(argument, f"{len(self.values)} classes", expected)
            return list(range(len(class_names)))
        missing = [name for name in class_names if name not in self.names]
        if missing:
            raise InvalidArgument(argument, f"rows of {', '.join(self.names)}", f"one of {', '.join(missing)} too")
        return [self.names.index(name) for name in class_names]


def read_class_rows(argument: str, file: str | Path, *, square: bool) -> ClassRows:
    """Rows of numbers in a file; nothing in it is ever executed.

    - ``.npy``: one array ``(K, D)``.
    - ``.npz``: the same, and beside it, where there are names, an array ``class_names`` of K strings.
    - ``.csv`` and ``.parquet``: a row a class; a first column of names, and for a matrix the names as header too, in
      any order. A matrix may have its names in the header alone.

    Args:
        argument: what the file is given as, for errors.
        file: its path.
        square: whether it is a matrix ``(K, K)``.

    Raises:
        InvalidArgument: there is no such file, it is none of these, or its names do not fit its rows.
    """
    path = Path(file)
    if path.suffix not in SUFFIXES:
        raise InvalidArgument(argument, str(file), f"rows of numbers, or a file of them: {', '.join(SUFFIXES)}")
    try:
        if path.suffix in (".npy", ".npz"):
            values, names = _arrays(path)
        else:
            values, names = _table(path, square)
        values = np.asarray(values, dtype=np.float64)
    except OSError as error:
        raise InvalidArgument(argument, str(file), f"a file that can be read ({error.strerror or error})") from None
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidArgument(argument, str(file), f"a table of numbers ({' '.join(str(error).split())})") from None
    if names is not None and (len(names) != len(values) or len(set(names)) != len(names)):
        raise InvalidArgument(argument, str(file), "a name of its own for each row")
    return ClassRows(values, names)


def _arrays(path: Path) -> tuple[np.ndarray, list[str] | None]:
    loaded = load_arrays(path)
    if isinstance(loaded, np.ndarray):
        return loaded, None
    names = [str(name) for name in loaded["class_names"]] if "class_names" in loaded else None
    others = [key for key in loaded if key != "class_names"]
    if len(others) != 1:
        raise ValueError(f"one array beside class_names, but there are {', '.join(others) or 'none'}")
    return loaded[others[0]], names


def _table(path: Path, square: bool) -> tuple[np.ndarray, list[str] | None]:
    import pandas as pd

    if path.suffix == ".csv":
        return _cells(pd.read_csv(path, header=None, dtype=str, keep_default_na=False).to_numpy(), square)
    table = pd.read_parquet(path)
    if not isinstance(table.index, pd.RangeIndex):
        table = table.reset_index()  # names that were an index
    header = [str(name) for name in table.columns]
    names = None
    if not pd.api.types.is_numeric_dtype(table.dtypes.iloc[0]) or (square and table.shape[1] == len(table) + 1):
        names, header, table = [str(name) for name in table.iloc[:, 0]], header[1:], table.iloc[:, 1:]
    return _in_one_order(table.to_numpy(), names, header, square)


def _cells(cells: np.ndarray, square: bool) -> tuple[np.ndarray, list[str] | None]:
    """Rows of text, of which the first may be a header, and the first column names."""
    height, width = cells.shape
    if square:
        headed = height > width or (height == width and not _numbers(cells[0]))
    else:
        headed = not _numbers(cells[0, 1:]) or cells[0, 0].lower() in ("", "class", "class_name", "name")
    header = [str(name) for name in cells[0]] if headed else None
    cells = cells[int(headed) :]
    names = None
    if (square and width == len(cells) + 1) or not _numbers(cells[:, 0]):
        names, cells = [str(name) for name in cells[:, 0]], cells[:, 1:]
        header = header and header[1:]
    return _in_one_order(cells.astype(np.float64), names, header, square)


def _in_one_order(
    values: np.ndarray, names: list[str] | None, header: list[str] | None, square: bool
) -> tuple[np.ndarray, list[str] | None]:
    """A matrix whose columns are in the order of its rows; a table of embeddings as it is."""
    if not square or header is None:
        return values, names
    if names is None:
        return values, header
    if sorted(header) != sorted(names):
        raise ValueError("other names in the header than in the first column")
    return values[:, [header.index(name) for name in names]], names


def _numbers(cells: np.ndarray) -> bool:
    try:
        cells.astype(np.float64)
    except ValueError:
        return False
    return True
