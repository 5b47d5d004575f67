"""How often values stand in each column of a table, by class: the numbers of small charts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from smoothlab.data.table.dates import days
from smoothlab.data.table.kinds import Column
from smoothlab.data.table.words import as_words

BINS = 16
MOST_WORDS = 8
MOST_CLASSES = 5
REST = "others"


def histograms(
    frame: pd.DataFrame, columns: Sequence[Column], labels: np.ndarray, class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """For each feature its name, its bins, and the rows of each class in each bin.

    Numbers and dates have 16 bins of equal width between the 1st and the 99th percentile, with what is beyond in the
    outer ones; words have a bin each, the rarer ones together. Classes beyond the fifth are together.

    Args:
        frame: the rows.
        columns: of them.
        labels: class indices ``(N,)``.
        class_names: by index.

    Returns:
        ``{"column", "bins": [words], "counts": {class: [rows]}}`` each.
    """
    order = np.argsort(-np.bincount(labels, minlength=len(class_names)), kind="stable")
    shown = order if len(order) <= MOST_CLASSES else order[: MOST_CLASSES - 1]
    place = np.full(len(class_names), len(shown))
    place[shown] = np.arange(len(shown))
    names = [str(class_names[index]) for index in shown] + ([REST] if len(shown) < len(order) else [])
    made = []
    for column in columns:
        if column.role != "feature" or column.kind in ("text", "id"):
            continue
        bins, at = _binned(frame[column.name], column)
        counts = np.zeros((len(names), len(bins)), dtype=np.int64)
        there = at >= 0
        np.add.at(counts, (place[labels[there]], at[there]), 1)
        by_class = {name: row.tolist() for name, row in zip(names, counts, strict=True)}
        made.append({"column": column.name, "bins": bins, "counts": by_class})
    return made


def _binned(cells: pd.Series, column: Column) -> tuple[list[str], np.ndarray]:
    """Words for the bins, and the bin of each cell ``(N,)``, -1 where it is empty."""
    if column.kind in ("numeric", "date"):
        if column.kind == "date":
            values = days(cells, column.style)
        else:
            values = np.array(pd.to_numeric(cells, errors="coerce"), dtype=np.float64)
        known = values[np.isfinite(values)]
        if not len(known):
            return ["none"], np.full(len(values), -1)
        low, high = np.quantile(known, (0.01, 0.99))
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        at = np.clip(np.searchsorted(edges, np.nan_to_num(values), side="right") - 1, 0, BINS - 1)
        if column.kind == "date":
            texts = [str(np.datetime64(int(edge), "D")) for edge in edges]
        else:
            texts = [f"{edge:.4g}" for edge in edges]
        words = [f"{first} to {last}" for first, last in pairwise(texts)]
        return words, np.where(np.isfinite(values), at, -1)
    words_of = pd.Series(as_words(cells), dtype=object)
    common = [str(word) for word in words_of.value_counts().index]
    shown = common if len(common) <= MOST_WORDS else common[: MOST_WORDS - 1]
    known_words = {word: number for number, word in enumerate(shown)}
    at = words_of.map(lambda word: -1 if word is None else known_words.get(word, len(shown))).to_numpy(dtype=np.int64)
    return shown + ([REST] if len(shown) < len(common) else []), at
