"""JSON lines: a JSON object a line, its keys the columns."""

from __future__ import annotations

import json

import pandas as pd

from smoothlab.errors import UserMistake


def read_json_lines(text: str, *, where: str) -> pd.DataFrame:
    """A table of the objects; a key that an object lacks is an empty cell, and lines of white space do not count.

    Keys with lists or objects as values are left out; ``frame.attrs["nested"]`` says of each what is wrong with it.

    Args:
        text: what the file holds.
        where: what to call the file in an error.

    Raises:
        UserMistake: a line that is no JSON object, with its number, or no key has single values.
    """
    rows, nested = [], dict[str, str]()
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
        for key, value in row.items():
            if isinstance(value, list | dict):
                nested.setdefault(key, f"line {number}: {key!r} is no single value; expected text or a number")
        rows.append(row)
    frame = pd.DataFrame([{key: value for key, value in row.items() if key not in nested} for row in rows])
    if rows and not len(frame.columns) and nested:
        raise UserMistake(f"{where}: {next(iter(nested.values()))}")
    if nested:
        frame.attrs["nested"] = nested
    return frame
