"""``smoothlab.describe``: what is understood of data, and what looks wrong with them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from smoothlab.api.shown import as_html
from smoothlab.api.tables import as_frame
from smoothlab.api.words import words_of
from smoothlab.data.table.describing import Description
from smoothlab.errors import UserMistake


@dataclass(frozen=True)
class Described:
    """What was understood of data.

    Args:
        description: in plain values.
    """

    description: Description

    @property
    def columns(self) -> pd.DataFrame:
        """A row a column: its kind, its role, and how many cells are missing."""
        import pandas as pd

        return pd.DataFrame(self.description.columns).set_index("name")

    @property
    def classes(self) -> pd.DataFrame:
        """A row a class: its rows by split."""
        import pandas as pd

        return pd.DataFrame(self.description.classes).set_index("name")

    @property
    def notes(self) -> list[str]:
        """What was left out or guessed."""
        return self.description.notes

    @property
    def warnings(self) -> list[str]:
        """What looks wrong."""
        return self.description.warnings

    def __repr__(self) -> str:
        lines = [*(f"note: {note}" for note in self.notes), *(f"warning: {line}" for line in self.warnings)]
        return "\n".join([self.columns.to_string(max_rows=60), "", self.classes.to_string(max_rows=60), "", *lines])

    def _repr_html_(self) -> str:
        sentences = [*self.notes, *(f"warning: {line}" for line in self.warnings)]
        return as_html([], self.columns) + as_html(sentences, self.classes)


def describe(data: Any, *overrides: Any, **settings: Any) -> Described:
    """What is understood of data, as ``smoothlab data describe`` shows it; nothing is written.

    Args:
        data: a table, the path of a file, or an option of the group ``data``.
        overrides: as on the command line, or mappings of keys to values.
        settings: keys of ``data`` and their values, such as ``target="label"``.

    Raises:
        UserMistake: the data cannot be used, or are no table.
    """
    from smoothlab.commands.data import overrides_of
    from smoothlab.config.build import call
    from smoothlab.config.compose import compose_config, plain
    from smoothlab.config.opening import make_data
    from smoothlab.data import RowData
    from smoothlab.data import describe as describe_rows
    from smoothlab.data.held import holding
    from smoothlab.data.table.reading import usually_emptied

    handed = not isinstance(data, str | os.PathLike | Mapping | list | tuple)
    words = words_of("data=table" if handed else data, overrides, settings)
    values = plain(compose_config("train", overrides_of(words)))
    if handed:
        verbatim = values["data"].get("verbatim") or ()
        with holding(usually_emptied(as_frame(data, where="data").copy(deep=False), verbatim)) as source:
            values["data"]["source"] = source
            made = make_data(values)
            return Described(call(describe_rows, "data", made))
    made = make_data(values)
    if not isinstance(made, RowData):
        raise UserMistake("data: expected a table or arrays; smoothlab data describe shows what is known of others")
    return Described(call(describe_rows, "data", made))
