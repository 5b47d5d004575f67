"""Metrics and epsilon over the epochs, an arm a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from smoothlab.reports.page.palette import ARMS, mark_of
from smoothlab.reports.page.svg import Chart, Drawing, Panel, limits, ticks_of
from smoothlab.reports.page.wording import metric_name

WIDTH, HEIGHT = 340, 230
# Columns of metrics.csv, and what they are called.
SHOWN = {
    "val/nll": "validation NLL",
    "val/ece": "validation ECE",
    "val/confidence_gap": "validation confidence gap",
    "val/accuracy": "validation accuracy",
    "smoothing/epsilon": "epsilon",
    "train/kl": "training loss above its floor (KL)",
}
SMALLEST = 1e-9


def histories(epochs: Mapping[str, Sequence[pd.DataFrame]]) -> list[Chart]:
    """A chart for each metric that the runs have written.

    Args:
        epochs: by arm, the rows of metrics.csv of each of its runs; those first in order are in colour.
    """
    charts = []
    for column, name in SHOWN.items():
        lines = {arm: _over_runs(tables, column) for arm, tables in epochs.items()}
        lines = {arm: line for arm, line in lines.items() if len(line)}
        if not lines or max(len(line) for line in lines.values()) < 2:
            continue
        if column == "smoothing/epsilon" and max(float(line["high"].abs().max()) for line in lines.values()) < SMALLEST:
            continue
        places = {arm: place for place, arm in enumerate(epochs)}
        charts.append(_chart(column, name, lines, places))
    return charts


def _over_runs(tables: Sequence[pd.DataFrame], column: str) -> pd.DataFrame:
    """Mean, lowest and highest value over the runs, by epoch; an epoch that one run had alone stands for itself."""
    held = [
        pd.to_numeric(one.set_index("epoch")[column], errors="coerce").replace([np.inf, -np.inf], np.nan).dropna()
        for one in tables
        if column in one.columns and "epoch" in one.columns
    ]
    held = [one[~one.index.duplicated(keep="last")] for one in held if len(one)]
    if not held:
        return pd.DataFrame()
    rows = pd.concat(held, axis=1)
    return pd.DataFrame({"mean": rows.mean(axis=1), "low": rows.min(axis=1), "high": rows.max(axis=1)}).sort_index()


def _chart(column: str, name: str, lines: Mapping[str, pd.DataFrame], places: Mapping[str, int]) -> Chart:
    coloured = [arm for arm in lines if places[arm] < ARMS]
    legend = 16 * -(-len(coloured) // 2)
    drawing = Drawing(f"epochs_{column.replace('/', '_')}", WIDTH, HEIGHT + legend)
    drawing.text(10, 18, name[0].upper() + name[1:], "head")
    drawing.legend([(mark_of(places[arm]), arm) for arm in coloured], 10, 26, WIDTH - 20)
    last = max(float(line.index.max()) for line in lines.values())
    first = min(float(line.index.min()) for line in lines.values())
    inside = [value for arm in coloured or lines for value in _inner(lines[arm])]
    gap = column.endswith("confidence_gap")
    panel = Panel(drawing, 50, 38 + legend, WIDTH - 62, HEIGHT - 80, (first, last), limits(inside, zero=gap))
    panel.vertical(ticks_of(*panel.high, most=4))
    panel.horizontal([one for one in ticks_of(first, last) if one == int(one)], "epoch", lambda value: f"{value:.0f}")
    if gap:
        panel.line([first, last], [0, 0], "guide")
    clipped = {arm: line.clip(*panel.high) for arm, line in lines.items()}
    for arm in coloured:
        line = clipped[arm]
        panel.area(list(line.index), list(line["low"]), list(line["high"]), f"range {mark_of(places[arm])}")
    for arm in sorted(clipped, key=lambda one: -places[one]):
        line = clipped[arm]
        panel.line(list(line.index), list(line["mean"]), f"line {mark_of(places[arm])}", arm)
    ends = ", ".join(f"{arm} {line['mean'].iloc[-1]:.4g}" for arm, line in list(lines.items())[:ARMS])
    return drawing.chart(
        f"{name[0].upper()}{name[1:]} over the epochs",
        f"{metric_name(name)} from epoch {first:.0f} to {last:.0f}, mean over the runs. At the end: {ends}.",
    )


def _inner(line: pd.DataFrame) -> list[float]:
    """The values that set the scale: without the first epoch where it alone would squeeze the rest."""
    values = line[["low", "high"]]
    if len(values) > 4:
        rest = values.iloc[1:].to_numpy()
        spread = float(np.ptp(rest))
        outside = np.abs(values.iloc[0].to_numpy() - rest.mean()).max()
        if spread > 0 and outside > 3 * spread:
            values = values.iloc[1:]
    return [float(one) for one in values.to_numpy().ravel()]
