"""JSON: an object a line, or a whole file of objects or columns; keys are the columns."""

from __future__ import annotations

import json
from typing import Any

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
        rows.append((f"line {number}", row))
    return _table(rows, where)


def read_json(text: str, *, where: str) -> pd.DataFrame:
    """A table of a whole JSON file: a list of objects, one such list under the only key, an object of columns, each a
    list or an object by row, or the names under "columns" and the rows under "data". As of :func:`read_json_lines`,
    lists and objects in cells are left out.

    Args:
        text: what the file holds.
        where: what to call the file in an error.

    Raises:
        UserMistake: it is no such JSON.
    """
    try:
        made = json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith("{") and "\n" in text.strip() and getattr(error, "msg", "") == "Extra data":
            return read_json_lines(text, where=where)
        at = f" in line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UserMistake(f"{where}: no JSON ({getattr(error, 'msg', 'nested too deep')}{at})") from None
    if isinstance(made, dict) and len(made) == 1 and isinstance(next(iter(made.values())), list):
        (inner,) = made.values()
        made = inner if all(isinstance(row, dict) for row in inner) else made
    if isinstance(made, dict) and {"columns", "data"} <= set(made) <= {"columns", "data", "index"}:
        names = list(map(str, made["columns"]))
        if not all(isinstance(row, list) and len(row) == len(names) for row in made["data"]):
            raise UserMistake(f"{where}: its rows under 'data' have not as many cells as there are names in 'columns'")
        made = [dict(zip(names, row, strict=True)) for row in made["data"]]
    if isinstance(made, dict) and made and all(isinstance(cells, dict) for cells in made.values()):
        rows: dict[str, dict[str, Any]] = {}
        for name, cells in made.items():
            for row, cell in cells.items():
                rows.setdefault(row, {})[name] = cell
        made = list(rows.values())
    elif isinstance(made, dict) and made and all(isinstance(cells, list) for cells in made.values()):
        if len({len(cells) for cells in made.values()}) > 1:
            raise UserMistake(f"{where}: its columns are of several lengths")
        made = [dict(zip(made, cells, strict=True)) for cells in zip(*made.values(), strict=True)]
    if not isinstance(made, list) or not all(isinstance(row, dict) for row in made):
        raise UserMistake(f"{where}: expected a list of objects, an object a row, or an object of columns")
    return _table([(f"row {number}", row) for number, row in enumerate(made, start=1)], where)


def _table(numbered: list[tuple[str, dict[str, Any]]], where: str) -> pd.DataFrame:
    """A table of objects, each with its place; see :func:`read_json_lines`."""
    nested: dict[str, str] = {}
    for place, row in numbered:
        for key, value in row.items():
            if isinstance(value, list | dict):
                nested.setdefault(
                    key,
                    f"{place}: {key!r} is no single value; expected text or a number (several labels as red;big, with "
                    "data.labels=multilabel data.label_separator=semicolon)",
                )
    rows = [row for _, row in numbered]
    frame = pd.DataFrame([{key: value for key, value in row.items() if key not in nested} for row in rows])
    if rows and not len(frame.columns) and nested:
        raise UserMistake(f"{where}: {next(iter(nested.values()))}")
    if nested:
        frame.attrs["nested"] = nested
    return frame
