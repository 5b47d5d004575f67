"""Tables that people open in a spreadsheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# How a cell begins that a spreadsheet reads as a formula (OWASP, CSV injection).
STARTS = ("=", "+", "-", "@", "\t", "\r")


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before each text, or name of a column, that a spreadsheet would run as a formula.

    Names of classes come from data that others may have written. Texts that are numbers, such as ``-1``, stay.
    """
    import pandas as pd

    shown = table.rename(columns=_as_text)
    for place in range(shown.shape[1]):
        column = shown.iloc[:, place]
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
            continue
        values = column.astype(object)
        if any(_as_text(value) != value for value in values.unique() if isinstance(value, str)):
            shown.isetitem(place, values.map(_as_text))
    return shown


def _as_text(value: Any) -> Any:
    if not isinstance(value, str) or len(value) < 2 or not value.startswith(STARTS) or _is_number(value):
        return value
    return f"'{value}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
