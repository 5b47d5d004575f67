"""How much disk a sweep needs, before it is started."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable
from pathlib import Path

from smoothlab.errors import UserMistake

PREDICTIONS_BYTES = 2_000_000  # figures, predictions and logs of a small run; the estimate before any run is there
COPIES = 6  # best and last checkpoint, each with the weights and two moments of the optimizer


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def estimate(finished: Iterable[Path], weight_bytes: int | None) -> int | None:
    """Bytes of one run: the largest finished one, else by its weights; None where nothing is known.

    Args:
        finished: directories of runs of the sweep that are done.
        weight_bytes: bytes of the net's parameters, where known.
    """
    sizes = [size_of(folder) for folder in finished]
    if sizes:
        return max(sizes)
    return None if weight_bytes is None else weight_bytes * COPIES + PREDICTIONS_BYTES


def check_space(folder: Path, runs: int, bytes_a_run: int) -> str:
    """A line about the disk that ``runs`` more runs need.

    Raises:
        UserMistake: the disk does not hold them.
    """
    while not folder.exists():
        folder = folder.parent
    free, need = shutil.disk_usage(folder).free, runs * bytes_a_run
    line = f"disk: about {shown(need)} for {runs} runs of {shown(bytes_a_run)}; {shown(free)} are free"
    if need > free:
        raise UserMistake(f"{line}; free some (smoothlab sweep prune), or give output_root=... on a larger disk")
    return line


def shown(count: int) -> str:
    """Bytes with a unit."""
    power = min(4, int(math.log(max(count, 1), 1000)))
    return f"{count / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"
