"""How a metric differs from the baseline's as a condition is varied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smoothlab.reports.curve import Curve
from smoothlab.reports.figures import ABOVE, GUIDE, _figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

# Okabe and Ito's colours; markers say the same in black and white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")
MARKERS = "osD^vPX"
FAR = 20.0  # from this ratio of the largest level to the smallest on, the axis is logarithmic


def level_figure(table: pd.DataFrame, *, axis: str, baseline: str, metric: str = "nll") -> Figure:
    """The test metric of each arm by level, and its difference to the baseline with its interval.

    Args:
        table: a row for each level, arm and metric: ``at``, ``arm``, ``metric``, ``mean``, ``difference``,
            ``difference_low``, ``difference_high``.
        axis: what the levels are of.
        baseline: the arm that is zero on the right.
        metric: which.
    """
    rows = table[table["metric"] == metric]
    places = sorted(rows["at"].unique())
    far = places[0] > 0 and places[-1] / places[0] >= FAR
    arms = list(dict.fromkeys(rows["arm"]))
    with _figure(8.4, 3.4, None) as figure:
        left, right = figure.subplots(1, 2)
        for number, arm in enumerate(arms):
            own = rows[rows["arm"] == arm].sort_values("at")
            style: dict[str, Any] = {
                "color": GUIDE if arm == baseline else COLOURS[number % len(COLOURS)],
                "marker": MARKERS[number % len(MARKERS)],
                "markersize": 4,
            }
            line = Curve.of(arm, own["at"].to_numpy(), own["mean"].to_numpy())
            left.plot(line.at, line.value, label=arm, **style)
            if arm != baseline:
                moved = 1 + 0.015 * (number - len(arms) / 2)  # so that the bars do not hide each other
                width = (places[-1] - places[0]) * 0.006 * (number - len(arms) / 2)
                away = Curve(
                    arm, *(own[name].to_numpy() for name in ("at", "difference", "difference_low", "difference_high"))
                )
                at = away.at * moved if far else away.at + width
                errors = [away.value - away.low, away.high - away.value]
                right.errorbar(at, away.value, errors, elinewidth=0.9, capsize=2, **style)
        right.axhline(0, color=GUIDE, linewidth=1.0)
        left.set_ylabel(f"test {metric}")
        right.set_ylabel(f"difference to {baseline}; below 0 is better")
        for panel in (left, right):
            panel.set_xlabel(axis)
            if far:
                panel.set_xscale("log")
        left.legend(ncols=3, **ABOVE)
    return figure
