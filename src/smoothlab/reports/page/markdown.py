"""The report as Markdown, with its charts as files beside it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import smoothlab
from smoothlab.reports.page.svg import printable

if TYPE_CHECKING:
    from smoothlab.reports.page.contents import Contents
    from smoothlab.reports.page.svg import Chart
    from smoothlab.reports.page.tables import Table

# What Markdown, or HTML inside of it, could take for more than text.
SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$])")
MOST_RUNS = 50


def render_markdown(it: Contents) -> str:
    """The report, every text escaped; charts are linked as ``figures/<name>.svg``."""
    parts = [f"# {plain(it.title)}", " · ".join(plain(fact) for fact in it.facts), "## The answer"]
    parts.append(f"**{plain(it.verdict.sentences[0])}** {plain(it.verdict.sentences[1])}")
    if it.verdict.checks:
        parts.append(
            "\n".join(
                f"- {'holds' if one.passed else '**does not hold**'}: {plain(one.says)}" for one in it.verdict.checks
            )
        )
    if it.notes:
        parts += ["To bear in mind:", "\n".join(f"- {plain(note)}" for note in it.notes)]
    parts += ["## The arms side by side", _table(it.summary), *_charts(it.differences)]
    if it.reliability:
        parts += ["## Reliability", *_charts(*it.reliability)]
    if it.risk_coverage:
        parts += ["## Risk and coverage", *_charts(it.risk_coverage)]
    if it.epochs:
        parts += ["## Over the epochs", *_charts(*it.epochs)]
    if it.conditions:
        parts += ["## Along a varied setting", *_charts(*it.conditions)]
    if it.class_table:
        parts += ["## By class", *_charts(it.class_chart), _table(it.class_table)]
    parts.append("## Settings")
    parts.append(_table(it.settings) if it.settings else "The runs differ in seed and fold alone.")
    parts += ["### Environment", _table(it.environment)]
    if len(it.runs.rows) <= MOST_RUNS:
        parts += ["## Runs", _table(it.runs)]
    else:
        parts += ["## Runs", f"{len(it.runs.rows)} runs; each is in report.json."]
    if it.problems:
        parts += ["## Problems", _table(it.problems)]
    parts.append(
        f"All numbers are in table.csv and report.json. Made by smoothlab {smoothlab.__version__} on {it.made}."
    )
    return "\n\n".join(parts) + "\n"


def plain(text: object) -> str:
    """``text`` as Markdown that shows it and does nothing else."""
    line = " ".join(printable(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("://", "&#58;//")
    return SPECIAL.sub(r"\\\1", line).replace("&\\#58;", "&#58;")


def _table(table: Table) -> str:
    heads = [f"{plain(one.label)}{f' ({plain(one.unit)})' if one.unit else ''}" for one in table.columns]
    lines = [f"{plain(table.caption)}", "", f"| {' | '.join(heads)} |"]
    lines.append(f"|{'|'.join(' ---: ' if one.numeric else ' --- ' for one in table.columns)}|")
    for row in table.rows:
        cells = []
        for cell in row.cells:
            first = f"**{plain(cell.text)}**" if cell.strong else plain(cell.text)
            cells.append("<br>".join([first, *(plain(text) for text, _ in cell.lines)]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _charts(*charts: Chart | None) -> list[str]:
    parts = []
    for one in charts:
        if one is not None:
            parts.append(f"![{plain(f'{one.title}. {one.describes}')}](figures/{one.name}.svg)")
            if one.caption:
                parts.append(plain(one.caption))
    return parts
