"""How results look in a notebook: escaped HTML without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

MOST = 60  # rows of a table


def as_html(sentences: Sequence[str], table: pd.DataFrame | None = None, note: str = "") -> str:
    """Sentences, a table and a note below it, every text escaped.

    Args:
        sentences: a paragraph each.
        table: shown up to some rows.
        note: such as where a page stands.
    """
    parts = [f"<p>{escape(sentence)}</p>" for sentence in sentences]
    if table is not None:
        parts.append(table.to_html(max_rows=MOST, border=0, float_format="{:.4f}".format, na_rep="", escape=True))
    if note:
        parts.append(f"<p><small>{escape(note)}</small></p>")
    return "\n".join(parts)
