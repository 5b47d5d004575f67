"""ARFF, the text format of Weka, with the hierarchical attribute of the Clus data sets."""

from __future__ import annotations

import csv
import re
from io import StringIO

import pandas as pd

from smoothlab.errors import UserMistake

ATTRIBUTE = re.compile(r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S+)\s+(.+)""", re.IGNORECASE)
NUMBERS = ("numeric", "real", "integer")


def read_arff(text: str, *, where: str = "table") -> pd.DataFrame:
    """A table from the text of an ARFF file.

    Numeric columns become numbers, ``?`` is missing, everything else is text. An attribute ``hierarchical a,a/b,a/b/c``
    holds nodes of a tree, several joined by ``@``; its nodes stand in ``frame.attrs["hierarchy"][column]``. Of a sparse
    row, ``{0 1, 5 2}``, what is not named is 0, or the first of its attribute's words. SciPy reads no strings, no
    sparse rows and no such attribute.

    Raises:
        UserMistake: no attributes or data, a row of another width, or a cell that is no number in a numeric column.
    """
    names: list[str] = []
    kinds: list[str] = []
    lines = text.splitlines()
    start = None
    for number, line in enumerate(lines):
        stripped = line.strip()
        if stripped.lower().startswith("@data"):
            start = number + 1
            break
        if not stripped.lower().startswith("@attribute"):
            continue
        match = ATTRIBUTE.match(stripped)
        if match is None:
            raise UserMistake(f"{where}: line {number + 1} is no attribute: {stripped[:60]!r}")
        name, kind = match.groups()
        names.append(_unquoted(name))
        kinds.append(kind.strip())
    if start is None or not names:
        raise UserMistake(f"{where}: not an ARFF file, it has no {'@data' if names else '@attribute'}")
    # Each row with the line it stands in: comments and empty lines are no rows.
    data = [(number, line) for number, line in enumerate(lines[start:], start + 1) if line.strip() and line[0] != "%"]
    quote = "'" if any("'" in line for _, line in data[:200]) else '"'
    source = StringIO("\n".join(line for _, line in data))
    rows = list(csv.reader(source, quotechar=quote, skipinitialspace=True, escapechar="\\"))
    if data and data[0][1].lstrip().startswith("{"):
        rows = [_dense(row, kinds, f"{where}: line {number}") for (number, _), row in zip(data, rows, strict=False)]
    for (number, _), cells_of_row in zip(data, rows, strict=False):
        if len(cells_of_row) != len(names):
            raise UserMistake(
                f"{where}: line {number} has {len(cells_of_row)} cells, there are {len(names)} attributes"
            )
    cells = pd.DataFrame(rows, columns=range(len(names)), dtype=object)
    columns, hierarchy = [], {}
    for position, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        column = cells[position].str.strip() if len(cells) else cells[position]
        column = column.mask(column.isin(["?", ""]))
        if kind.lower().split()[0] in NUMBERS:
            numbers = pd.to_numeric(column, errors="coerce")
            bad = numbers.isna() & column.notna()
            if bad.any():
                row = int(bad.to_numpy().argmax())
                raise UserMistake(f"{where}: column {name!r}, line {data[row][0]}: no number, {column[row]!r}")
            column = numbers
        elif kind.lower().startswith("hierarchical"):
            hierarchy[name] = [node.strip() for node in kind.split(None, 1)[1].split(",") if node.strip()]
        columns.append(column)
    frame = pd.concat(columns, axis=1)
    frame.columns = names
    if hierarchy:
        frame.attrs["hierarchy"] = hierarchy
    return frame


def _dense(row: list[str], kinds: list[str], where: str) -> list[str]:
    """The cells of a sparse row."""
    cells = ["0" if kind.lower().split()[0] in NUMBERS else _first_word(kind) for kind in kinds]
    text = ",".join(row).strip()
    if not (text.startswith("{") and text.endswith("}")):
        raise UserMistake(f"{where}: {text[:40]!r} is no sparse row such as {{0 1, 5 2}}, as the first one is")
    row = [row[0].lstrip()[1:], *row[1:]]
    row[-1] = row[-1].rstrip()[:-1]
    for cell in row:
        place, _, value = cell.strip().partition(" ")
        if not place.isdecimal() or int(place) >= len(kinds) or not value.strip():
            if not cell.strip() and len(row) == 1:  # {} has nothing but zeros
                continue
            raise UserMistake(f"{where}: {cell.strip()[:40]!r} is no place of {len(kinds)} attributes and its value")
        cells[int(place)] = _unquoted(value.strip())
    return cells


def _first_word(kind: str) -> str:
    """What a nominal attribute is where a sparse row does not name it; empty for others."""
    words = next(csv.reader([kind.strip()[1:-1]], quotechar="'", skipinitialspace=True), [])
    return words[0].strip() if kind.startswith("{") and words else ""


def _unquoted(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        return name[1:-1].replace("\\", "")
    return name
