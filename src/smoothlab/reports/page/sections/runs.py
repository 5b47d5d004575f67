"""Every run, and those that are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from smoothlab.reports.confidence import Confidence
from smoothlab.reports.page.material import Material
from smoothlab.reports.page.section import MARKDOWN, PAGE, Listing, Paragraph, Section
from smoothlab.reports.page.tables import Cell, Column, Table, number_cell, rows_of, text_cell

if TYPE_CHECKING:
    from smoothlab.reports.records import RunRecord

MOST_OPEN = 20  # rows up to which the page's table begins open
MOST_IN_MARKDOWN = 50  # rows up to which Markdown lists them
LONGEST = 900  # characters of an error
COLUMNS = (
    Column("run"),
    Column("arm"),
    Column("seed", True),
    Column("fold", True),
    Column("state"),
    Column("epochs", True),
    Column("best epoch", True),
    Column("seconds", True, "of the whole run"),
    Column("validation NLL", True),
    Column("test NLL", True),
    Column("test accuracy", True),
    Column("test ECE", True),
)


def runs(material: Material) -> Section:
    """Every run, finished or not; of a single finished one also what its test rows say of its confidence."""
    table = _table(material.records.records)
    count = len(table.rows)
    few = count <= MOST_IN_MARKDOWN
    listing = Listing(table, folded=f"{count} runs", is_open=count <= MOST_OPEN, only="" if few else PAGE)
    rest = [] if few else [Paragraph(((f"{count} runs; each is in report.json.", ""),), only=MARKDOWN)]
    alone = material.finished[0] if len(material.finished) == 1 else None
    confidence = Confidence.of(alone.results, alone.config) if alone is not None else None
    first = [] if confidence is None else [Paragraph(((confidence.advice, ""),))]
    return Section("runs", "Runs", "Runs", (*first, listing, *rest))


def _table(records: Sequence[RunRecord]) -> Table:
    rows = [_cells(record) for record in records]
    filled = [place for place in range(len(COLUMNS)) if any(row[place].value is not None for row in rows)]
    cells = [[row[place] for place in filled] for row in rows]
    return Table("runs", "Every run.", tuple(COLUMNS[place] for place in filled), rows_of(cells))


def _cells(record: RunRecord) -> list[Cell]:
    test, validation, seconds = record.metrics("test"), record.metrics("val"), record.results.get("seconds")
    return [
        text_cell(record.path.name),
        text_cell(record.arm),
        number_cell(record.seed, 0),
        number_cell(record.fold, 0),
        text_cell(record.state),
        number_cell(record.results.get("epochs"), 0),
        number_cell(record.results.get("best_epoch"), 0),
        number_cell(seconds.get("total") if isinstance(seconds, dict) else None, 1),
        number_cell(validation.get("nll")),
        *(number_cell(test.get(name)) for name in ("nll", "accuracy", "ece")),
    ]


def problems(material: Material) -> Section | None:
    """Runs that are left out, or in part, and why; None where there are none."""
    if not material.left_out:
        return None
    rows = [[text_cell(path), text_cell(state), text_cell(_cut(why))] for path, state, why in material.left_out]
    columns = (Column("directory"), Column("state"), Column("what is wrong"))
    table = Table("problems", "Runs that are left out, or in part.", columns, rows_of(rows))
    return Section("problems", "Problems", "Problems", (Listing(table),))


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
