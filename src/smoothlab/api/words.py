"""What Python hands over, as the words of a command."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from smoothlab.api.tables import as_frame
from smoothlab.config.compose import all_groups, quoted
from smoothlab.config.overrides import overrides_of
from smoothlab.data.held import content_hash
from smoothlab.errors import WrongInput
from smoothlab.rundir.atomic import make_folders, write_atomically

DATA = "data"  # the folder of tables below output_root


def words_of(data: Any, overrides: tuple[Any, ...], settings: Mapping[str, Any]) -> list[str]:
    """The words that follow a command's name.

    Args:
        data: a table, the path of a file or folder, an option of the group ``data``, a mapping of its keys, overrides,
            or None.
        overrides: overrides, or mappings of keys to values.
        settings: keys and their values.

    Raises:
        WrongInput: data of another kind.
    """
    words = overrides_of(*overrides, settings)
    if data is None:
        return words
    if isinstance(data, list | tuple) and all(isinstance(word, str) for word in data):
        return [*data, *words]
    if isinstance(data, str | os.PathLike):
        text = os.fspath(data)
        if "=" in text and not Path(text).exists():
            return [text, *words]
        chosen = text in all_groups()[DATA] and not Path(text).exists()
        return [f"data={text}" if chosen else text, *words]
    if isinstance(data, Mapping) and not _is_columns(data):
        return [*overrides_of({DATA: data}), *words]
    path = saved(as_frame(data, where="data"), _root(words))
    return [str(path.resolve()), *_named(words)]  # found from any working directory


def _is_columns(data: Mapping[str, Any]) -> bool:
    """Whether a mapping holds the columns of a table, and no keys of a config."""
    return bool(data) and all(isinstance(value, np.ndarray | pd.Series) for value in data.values())


def _root(words: list[str]) -> Path:
    given = [word.partition("=")[2] for word in words if word.startswith("output_root=")]
    return Path(given[-1].strip("'\"") if given else "outputs")


def _named(words: list[str]) -> list[str]:
    """A run's name is that of its file, which here has none."""
    return words if any(word.startswith("name=") for word in words) else [*words, f"name={quoted('table')}"]


def saved(frame: pd.DataFrame, root: Path) -> Path:
    """A table as a file below ``output_root``, named by its content, so that runs of it can be scored again.

    Raises:
        WrongInput: it has no rows, or cells that no Parquet file holds.
    """
    if not len(frame):
        raise WrongInput("data: the table has no rows")
    path = root / DATA / f"{content_hash(frame)[:16]}.parquet"
    if not path.is_file():
        make_folders(path.parent)
        try:
            write_atomically(path, partial(_write, frame))
        except (ValueError, TypeError, NotImplementedError) as error:  # the last of Arrow
            reason = str(error).splitlines()[0]
            raise WrongInput(
                f"data: cannot be written as Parquet ({reason}); expected a type of cell a column"
            ) from None
    return path


def _write(frame: pd.DataFrame, path: Path) -> None:
    frame.reset_index(drop=True).to_parquet(path, index=False)
