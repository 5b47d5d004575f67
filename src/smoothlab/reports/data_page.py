"""A page of what was understood of a table: its columns with a small chart each, its classes, and what looks wrong."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from smoothlab.data.table.describing import Description
from smoothlab.reports.page.svg import Drawing, printable
from smoothlab.rundir.atomic import write_text

COLOURS = ("#2f6f9f", "#d9822b", "#4a9a5b", "#b04a6a", "#7a7a7a")
WIDTH, HEIGHT = 208.0, 64.0
MOST_CHARTS = 400  # of wider tables the page would be slow
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8881; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 78rem; margin: 0 auto; padding: 1rem;
  overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 1.6rem 0 .5rem; }
.warnings li { margin: .35rem 0; } .warnings li::marker { color: var(--bad); }
.columns { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: .7rem; }
.column { border: 1px solid var(--line); border-radius: 6px; padding: .6rem .7rem; }
.column.ignored { background: var(--soft); } .column h3 { font-size: .95rem; margin: 0 0 .15rem; }
.column p { margin: .15rem 0; font-size: .85rem; } .kind { opacity: .75; font-weight: 400; }
.column svg { display: block; width: 100%; height: auto; margin-top: .35rem; }
table { border-collapse: collapse; font-size: .9rem; } th, td { padding: .2rem .7rem .2rem 0; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr { border-bottom: 1px solid var(--line); }
.scroll { overflow-x: auto; } .key { display: inline-block; margin-right: 1rem; font-size: .85rem; }
.key i { display: inline-block; width: .8em; height: .8em; margin-right: .3em; border-radius: 2px; }
"""


def write_data_page(description: Description, path: Path, title: str) -> None:
    """Write the page, whole or not at all; it needs nothing from outside and runs no scripts.

    Args:
        description: of the data.
        path: of the page.
        title: its heading.

    Raises:
        OSError: it cannot be written.
    """
    page = data_page(description, title)
    write_text(path, page)


def data_page(description: Description, title: str) -> str:
    """The page as HTML, every word of the data escaped."""
    charts = {chart["column"]: chart for chart in description.charts[:MOST_CHARTS]}
    rows = ", ".join(f"{count:,} {split}" for split, count in description.splits.items())
    cards = "".join(
        _card(column, charts.get(column["name"]), place) for place, column in enumerate(description.columns)
    )
    head = "".join(f"<th>{_text(split)}</th>" for split in description.splits)
    classes = "".join(
        f"<tr><td>{_text(row['name'])}</td>"
        + "".join(f"<td>{row[split]:,}</td>" for split in description.splits)
        + "</tr>"
        for row in description.classes
    )
    key = ""
    if description.charts:
        names = list(description.charts[0]["counts"])
        key = "".join(
            f'<span class="key"><i style="background:{COLOURS[place % len(COLOURS)]}"></i>{_text(name)}</span>'
            for place, name in enumerate(names)
        )
    positive = (
        ""
        if description.positive is None
        else (f"<p>Positive class: {_text(description.positive)} (data.positive chooses it).</p>")
    )
    sample = f"<p>{_text(description.sample)}</p>" if description.sample else ""
    measured = "".join(
        f"<tr><td>{_text(part['column'])} ({part['split']})</td><td>{part['random']:.3f}</td>"
        f"<td>{part['apart']:.3f}</td></tr>"
        for part in description.measured
    )
    measured = measured and (
        '<h2>Splits</h2><div class="scroll"><table><tr><th>column</th><th>random split</th><th>kept apart</th></tr>'
        f"{measured}</table></div><p>Accuracy of a small model on rows that it was not fitted on.</p>"
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><h1>{_text(title)}</h1>"
        f"<p>{len(description.columns)} columns; rows: {rows}.</p>{sample}"
        f"<h2>What looks wrong</h2>{_listed(description.warnings, 'warnings') or '<p>Nothing.</p>'}"
        f'<h2>Columns</h2><p>{key}</p><div class="columns">{cards}</div>'
        f'<h2>Classes</h2><div class="scroll"><table><tr><th>class</th>{head}</tr>{classes}</table></div>{positive}'
        f"{measured}<h2>Notes</h2>{_listed(description.notes, 'notes')}</body></html>\n"
    )


def _card(column: dict[str, Any], chart: dict[str, Any] | None, place: int) -> str:
    counts = f"{column['distinct']:,} values" + (f", {column['missing']:,} missing" if column["missing"] else "")
    becomes = f"<p>the model gets: {_text(column['becomes'])}</p>" if column["becomes"] else ""
    note = f"<p>{_text(column['note'])}</p>" if column["note"] else ""
    drawn = "" if chart is None else _chart(chart, place)
    role = "" if column["role"] == "feature" else f", {_text(column['role'])}"
    kind = f"{_text(column['kind'])}{role}".strip(", ")
    return (
        f'<div class="column {_text(column["role"])}"><h3>{_text(column["name"])} <span class="kind">{kind}</span></h3>'
        f"<p>{counts}; such as {_text(column['example'])}</p>{becomes}{note}{drawn}</div>"
    )


def _chart(chart: dict[str, Any], place: int) -> str:
    """A bar a bin, the classes one on the other."""
    drawing = Drawing(f"column-{place}", WIDTH, HEIGHT)
    bins, by_class = chart["bins"], chart["counts"]
    highest = max((sum(counts[at] for counts in by_class.values()) for at in range(len(bins))), default=0) or 1
    width = WIDTH / max(len(bins), 4)
    for at, name in enumerate(bins):
        bottom = HEIGHT
        for number, (label, counts) in enumerate(by_class.items()):
            height = counts[at] / highest * (HEIGHT - 2)
            bottom -= height
            if counts[at]:
                drawing.add(
                    "rect",
                    "bar",
                    f"{name}: {counts[at]:,} of {label}",
                    x=at * width + 0.5,
                    y=bottom,
                    width=width - 1,
                    height=height,
                    fill=COLOURS[number % len(COLOURS)],
                )
    return drawing.chart(chart["column"], f"rows by value and class, {len(bins)} bins").inline()


def _listed(lines: list[str], mark: str) -> str:
    items = "".join(f"<li>{_text(line)}</li>" for line in lines)
    return f'<ul class="{mark}">{items}</ul>' if items else ""


def _text(word: object) -> str:
    return html.escape(printable(word))
