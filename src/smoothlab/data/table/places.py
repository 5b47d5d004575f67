"""Where a cell stands, as a user would count."""

from __future__ import annotations

import pandas as pd


def row_number(cells: pd.Series, place: int) -> int:
    """The number of a cell's data row, from 1.

    A table of which rows were left out keeps its index, so that the number is that of the file; an index that does not
    count upwards tells nothing, and the place itself does.
    """
    index = cells.index
    counts = pd.api.types.is_integer_dtype(index.dtype) and index.is_monotonic_increasing and index.is_unique
    return int(index[place] if counts and index[0] >= 0 else place) + 1
