"""Accuracy over confidence of one arm, with the band of a calibrated model and the counts below."""

from __future__ import annotations

from smoothlab.reports.page.seen import Seen
from smoothlab.reports.page.svg import Chart, Drawing, Panel, percent_form
from smoothlab.reports.page.wording import counted
from smoothlab.reports.reliability import Bin

WIDTH, HEIGHT = 280, 322
LEFT, RIGHT = 40, 20
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def reliability_chart(name: str, arm: str, seen: Seen) -> Chart:
    """The diagram of an arm's runs together.

    Args:
        name: of its file.
        arm: its heading.
        seen: its predictions.
    """
    shown = seen.reliability
    filled, counts = shown.filled, shown.bins.count
    drawing = Drawing(name, WIDTH, HEIGHT)
    wide = WIDTH - LEFT - RIGHT
    main = Panel(drawing, LEFT, 46, wide, 182, (0, 1), (0, 1))
    below = Panel(drawing, LEFT, 240, wide, 40, (0, 1), (0, float(counts.max())))
    drawing.text(LEFT, 16, arm, "head", room=(WIDTH - LEFT) * 0.86)
    drawing.text(LEFT, 33, f"ECE {shown.ece:.3f} · gap {_signed(shown.gap)} {shown.sign}", "soft")
    main.vertical(TICKS, percent_form)
    stripes = drawing.stripes()
    for part in filled:
        main.box(part.lower, part.upper, part.least, part.most, "band")
    main.line([0, 1], [0, 1], "guide")
    for part in filled:
        _draw(part, main, below, stripes)
    below.horizontal(TICKS, "confidence", percent_form)
    drawing.text(LEFT - 6, 248, _short(float(counts.max())), "soft small", anchor="end")
    drawing.text(LEFT - 6, 280, "0", "soft small", anchor="end")
    outside = sum(not part.may_be_chance for part in filled)
    describes = (
        f"Accuracy over confidence in {len(filled)} filled bins of {len(counts)}, "
        f"{counted(counts.sum(), 'sample')} of {counted(seen.runs, 'run')}. Expected calibration error "
        f"{shown.ece:.3f}; mean confidence less accuracy {_signed(shown.gap)}, {shown.sign}. {outside} of "
        f"{len(filled)} bins lie outside of what chance gives a calibrated model."
    )
    return drawing.chart(arm, describes)


def _draw(part: Bin, main: Panel, below: Panel, stripes: str) -> None:
    quarter = (part.upper - part.lower) / 4
    sides = part.lower + quarter, part.upper - quarter, part.confidence, part.accuracy
    says = (
        f"confidence {part.confidence:.1%}, accuracy {part.accuracy:.1%}, {counted(part.count, 'sample')}"
        f"{', may be chance' if part.may_be_chance else ''}"
    )
    sign = "over" if part.over_confident else "under"
    main.box(*sides, f"fill {sign}{' pale' if part.may_be_chance else ''}", says)
    if part.over_confident:
        main.box(*sides, "pattern", says, fill=stripes)
    main.dot((part.lower + part.upper) / 2, part.accuracy, "dot", says, radius=2.6)
    below.box(part.lower + quarter / 4, part.upper - quarter / 4, 0, part.count, "count", says)


def _short(count: float) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if count >= 10 * size:
            return f"{count / size:.0f}{unit}"
    return f"{count:.0f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")
