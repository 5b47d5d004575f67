"""Sets that are tables as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from smoothlab.data.table.reading import read_table

ENDINGS = (".csv", ".arff")  # beside the table, a set may have a licence or a description


def table(paths: Mapping[str, Path], **options: Any) -> pd.DataFrame:
    """The set's first file that is a table, with the options of :func:`smoothlab.data.read_table`."""
    path = next(path for name, path in paths.items() if name.endswith(ENDINGS))
    return read_table(path, **options)


def train_and_test(paths: Mapping[str, Path], train: str, test: str, **options: Any) -> dict[str, pd.DataFrame]:
    """Two files by their names: the split that the set came with."""
    return {"train": read_table(paths[train], **options), "test": read_table(paths[test], **options)}
