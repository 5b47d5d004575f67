"""What people call a table, as a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from smoothlab.errors import WrongInput, reason_of


def is_table(rows: Any) -> bool:
    """Whether rows have named columns, or hold words: a table and no array of numbers.

    A DataFrame of numbers whose columns have no names but their places is an array.
    """
    if isinstance(rows, pd.DataFrame):
        named = any(isinstance(name, str) for name in rows.columns)
        return named or any(dtype.kind not in "iufb" for dtype in rows.dtypes)
    if hasattr(rows, "__arrow_c_stream__") or hasattr(rows, "__dataframe__"):
        return hasattr(rows, "columns") or hasattr(rows, "schema")  # a Series, one column, has neither
    if not isinstance(rows, np.ndarray) or rows.ndim != 2:
        return False
    return rows.dtype.kind in "US" or (rows.dtype == object and any(isinstance(cell, str) for cell in rows.flat))


def check_rows(rows: Any) -> None:
    """Refuse what is neither a table nor an array.

    Raises:
        WrongInput: it is a mapping, a path, a generator, None, or the like, or has no columns.
    """
    records = isinstance(rows, list | tuple) and bool(rows) and isinstance(rows[0], Mapping)
    shaped = hasattr(rows, "shape")  # so are sparse matrices of scipy, of which one kind is a mapping
    held = shaped or hasattr(rows, "__len__") or hasattr(rows, "__array__") or is_table(rows)
    if records or (isinstance(rows, str | bytes | Mapping) and not shaped) or not held:
        what = f"{type(rows).__name__} of mappings" if records else type(rows).__name__
        raise WrongInput(f"X: {what}; expected a table, as of pandas or polars, or an array (N, F)")
    if isinstance(rows, pd.DataFrame) and not rows.shape[1]:
        raise WrongInput("X: a table without columns; expected at least one")


def as_frame(rows: Any, *, where: str = "X") -> pd.DataFrame:
    """A table as a pandas DataFrame, whose columns are called by words; pandas' own is not copied.

    Args:
        rows: of pandas, of another library that speaks Arrow or the dataframe interchange (polars, pyarrow, ...), an
            array with words, or columns by name.
        where: what to call it in an error.

    Raises:
        WrongInput: none of these, or two columns of one name.
    """
    if isinstance(rows, pd.DataFrame):
        frame = rows
    elif isinstance(rows, np.ndarray) and rows.ndim == 2:
        frame = pd.DataFrame(rows, columns=[f"x{place}" for place in range(rows.shape[1])]).infer_objects()
    elif isinstance(rows, Mapping):
        try:
            frame = pd.DataFrame(dict(rows))
        except ValueError as error:
            raise WrongInput(f"{where}: no table ({reason_of(error)})") from None
    else:
        frame = _interchanged(rows, where)
    names = [str(name) for name in frame.columns]
    twice = pd.Index(names)[pd.Index(names).duplicated()]
    if len(twice):
        raise WrongInput(f"{where}: column {twice[0]!r} is there twice; name each column once")
    return frame if list(frame.columns) == names else frame.set_axis(names, axis=1)


def _interchanged(rows: Any, where: str) -> pd.DataFrame:
    import pyarrow as pa

    try:
        if hasattr(rows, "__arrow_c_stream__") and is_table(rows):
            return pa.table(rows).to_pandas()
        if hasattr(rows, "__dataframe__"):
            from pyarrow.interchange import from_dataframe

            return from_dataframe(rows).to_pandas()
    except (pa.ArrowException, NotImplementedError, RuntimeError, TypeError) as error:
        raise WrongInput(f"{where}: this table cannot be read ({reason_of(error)})") from None
    raise WrongInput(f"{where}: expected a table with named columns, got {type(rows).__name__}")
