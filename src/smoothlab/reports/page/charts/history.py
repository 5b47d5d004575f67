"""Metrics and epsilon over the epochs, an arm a line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from smoothlab.metrics.inputs import Array
from smoothlab.reports.curve import Curve
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
COLUMNS = ("epoch", *SHOWN)
SMALLEST = 1e-9
MANY = 15  # epochs
FIRST = 0.3  # of the epochs, which do not set the scale where they are many


def histories(epochs: Mapping[str, Sequence[Mapping[str, Array]]]) -> list[Chart]:
    """A chart for each metric that the runs have written.

    Args:
        epochs: by arm, the columns ``COLUMNS`` of metrics.csv of each of its runs; those first in order are in colour.
    """
    charts = []
    known = {arm: [_with_epochs(table) for table in tables] for arm, tables in epochs.items()}
    for column, name in SHOWN.items():
        lines = {arm: _over_runs(arm, tables, column) for arm, tables in known.items()}
        lines = {arm: line for arm, line in lines.items() if len(line)}
        if not lines or max(len(line) for line in lines.values()) < 2:
            continue
        if column == "smoothing/epsilon" and max(float(np.abs(line.high).max()) for line in lines.values()) < SMALLEST:
            continue
        places = {arm: place for place, arm in enumerate(epochs)}
        charts.append(_chart(column, name, lines, places))
    return charts


def _with_epochs(table: Mapping[str, Array]) -> dict[str, Array]:
    """The rows whose epoch is known; nothing where there are none."""
    if "epoch" not in table:
        return {}
    known = np.isfinite(table["epoch"])
    return {name: values[known] for name, values in table.items()}


def _over_runs(arm: str, tables: Sequence[Mapping[str, Array]], column: str) -> Curve:
    """Mean, lowest and highest value over the runs that have some, by epoch."""
    finite = [(table, np.isfinite(table[column])) for table in tables if column in table]
    return Curve.over_runs(arm, [(table["epoch"][held], table[column][held]) for table, held in finite if held.any()])


def _chart(column: str, name: str, lines: Mapping[str, Curve], places: Mapping[str, int]) -> Chart:
    coloured = [arm for arm in lines if places[arm] < ARMS]
    legend = 16 * -(-len(coloured) // 2)
    drawing = Drawing(f"epochs_{column.replace('/', '_')}", WIDTH, HEIGHT + legend)
    drawing.text(10, 18, name[0].upper() + name[1:], "head")
    drawing.legend([(mark_of(places[arm]), arm) for arm in coloured], 10, 26, WIDTH - 20)
    last = max(float(line.at[-1]) for line in lines.values())
    first = min(float(line.at[0]) for line in lines.values())
    inside = _inner([lines[arm] for arm in coloured or lines], MANY if column != "smoothing/epsilon" else math.inf)
    gap = column.endswith("confidence_gap")
    panel = Panel(drawing, 50, 38 + legend, WIDTH - 62, HEIGHT - 80, (first, last), limits(inside, zero=gap))
    panel.vertical(ticks_of(*panel.high, most=4))
    panel.horizontal(
        [tick for tick in ticks_of(first, last) if tick == int(tick)], "epoch", lambda value: f"{value:.0f}"
    )
    if gap:
        panel.line([first, last], [0, 0], "guide")
    with drawing.clipped(panel):
        for arm in coloured:
            panel.area(lines[arm].at, lines[arm].low, lines[arm].high, f"range {mark_of(places[arm])}")
        for arm in sorted(lines, key=lambda arm: -places[arm]):
            panel.line(lines[arm].at, lines[arm].value, f"line {mark_of(places[arm])}", arm)
    ends = ", ".join(f"{arm} {line.value[-1]:.4g}" for arm, line in list(lines.items())[:ARMS])
    return drawing.chart(
        f"{name[0].upper()}{name[1:]} over the epochs",
        f"{metric_name(name)} from epoch {first:.0f} to {last:.0f}, mean over the runs. At the end: {ends}.",
    )


def _inner(lines: Sequence[Curve], many: float) -> list[float]:
    """The values that set the scale: of many epochs those after the first ones, which would squeeze the others."""
    if max(len(line) for line in lines) < many:
        return [float(value) for line in lines for value in (*line.low, *line.high)]
    means = np.concatenate([line.value[int(FIRST * len(line)) :] for line in lines])
    low, high = float(means.min()), float(means.max())
    room = 0.15 * (high - low)
    return [low - room, high + room]
