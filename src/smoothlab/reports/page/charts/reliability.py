"""Accuracy over confidence of one arm, with the band of a calibrated model and the counts below."""

from __future__ import annotations

import numpy as np

from smoothlab.reports.band import calibrated_band
from smoothlab.reports.page.seen import Seen
from smoothlab.reports.page.svg import Chart, Drawing, Panel, percent_form
from smoothlab.reports.page.wording import counted

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
    told = seen.reliability
    bins = told.bins
    drawing = Drawing(name, WIDTH, HEIGHT)
    wide = WIDTH - LEFT - RIGHT
    main = Panel(drawing, LEFT, 46, wide, 182, (0, 1), (0, 1))
    below = Panel(drawing, LEFT, 240, wide, 40, (0, 1), (0, float(bins.count.max())))
    sign = "over-confident" if told.gap > 0 else "under-confident"
    drawing.text(LEFT, 16, arm, "head", room=(WIDTH - LEFT) * 0.86)
    drawing.text(LEFT, 33, f"ECE {told.ece:.3f} · gap {_signed(told.gap)} {sign}", "soft")
    main.vertical(TICKS, percent_form)
    filled = np.flatnonzero(bins.count > 0)
    low, high = calibrated_band(bins.confidence[filled], bins.count[filled] * told.independent)
    stripes = drawing.stripes()
    outside = 0
    for place, least, most in zip(filled, low, high, strict=True):
        left, right = float(bins.lower[place]), float(bins.upper[place])
        confidence, accuracy = float(bins.confidence[place]), float(bins.accuracy[place])
        main.box(left, right, least, most, "band")
    main.line([0, 1], [0, 1], "guide")
    for place, least, most in zip(filled, low, high, strict=True):
        left, right = float(bins.lower[place]), float(bins.upper[place])
        confidence, accuracy = float(bins.confidence[place]), float(bins.accuracy[place])
        over = confidence > accuracy
        chance = least - 1e-9 <= accuracy <= most + 1e-9
        outside += not chance
        quarter = (right - left) / 4
        says = (
            f"confidence {confidence:.1%}, accuracy {accuracy:.1%}, {counted(bins.count[place], 'sample')}"
            f"{', may be chance' if chance else ''}"
        )
        mark = f"fill {'over' if over else 'under'}{' pale' if chance else ''}"
        main.box(left + quarter, right - quarter, confidence, accuracy, mark, says)
        if over:
            main.box(left + quarter, right - quarter, confidence, accuracy, "pattern", says, fill=stripes)
        main.dot((left + right) / 2, accuracy, "dot", says, radius=2.6)
        below.box(left + quarter / 4, right - quarter / 4, 0, float(bins.count[place]), "count", says)
    below.horizontal(TICKS, "confidence", percent_form)
    drawing.text(LEFT - 6, 248, _short(float(bins.count.max())), "soft small", anchor="end")
    drawing.text(LEFT - 6, 280, "0", "soft small", anchor="end")
    describes = (
        f"Accuracy over confidence in {len(filled)} filled bins of {len(bins.count)}, "
        f"{counted(bins.count.sum(), 'sample')} of {counted(seen.runs, 'run')}. Expected calibration error "
        f"{told.ece:.3f}; mean confidence less accuracy {_signed(told.gap)}, {sign}. {outside} of {len(filled)} bins "
        "lie outside of what chance gives a calibrated model."
    )
    return drawing.chart(arm, describes)


def _short(count: float) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if count >= 10 * size:
            return f"{count / size:.0f}{unit}"
    return f"{count:.0f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")
