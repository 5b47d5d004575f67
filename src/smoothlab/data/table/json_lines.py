"""JSON lines: a JSON object a line, its keys the columns."""

from __future__ import annotations

import json

import pandas as pd

from smoothlab.errors import UserMistake


def read_json_lines(text: str, *, where: str) -> pd.DataFrame:
    """A table of the objects; a key that an object lacks is an empty cell, and lines of white space do not count.

    Args:
        text: what the file holds.
        where: what to call the file in an error.

    Raises:
        UserMistake: a line that is no JSON object, with its number, or one whose values are no single values.
    """
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):  # not splitlines(): JSON strings may hold U+2028
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", "nested too deep")
            raise UserMistake(f"{where}: line {number} is no JSON ({reason}); expected an object a line") from None
        if not isinstance(row, dict):
            raise UserMistake(f"{where}: line {number} is a JSON {type(row).__name__}, expected an object {{...}}")
        nested = [key for key, value in row.items() if isinstance(value, list | dict)]
        if nested:
            raise UserMistake(f"{where}: line {number}: {nested[0]!r} is no single value; expected text or a number")
        rows.append(row)
    return pd.DataFrame(rows)
