"""Cells as words: the names of categories and classes."""

from __future__ import annotations

import numpy as np
import pandas as pd


def as_word(value: object) -> str:
    """A value as a category's name: whole numbers without a fraction, so that 3, 3.0 and "3" are one category."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, float | np.floating) and float(value).is_integer() and abs(float(value)) < 1e15:
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(value).strip()


def as_words(cells: pd.Series) -> np.ndarray:
    """A column as category names ``(N,)`` of objects; None where it is empty."""
    codes, values = pd.factorize(cells)  # a name is made once for each different value
    names = np.array([as_word(value) for value in values] + [None], dtype=object)
    return np.asarray(names[codes])


def text_of(cells: pd.Series) -> pd.Series:
    """A column as text, of objects, with None where it is empty."""
    return pd.Series(as_words(cells), index=cells.index, dtype=object)
