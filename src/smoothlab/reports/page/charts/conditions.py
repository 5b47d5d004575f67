"""A metric over a condition that the runs vary, such as the number of training rows or the rate of label noise."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from smoothlab.reports.curve import Curve
from smoothlab.reports.page.palette import ARMS, mark_of
from smoothlab.reports.page.svg import Chart, Drawing, Panel, limits, ticks_of
from smoothlab.reports.page.wording import BETTER, metric_name, number

WIDTH, HEIGHT = 340, 250
ALONE = "this setting"  # the name of an arm that nothing tells from others


def condition_curve(
    points: pd.DataFrame, condition: str, metric: str, better: str, arms: Sequence[str], place: int
) -> Chart:
    """A line an arm through the means over its runs, and a dot a run.

    Args:
        points: columns ``arm``, ``condition``, ``value``; a row a run.
        condition: the key of the config that varies.
        metric: what ``value`` is.
        better: ``min``, ``max`` or ``zero``.
        arms: in the order of their colours.
        place: tells the files of several conditions apart.
    """
    names = [arm for arm in arms if (points["arm"] == arm).any()]
    coloured = names[:ARMS]
    entries = [(mark_of(index), arm) for index, arm in enumerate(coloured) if names != [ALONE]]
    legend = 16 * -(-len(entries) // 2)
    drawing = Drawing(f"condition{place}_{metric}", WIDTH, HEIGHT + legend)
    title = f"Test {metric_name(metric)} over {condition}"
    drawing.text(10, 18, title, "head", room=(WIDTH - 20) * 0.9)
    drawing.text(10, 34, BETTER[better], "soft")
    drawing.legend(entries, 10, 42, WIDTH - 20)
    x = limits(points["condition"].tolist(), room=0.03)
    panel = Panel(drawing, 54, 50 + legend, WIDTH - 70, HEIGHT - 96, x, limits(points["value"].tolist()))
    panel.vertical(ticks_of(*panel.high, most=4))
    panel.horizontal(ticks_of(*x), condition)
    ends: list[str] = []
    for index, arm in reversed(list(enumerate(names))):
        own = points[points["arm"] == arm]
        line = Curve.of_points(arm, own["condition"].to_numpy(), own["value"].to_numpy())
        panel.line(line.at, line.value, f"line {mark_of(index)}", arm)
        for at, value in zip(own["condition"], own["value"], strict=True):
            mark = f"fill {mark_of(index)} pale"
            panel.dot(at, value, mark, f"{arm}: {number(value)} at {condition} {at:g}", radius=2.4)
        if index < ARMS:
            ends.insert(0, f"{arm} from {number(line.value[0])} to {number(line.value[-1])}")
    return drawing.chart(
        title,
        f"From {condition} {x[0]:.4g} to {x[1]:.4g}, mean over the runs: {'; '.join(ends)}.",
    )
