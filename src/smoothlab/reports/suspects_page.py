"""A page of the labels that are likely to be wrong, with their rows."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from smoothlab.rundir.atomic import write_text

MOST_ROWS, MOST_COLUMNS, LONGEST = 500, 20, 300
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --line: #8886; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; } }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 90rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 1.6rem; }
table { border-collapse: collapse; font-size: .85rem; } tr { border-bottom: 1px solid var(--line); }
th, td { padding: .2rem .7rem .2rem 0; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } td.label { color: var(--bad); }
.scroll { overflow-x: auto; }
"""


def write_suspects_page(
    path: Path, table: pd.DataFrame, raw: pd.DataFrame, joint: np.ndarray, names: Sequence[str], lines: Sequence[str]
) -> None:
    """Write the page, whole or not at all; it needs nothing from outside and runs no scripts.

    Args:
        path: of the page.
        table: the suspects, with ``row``, ``label``, ``likely``, ``prob_label`` and ``prob_likely``.
        raw: rows of the data by their number; may lack some, or be empty.
        joint: ``(K, K)`` shares by label and true class.
        names: of the classes.
        lines: sentences at the top.

    Raises:
        OSError: it cannot be written.
    """
    top = "".join(f"<p>{_text(line)}</p>" for line in lines)
    body = f"<h1>Suspect labels</h1>{top}{_pairs(joint, names)}{_rows(table, raw)}"
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    write_text(
        path,
        f'<!doctype html><html lang="en"><head>{head}<title>Suspect labels</title><style>{STYLE}</style></head>'
        f"<body>{body}</body></html>\n",
    )


def _pairs(joint: np.ndarray, names: Sequence[str]) -> str:
    """The pairs of label and true class with most rows."""
    away = joint - np.diag(joint.diagonal())
    order = [divmod(int(place), len(names)) for place in np.argsort(-away, axis=None)[:15]]
    cells = "".join(
        f'<tr><td>{_text(names[i])}</td><td>{_text(names[j])}</td><td class="number">{away[i, j]:.2%}</td></tr>'
        for i, j in order
        if away[i, j] > 0
    )
    return f"<h2>Estimated mistakes</h2><table><tr><th>label</th><th>is</th><th>of all rows</th></tr>{cells}</table>"


def _rows(table: pd.DataFrame, raw: pd.DataFrame) -> str:
    shown, columns = table.head(MOST_ROWS), list(raw.columns[:MOST_COLUMNS])
    head = "".join(f"<th>{_text(name)}</th>" for name in ("row", "label", "likely", "p(label)", "p(likely)", *columns))
    lines = []
    for line in shown.itertuples():
        cells = raw.loc[line.row, columns] if line.row in raw.index else [""] * len(columns)
        own = "".join(f"<td>{_text(cell)}</td>" for cell in cells)
        lines.append(
            f'<tr><td class="number">{line.row}</td><td class="label">{_text(line.label)}</td>'
            f'<td>{_text(line.likely)}</td><td class="number">{line.prob_label:.3f}</td>'
            f'<td class="number">{line.prob_likely:.3f}</td>{own}</tr>'
        )
    more = f"<p>The worst {len(shown)} of {len(table)}.</p>" if len(table) > len(shown) else ""
    return (
        f'<h2>Rows, the worst first</h2>{more}<div class="scroll"><table><tr>{head}</tr>{"".join(lines)}</table></div>'
    )


def _text(value: object) -> str:
    words = str(value)
    return html.escape(words if len(words) <= LONGEST else f"{words[:LONGEST]}...")
