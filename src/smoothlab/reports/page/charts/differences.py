"""How far each arm is from the baseline, metric by metric, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from smoothlab.reports.page.svg import CHARACTER, Chart, Drawing, Panel, limits, ticks_of
from smoothlab.reports.page.wording import interval, listed, metric_name, number

ROW = 30
LEAST, MOST = 70, 240  # pixels for the names of the arms
PANEL = 200
GAP = 22
NOISE = 0.05


@dataclass(frozen=True)
class Difference:
    """One arm's difference to the baseline in one metric, paired; ``better`` is ``min`` or ``max``.

    ``p_holm`` is its p-value, corrected for the number of arms.
    """

    arm: str
    metric: str
    variant: str
    value: float
    low: float
    high: float
    p_holm: float
    better: str

    @property
    def verdict(self) -> str:
        """``better`` or ``worse`` beyond noise, else ``open``."""
        return judged(self.value, self.p_holm, self.better)


def judged(difference: float, p_holm: float, better: str) -> str:
    """``better`` or ``worse`` where the corrected p-value is at most 0.05, else ``open``."""
    if better not in ("min", "max") or not p_holm <= NOISE or difference == 0:
        return "open"
    return "better" if (difference < 0) == (better == "min") else "worse"


MARKS = {"better": "under", "worse": "over", "open": "soft"}


def differences(drawn: Sequence[Difference], arms: Sequence[str], metrics: Sequence[str], baseline: str) -> Chart:
    """A panel a metric, a row an arm; a dot as the models give it, a diamond after temperature scaling.

    Args:
        drawn: every arm and metric.
        arms: the rows, from the top.
        metrics: the panels, from the left.
        baseline: what zero stands for.
    """
    labels: float = min(MOST, max(LEAST, 24 + CHARACTER * max(map(len, arms))))
    width: float = labels + len(metrics) * PANEL + (len(metrics) - 1) * GAP + 14
    height = 60 + ROW * len(arms) + 44
    drawing = Drawing("differences", width, height)
    for row, arm in enumerate(arms):
        top = 48 + ROW * row
        if row % 2 == 0:
            drawing.add("rect", "row", x=0, y=top, width=width, height=ROW)
        drawing.text(labels - 12, top + ROW / 2 + 4, arm, anchor="end", room=labels - 18)
    for column, metric in enumerate(metrics):
        shown = [shift for shift in drawn if shift.metric == metric and math.isfinite(shift.value)]
        ends = [end for shift in shown for end in (shift.low, shift.high, shift.value)]
        x = limits(ends, zero=True, room=0.08)
        x = (min(x[0], -0.05 * (x[1] - x[0])), max(x[1], 0.05 * (x[1] - x[0])))
        left = labels + column * (PANEL + GAP)
        panel = Panel(drawing, left, 48, PANEL, ROW * len(arms), x, (0, len(arms)))
        better = shown[0].better if shown else "min"
        drawing.text(left, 18, metric_name(metric), "head")
        drawing.text(left, 35, "← better" if better == "min" else "better →", "soft")
        ticks = ticks_of(*x, most=4)
        panel.horizontal(ticks, f"difference to {baseline}" if column == 0 and len(baseline) < 20 else "")
        panel.line([0, 0], [0, len(arms)], "guide")
        for shift in shown:
            if shift.arm in arms:
                y = len(arms) - arms.index(shift.arm) - (0.36 if shift.variant == "raw" else 0.68)
                _mark(panel, shift, y)
    return drawing.chart(
        f"Difference to {baseline}",
        _describes(drawn, arms, metrics, baseline),
        "Paired differences with their 95% intervals. Dots: as the models give it; diamonds: after temperature "
        "scaling of both. Blue and filled: better beyond noise (p at most 0.05 after Holm's correction for the number "
        "of arms); orange and filled: worse beyond noise; hollow: cannot be told apart.",
    )


def _mark(panel: Panel, shift: Difference, y: float) -> None:
    colour = MARKS[shift.verdict]
    after = " after temperature scaling" if shift.variant != "raw" else ""
    wide = interval(shift.low, shift.high, sign=True)
    says = f"{shift.arm}: {metric_name(shift.metric)}{after} {number(shift.value, sign=True)}, 95% interval {wide}"
    if math.isfinite(shift.low) and math.isfinite(shift.high):
        panel.line([shift.low, shift.high], [y, y], f"whisker {colour}", says)
    mark = f"hollow {colour}" if shift.verdict == "open" else f"fill {colour}"
    (panel.dot if shift.variant == "raw" else panel.diamond)(shift.value, y, mark, says)


def _describes(drawn: Sequence[Difference], arms: Sequence[str], metrics: Sequence[str], baseline: str) -> str:
    sentences = []
    for metric in metrics:
        raw = {shift.arm: shift for shift in drawn if shift.metric == metric and shift.variant == "raw"}
        counts = {word: [arm for arm in arms if arm in raw and raw[arm].verdict == word] for word in MARKS}
        text = f"{metric_name(metric)}: better beyond noise {listed(counts['better'])}; worse {listed(counts['worse'])}"
        sentences.append(f"{text}; cannot be told apart {len(counts['open'])} of {len(raw)}.")
    return f"Difference of each arm to {baseline}. " + " ".join(sentences)
