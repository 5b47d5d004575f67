"""Small summaries of training columns, kept with the encoder, against which later rows are compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from smoothlab.data.table.categorical import CategoricalColumn
from smoothlab.data.table.dates import DateColumn, days
from smoothlab.data.table.numeric import NumericColumn
from smoothlab.data.table.words import as_words

GRID = 51  # values at which a column's distribution is kept
MOST_WORDS = 200  # whose counts are kept
BINS = 10  # of the stability index
NOTED = 0.1  # an index that is worth a look, by the usual rule
CHANCE = 0.01  # of an index above `chance` where nothing has changed

Summary = dict[str, Any]


@dataclass(frozen=True)
class Drift:
    """How far a column has moved from the training rows.

    Args:
        column: its name.
        index: the population stability index ``sum (q - p) ln(q / p)`` over bins, empty cells being one of them.
        chance: what it exceeds once in a hundred times where nothing has changed, by the number of rows.
        distance: of numbers and dates the largest difference of the two distribution functions at the values that are
            kept (Kolmogorov and Smirnov), else None.
        unseen: of categories the share of cells with words that the model does not know, else None.
        missing: shares of empty cells in training and now.
    """

    column: str
    index: float
    chance: float
    distance: float | None
    unseen: float | None
    missing: tuple[float, float]

    @property
    def noted(self) -> bool:
        """Whether it is more than chance and more than the usual rule takes for nothing."""
        return bool(self.index > max(NOTED, self.chance))


def summarised(frame: pd.DataFrame, columns: Iterable[Any]) -> dict[str, Summary]:
    """A summary of each column of numbers, dates or categories, plain values.

    Args:
        frame: training rows.
        columns: what encodes each, of a :class:`TableEncoder`.
    """
    made: dict[str, Summary] = {}
    for column in columns:
        cells = frame[column.column]
        values = _numbers(column, cells, "training data")
        if values is not None:
            present = np.sort(values[~np.isnan(values)])
            at = np.unique(np.quantile(present, np.linspace(0, 1, GRID), method="lower")) if len(present) else present
            below = np.searchsorted(present, at, side="right") / max(len(present), 1)
            about: Summary = {"values": at.tolist(), "below": below.tolist()}
        elif isinstance(column, CategoricalColumn):
            counts = pd.Series(as_words(cells), dtype=object).value_counts().reindex(column.words, fill_value=0)
            commonest = counts.sort_values(ascending=False, kind="stable").iloc[:MOST_WORDS]
            about = {"counts": {str(word): int(count) for word, count in commonest.items()}}
            about["others"] = int(counts.sum() - commonest.sum())
            about["unknown"] = int(cells.notna().sum() - counts.sum())
        else:
            continue
        made[column.column] = {**about, "rows": len(cells), "missing": int(cells.isna().sum())}
    return made


def drifts(summaries: dict[str, Summary], frame: pd.DataFrame, columns: Iterable[Any], *, where: str) -> list[Drift]:
    """How far each column of new rows has moved, the furthest first.

    Args:
        summaries: of training.
        frame: new rows.
        columns: what encodes each.
        where: what to call the rows in an error.
    """
    drifts = []
    for column in columns:
        if (summary := summaries.get(column.column)) is None:
            continue
        cells = frame[column.column]
        missing = (summary["missing"] / max(summary["rows"], 1), float(cells.isna().mean()))
        values = _numbers(column, cells, where)
        distance = unseen = None
        if values is not None:
            before, now, distance = _of_numbers(summary, values)
        else:
            before, now, unseen = _of_words(summary, column, cells)
        index, chance = stability_index([*before, summary["missing"]], [*now, int(cells.isna().sum())])
        drifts.append(Drift(column.column, index, chance, distance, unseen, missing))
    return sorted(drifts, key=lambda drift: -drift.index)


def stability_index(before: Iterable[float], now: Iterable[float]) -> tuple[float, float]:
    """The population stability index of two counts of the same bins, and what it exceeds by chance once in a hundred.

    Half a count is added to each bin, so that an empty one has a logarithm; bins that are empty in both do not count.
    Where nothing has changed the index is about ``(1 / n + 1 / m)`` times a chi-square variable with one degree of
    freedom less than there are bins.

    Sources: Siddiqi, "Credit Risk Scorecards", 2006; its distribution after Yurdakul and Naranjo, "Statistical
    properties of the population stability index", Journal of Risk Model Validation, 2020.
    """
    from scipy.stats import chi2

    p, q = np.asarray(list(before), dtype=np.float64), np.asarray(list(now), dtype=np.float64)
    there = (p + q) > 0
    p, q = p[there], q[there]
    if len(p) < 2 or not p.sum() or not q.sum():
        return 0.0, 0.0
    chance = float((1 / p.sum() + 1 / q.sum()) * chi2.ppf(1 - CHANCE, len(p) - 1))
    p, q = (p + 0.5) / (p + 0.5).sum(), (q + 0.5) / (q + 0.5).sum()
    return float(((q - p) * np.log(q / p)).sum()), chance


def _numbers(column: Any, cells: pd.Series, where: str) -> np.ndarray | None:
    """A column as numbers, nan where it is empty; None where it is none."""
    if isinstance(column, NumericColumn):
        return column.numbers(cells, where=where)
    if isinstance(column, DateColumn):
        column.times(cells, where=where)  # refuses what is no date
        return days(cells, column.style)
    return None


def _of_numbers(summary: Summary, values: np.ndarray) -> tuple[list[float], list[float], float | None]:
    """Counts in bins before and now, and the largest difference of the distribution functions."""
    at, below = np.asarray(summary["values"]), np.asarray(summary["below"])
    present = np.sort(values[~np.isnan(values)])
    size = summary["rows"] - summary["missing"]
    if not len(at) or not len(present):
        return [float(size)], [float(len(present))], None
    now = np.searchsorted(present, at, side="right") / len(present)
    before_first = np.searchsorted(present, at[0], side="left") / len(present)  # below all that training saw
    distance = max(float(np.abs(now - below).max()), float(before_first))
    edges = np.unique(np.searchsorted(below, np.arange(1, BINS) / BINS - 1e-12))
    edges = edges[edges < len(at) - 1] if len(at) > 1 else np.array([0])
    if not len(edges):
        edges = np.array([0])
    starts = ((below, 0.0), (now, before_first))  # what lies below all training values is a bin of its own
    shares = [np.diff(np.concatenate([[0.0, first], function[edges], [1.0]])) for function, first in starts]
    return (shares[0] * size).tolist(), (shares[1] * len(present)).tolist(), distance


def _of_words(summary: Summary, column: CategoricalColumn, cells: pd.Series) -> tuple[list[float], list[float], float]:
    """Counts of the words before and now, and the share of those that the model does not know."""
    counts = pd.Series(as_words(cells), dtype=object).value_counts()
    known = float(counts.reindex(column.words, fill_value=0).sum())
    shares = [float(counts.get(word, 0)) for word in summary["counts"]]
    total = float(counts.sum())
    before = [*map(float, summary["counts"].values()), float(summary["others"]), float(summary["unknown"])]
    return before, [*shares, known - sum(shares), total - known], (total - known) / total if total else 0.0
