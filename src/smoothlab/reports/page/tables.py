"""Tables of a report: what is shown, and the value behind it that sorting and files go by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from smoothlab.reports.page.wording import number

LONG = 30  # characters
Value = str | float | int | None


@dataclass(frozen=True)
class Column:
    """A column.

    Args:
        label: its heading.
        numeric: whether it is sorted by number and set to the right.
        explains: what stands in it, for who points at the heading.
        unit: a second line of the heading, such as ``lower is better``.
    """

    label: str
    numeric: bool = False
    explains: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell.

    Args:
        text: what is read.
        value: what it is sorted by; None comes last.
        lines: smaller lines below, each with a mark: ``good``, ``bad``, ``open`` or nothing.
        strong: whether it stands out.
        explains: what it is, for who points at it or comes to it by keyboard.
    """

    text: str
    value: Value = None
    lines: tuple[tuple[str, str], ...] = ()
    strong: bool = False
    explains: str = ""


@dataclass(frozen=True)
class Row:
    """A row; ``variant`` and ``mark`` tell the page which to show and how."""

    cells: tuple[Cell, ...]
    variant: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        name: unique in the page, of letters and dashes.
        caption: says what it is.
        columns: the first one names the rows.
        rows: as long as the columns are many.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...] = field(default_factory=tuple)

    @property
    def has_long_names(self) -> bool:
        """Whether the names of the rows need room."""
        return any(len(row.cells[0].text) > LONG for row in self.rows)


def text_cell(value: object) -> Cell:
    """A cell of text."""
    return Cell(str(value), str(value))


def number_cell(value: object, decimals: int = 3, *, sign: bool = False) -> Cell:
    """A cell of a number."""
    held = float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value == value else None
    return Cell(number(value, decimals, sign=sign), held)


def rows_of(cells: Sequence[Sequence[Cell]]) -> tuple[Row, ...]:
    """Plain rows."""
    return tuple(Row(tuple(row)) for row in cells)
