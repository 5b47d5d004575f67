"""A matrix with a row a sample that lives in a file: as large as the disk, read and written row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from smoothlab.errors import InvalidArgument

HEADER = 2  # floats at the file's beginning, which hold its mark: 8 bytes


class RowFile:
    """``(num_rows, num_classes)`` numbers in float32 behind a mark, mapped into memory.

    Args:
        path: of the file.
        shape: num_rows, num_classes.
        new: make a file of zeros, in place of an older one; else there must be one of this size.

    Raises:
        InvalidArgument: there is no such file, or one of another size.
    """

    def __init__(self, path: Path, shape: tuple[int, int], *, new: bool) -> None:
        self.path = path
        numbers = HEADER + shape[0] * shape[1]
        if not new and (not path.is_file() or path.stat().st_size != 4 * numbers):
            size = f"{path.stat().st_size} bytes" if path.is_file() else None
            raise InvalidArgument(str(path), size, f"the {4 * numbers} bytes that the checkpoint goes with")
        self._map = np.memmap(path, dtype=np.float32, mode="w+" if new else "r+", shape=(numbers,))
        self._mark = self._map[:HEADER].view(np.int64)
        self.rows = torch.from_numpy(self._map[HEADER:].reshape(shape))

    @property
    def mark(self) -> int:
        """A number that says what the rows are: set by the owner, 0 in a new file."""
        return int(self._mark[0])

    @mark.setter
    def mark(self, value: int) -> None:
        self._mark[0] = value

    def flush(self) -> None:
        """Bring everything to the disk."""
        self._map.flush()
