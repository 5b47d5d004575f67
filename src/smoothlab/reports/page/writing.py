"""The files of a report, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoothlab.errors import UserMistake
from smoothlab.reports.comparison import plain_values
from smoothlab.reports.page.contents import Contents, contents
from smoothlab.reports.page.html import render_html
from smoothlab.reports.page.markdown import render_markdown
from smoothlab.rundir.spreadsheet import without_formulas

if TYPE_CHECKING:
    from smoothlab.reports.comparison import Comparison
    from smoothlab.reports.records import Records

PAGE, MARKDOWN, TABLE, CLASSES, NUMBERS, FIGURES = (
    "report.html",
    "report.md",
    "table.csv",
    "classes.csv",
    "report.json",
    "figures",
)
OWN = frozenset({PAGE, MARKDOWN, TABLE, CLASSES, NUMBERS, FIGURES})
FORMAT = 1


def write_page(comparison: Comparison, records: Records, folder: Path | str, *, title: str) -> Path:
    """Write a report as one self-contained HTML page, its figures as SVG files, its numbers as CSV and JSON.

    A report that is there already is replaced, and only as a whole.

    Args:
        comparison: of the records.
        records: the runs that it shows.
        folder: of the report alone; made when missing.
        title: heading of the page.

    Returns:
        The page's path.

    Raises:
        UserMistake: there is something else in the folder, or it cannot be written.
    """
    return _write(comparison, records, Path(folder), title, PAGE, render_html)


def write_markdown(comparison: Comparison, records: Records, folder: Path | str, *, title: str) -> Path:
    """Write a report as Markdown, with the same files beside it (see :func:`write_page`)."""
    return _write(comparison, records, Path(folder), title, MARKDOWN, render_markdown)


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds anything but a report.

    Raises:
        UserMistake: it does, or it is no folder.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserMistake(f"{folder}: is a file; expected a folder for the report")
    strange = sorted({entry.name for entry in folder.iterdir()} - OWN)
    if strange:
        raise UserMistake(f"{folder}: holds {strange[0]!r}, which is no part of a report; expected a folder of its own")


def _write(
    comparison: Comparison,
    records: Records,
    folder: Path,
    title: str,
    name: str,
    render: Callable[[Contents], str],
) -> Path:
    check_folder(folder)
    report = contents(comparison, records, title=title)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
            new = Path(temporary) / "new"
            new.mkdir()
            _fill(new, report, comparison, records, name, render(report))
            _replace(folder, new, Path(temporary) / "old")
    except OSError as error:
        raise UserMistake(f"{folder}: cannot be written ({error.strerror or error})") from None
    return folder / name


def _fill(new: Path, report: Contents, comparison: Comparison, records: Records, name: str, page: str) -> None:
    (new / FIGURES).mkdir()
    for chart in report.charts:
        (new / FIGURES / f"{chart.name}.svg").write_text(chart.file(), encoding="utf-8")
    (new / name).write_text(page, encoding="utf-8")
    without_formulas(comparison.table).to_csv(new / TABLE, index=False)
    if len(report.all_classes):
        without_formulas(report.all_classes).to_csv(new / CLASSES, index=False)
    text = json.dumps(
        plain_values(_as_json(report, comparison, records)), indent=2, allow_nan=False, ensure_ascii=False
    )
    (new / NUMBERS).write_text(text + "\n", encoding="utf-8")


def _replace(folder: Path, new: Path, old: Path) -> None:
    """Put ``new`` in the place of ``folder``; if that fails, what was there is there again."""
    there = folder.exists()
    if there:
        os.rename(folder, old)
    try:
        os.rename(new, folder)
    except OSError:
        if there:
            os.rename(old, folder)
        raise
    if there:
        shutil.rmtree(old)


def _as_json(report: Contents, comparison: Comparison, records: Records) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "title": report.title,
        "made": report.made,
        **comparison.to_json(),
        "runs": [
            {
                "path": str(record.path),
                "arm": record.arm,
                "seed": record.seed,
                "fold": record.fold,
                "state": record.state,
                "error": record.error,
                "metrics": record.results.get("metrics", {}),
            }
            for record in records.records
        ],
        "problems": [{"path": str(problem.path), "says": problem.says} for problem in records.problems],
        "figures": {chart.name: {"title": chart.title, "describes": chart.describes} for chart in report.charts},
    }
