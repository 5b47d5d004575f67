"""Error rate among the accepted samples over their share, an arm a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from smoothlab.reports.curve import Curve
from smoothlab.reports.page.palette import ARMS, mark_of
from smoothlab.reports.page.seen import Seen
from smoothlab.reports.page.svg import Chart, Drawing, Panel, percent_form, plain_form, ticks_of
from smoothlab.reports.page.wording import counted, number

WIDTH, HEIGHT = 640, 360
FEWEST = 10  # accepted samples: below, a risk says nothing


def risk_coverage(seen: Mapping[str, Seen]) -> Chart:
    """Curves of all arms, those first in order in colour, mean over their runs."""
    names = list(seen)
    shown = names[:ARMS]
    legend = 16 * -(-len(shown) // 2)
    drawing = Drawing("risk_coverage", WIDTH, HEIGHT + legend)
    drawing.legend(
        [(mark_of(place), f"{name}, AURC {number(seen[name].aurc)}") for place, name in enumerate(shown)],
        52,
        8,
        WIDTH - 64,
    )
    curves = {name: _meaningful(of_arm) for name, of_arm in seen.items()}
    highest = max((float(curve.value.max()) for curve in curves.values()), default=1.0)
    panel = Panel(drawing, 52, 20 + legend, WIDTH - 68, HEIGHT - 64, (0, 1), (0, min(1.0, max(1e-3, highest * 1.08))))
    ticks = ticks_of(*panel.high)
    panel.vertical(ticks, _percent(ticks))
    panel.horizontal(ticks_of(0, 1), "coverage: share of samples accepted, most confident first", percent_form)
    for place, name in reversed(list(enumerate(names))):
        panel.line(
            curves[name].at, curves[name].value, f"line {mark_of(place)}", f"{name}: AURC {number(seen[name].aurc)}"
        )
    order = sorted(names, key=lambda name: seen[name].aurc)
    areas = ", ".join(f"{name} {number(seen[name].aurc)}" for name in order[:ARMS])
    rest = f" {counted(len(names) - ARMS, 'arm')} more in grey." if len(names) > ARMS else ""
    return drawing.chart(
        "Risk and coverage",
        f"Error rate among the accepted samples over the share that is accepted. Area under it, lowest first: {areas}.",
        "How many errors are left when the least confident samples are handed on: the lower the line, the better "
        f"confidence tells right from wrong. Mean over the runs.{rest}",
    )


def _meaningful(seen: Seen) -> Curve:
    """The part of a curve that is made of some samples."""
    return seen.risk.where(seen.risk.at * seen.samples / seen.runs >= FEWEST)


def _percent(ticks: list[float]) -> Callable[[float], str]:
    form = plain_form([100 * tick for tick in ticks])
    return lambda value: f"{form(100 * value)}%"
