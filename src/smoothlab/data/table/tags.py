"""Several labels in one cell, such as ``red;big``: by which sign they are joined."""

from __future__ import annotations

import re
from collections.abc import Mapping

SIGNS = {
    ";": "semicolon",
    "|": "bar",
    ",": "comma",
    "/": "/",
    "+": "+",
    " ": "space",
}  # as data.label_separator names them
SOME = 0.05  # share of the rows, from which cells with a sign in them are looked at
LONGEST = 40  # letters of a label
IN_BRACKETS = re.compile(r"[\[{(]\s*(.*?)\s*[\])}]", re.DOTALL)
QUOTES = "\"' "


def labels_of(cell: str, separator: str) -> list[str]:
    """The labels in a cell, without what a list is written with: ``['red', 'big']``."""
    inner = IN_BRACKETS.fullmatch(cell.strip())
    parts = (inner[1] if inner else cell).split(separator)
    return [word for part in parts if (word := part.strip().strip(QUOTES) if inner else part.strip())]


def joining_sign(counts: Mapping[str, int]) -> tuple[str, int] | None:
    """The sign that joins labels, and how many labels there are; None where each cell is one label.

    Cells hold several labels where they hold unequally many, none of them twice, and where there are fewer labels than
    different cells: names such as ``Boston, MA`` and pairs such as ``A/x`` are one.

    Args:
        counts: rows of each different cell.
    """
    for sign in SIGNS:
        joined = sum(rows for cell, rows in counts.items() if sign in cell)
        if joined < SOME * sum(counts.values()):
            continue
        cells = [labels_of(cell, sign) for cell in counts]
        labels = {label for parts in cells for label in parts}
        several = [parts for parts in cells if len(parts) > 1]
        if len(several) < 2 or len({len(parts) for parts in cells}) < 2 or not 1 < len(labels) < len(cells):
            continue
        if any(len(set(parts)) < len(parts) for parts in cells) or max(map(len, labels)) > LONGEST:
            continue
        if sign == " " and 2 * len(labels) > len(cells):
            continue  # strongly agree, agree, ...
        if sign in ",/+" and all(label.replace(".", "").isdecimal() for label in labels):
            continue  # 1,5 and 1/2/2024 are numbers and dates
        return sign, len(labels)
    return None


def advice(column: object, counts: Mapping[str, int]) -> str:
    """What to type where a target's cells seem to hold several labels each; empty where they do not."""
    joining = joining_sign(counts)
    if joining is None:
        return ""
    sign, labels = joining
    example = max(counts, key=lambda cell: (sign in cell, counts[cell]))
    return (
        f"data.target = {str(column)!r}: cells such as {example[:LONGEST]!r} look like several of {labels} labels; "
        f"data.labels=multilabel data.label_separator={SIGNS[sign]} task=multilabel smoothing=multilabel reads them so"
    )
