"""A public set as a table: its files, fetched and checked, through its reader."""

from __future__ import annotations

import pandas as pd

from smoothlab.data.registry.fetching import fetch
from smoothlab.data.registry.index import find_set
from smoothlab.errors import UserMistake


def public_set(name: str) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """The table of a public data set, or its tables ``train`` and ``test`` (and ``val``) where it comes split.

    Args:
        name: as ``smoothlab data list`` shows it.

    Raises:
        UserMistake: no such set, it is no table, or it cannot be fetched.
    """
    from smoothlab.data.registry.readers import READERS

    entry = find_set(name)
    if entry.reader is None:
        raise UserMistake(f"{entry.name}: is no table; it is read by data={entry.name}")
    return READERS[entry.reader](fetch(entry.name), **entry.arguments)
