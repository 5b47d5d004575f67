"""The report as Markdown, with its charts as files beside it."""

from __future__ import annotations

import re

from smoothlab.reports.page.contents import Contents
from smoothlab.reports.page.section import MARKDOWN, Block, Figures, Heading, Listing, Paragraph
from smoothlab.reports.page.svg import Chart, printable
from smoothlab.reports.page.tables import Table
from smoothlab.version import __version__

# What Markdown, or HTML inside of it, could take for more than text.
SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$])")


def render_markdown(report: Contents) -> str:
    """The report, every text escaped; charts are linked as ``figures/<name>.svg``."""
    parts = [f"# {plain(report.title)}", " · ".join(plain(fact) for fact in report.facts), "## The answer"]
    first, second = report.verdict.answers
    parts.append(f"**{plain(first)}** {plain(second)}")
    if report.picture is not None:
        parts += _chart(report.picture)
    for step in report.verdict.steps:
        parts.append(plain(step.says) if step.command is None else f"{plain(step.says)} {plain(step.command)}")
    checks = [
        f"- {'holds' if check.passed else '**does not hold**'}: {plain(check.says)}" for check in report.verdict.checks
    ]
    if checks:
        parts.append("\n".join(checks))
    if report.notes:
        parts += ["To bear in mind:", "\n".join(f"- {plain(note)}" for note in report.notes)]
    for section in report.sections:
        if blocks := section.shown(MARKDOWN):
            parts += [f"## {plain(section.title)}", *(text for block in blocks for text in _texts(block))]
    parts.append(f"All numbers are in table.csv and report.json. Made by smoothlab {__version__} on {report.made}.")
    return "\n\n".join(parts) + "\n"


def _texts(block: Block) -> list[str]:
    """The paragraphs of a block."""
    match block:
        case Heading():
            return [f"### {plain(block.text)}"]
        case Paragraph():
            return [plain("".join(text for text, _ in block.pieces))]
        case Figures():
            return [text for chart in block.shown for text in _chart(chart)]
        case Listing():
            return [_table(block.table)]
        case _:
            raise TypeError(f"{block.kind}: Markdown has no form for it; expected a block that only the page shows")


def plain(text: object) -> str:
    """``text`` as Markdown that shows it and does nothing else."""
    line = " ".join(printable(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("://", "&#58;//")
    return SPECIAL.sub(r"\\\1", line).replace("&\\#58;", "&#58;")


def _table(table: Table) -> str:
    heads = [f"{plain(column.label)}{f' ({plain(column.unit)})' if column.unit else ''}" for column in table.columns]
    lines = [f"{plain(table.caption)}", "", f"| {' | '.join(heads)} |"]
    lines.append(f"|{'|'.join(' ---: ' if column.numeric else ' --- ' for column in table.columns)}|")
    for row in table.rows:
        cells = []
        for cell in row.cells:
            first = f"**{plain(cell.text)}**" if cell.strong else plain(cell.text)
            cells.append("<br>".join([first, *(plain(text) for text, _ in cell.lines)]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _chart(chart: Chart) -> list[str]:
    image = f"![{plain(f'{chart.title}. {chart.describes}')}](figures/{chart.name}.svg)"
    return [image, plain(chart.caption)] if chart.caption else [image]
