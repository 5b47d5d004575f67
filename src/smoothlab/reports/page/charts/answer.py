"""The answer as one picture: how far each arm's test NLL is from the baseline's, sorted, told apart by role."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from smoothlab.reports.page.svg import CHARACTER, Chart, Drawing, Panel, limits, ticks_of
from smoothlab.reports.page.wording import counted
from smoothlab.reports.roles import POST_HOC, RIVAL, SMOOTHING, WORDS
from smoothlab.reports.rounding import signed

ROW = 24
PLOT = 380
NUMBERS = 176  # pixels of the column of numbers
LEAST, MOST = 90, 210  # pixels for the names of the arms
BOLD = 1.25  # times as wide as other letters
ROLE = 210  # pixels for the word of the role
NARROW_ROW, NARROW_PLOT, NARROW_NAMES = 40, 210, 176  # where the screen is narrow: the numbers below the name, no role
MARKS = {SMOOTHING: "arm3", RIVAL: "arm4", POST_HOC: "arm5"}


@dataclass(frozen=True)
class Row:
    """An arm's paired difference to the baseline in test NLL.

    Args:
        arm: its name.
        role: see ``reports/roles.py``.
        value: the difference.
        low: lower end of its interval; NaN where there is none.
        high: upper end.
        chosen: whether the answer is about it: the best smoothing, or the best of all, by validation NLL.
        strength: how strongly it smooths, in words; empty where it does not.
    """

    arm: str
    role: str
    value: float
    low: float
    high: float
    chosen: bool = False
    strength: str = ""


def answer_chart(rows: Sequence[Row], baseline: str, level: float) -> Chart:
    """A row an arm, the lowest first; the line at zero is the baseline.

    Args:
        rows: the arms, at least one.
        baseline: how it is called.
        level: of the intervals.
    """
    rows = sorted(rows, key=lambda row: row.value)
    widest = max(len(row.arm) * (BOLD if row.chosen else 1) for row in rows)
    names: float = min(MOST, max(LEAST, 12 + CHARACTER * widest))
    left = names + ROLE
    width, height = left + PLOT + NUMBERS, 30 + ROW * len(rows) + 42
    drawing = Drawing("answer", width, height)
    drawing.text(left, 18, "← lower test NLL: better", "soft")
    drawing.text(width - 6, 18, f"difference ({100 * level:.3g}% interval)", "soft", anchor="end")
    error = _error(rows)
    panel = Panel(drawing, left, 30, PLOT, ROW * len(rows), _bounds(rows), (0, len(rows)))
    for place, row in enumerate(rows):
        top = 30 + ROW * place
        _name(drawing, row, place, ROW, names)
        drawing.text(names, top + 16, _about(row), room=ROLE - 8)
        drawing.text(width - 6, top + 16, _numbers(row, error), anchor="end")
    return _marked(drawing, panel, rows, baseline, level, most=6)


def narrow_answer_chart(rows: Sequence[Row], baseline: str, level: float) -> Chart:
    """The same for a narrow screen: the numbers stand below the name, and the mark alone tells the role.

    Args:
        rows: the arms, at least one.
        baseline: how it is called.
        level: of the intervals.
    """
    rows = sorted(rows, key=lambda row: row.value)
    width, height = NARROW_NAMES + NARROW_PLOT + 10, 30 + NARROW_ROW * len(rows) + 42
    drawing = Drawing("answer_narrow", width, height)
    drawing.text(NARROW_NAMES, 18, "← lower test NLL: better", "soft")
    error = _error(rows)
    panel = Panel(drawing, NARROW_NAMES, 30, NARROW_PLOT, NARROW_ROW * len(rows), _bounds(rows), (0, len(rows)))
    for place, row in enumerate(rows):
        top = 30 + NARROW_ROW * place
        _name(drawing, row, place, NARROW_ROW, NARROW_NAMES)
        drawing.text(6, top + 32, _numbers(row, error), "soft")
    return _marked(drawing, panel, rows, baseline, level, most=4)


def _bounds(rows: Sequence[Row]) -> tuple[float, float]:
    """What the axis shows: every mark with its interval, and zero."""
    return limits([end for row in rows for end in (row.low, row.high, row.value)], zero=True, room=0.05)


def _name(drawing: Drawing, row: Row, place: int, height: float, names: float) -> None:
    """The stripe behind every other row, and the arm's name in ``names`` pixels."""
    top = 30 + height * place
    if place % 2 == 0:
        drawing.add("rect", "row", x=0, y=top, width=drawing.width, height=height)
    drawing.text(6, top + 16, row.arm, "head" if row.chosen else "", room=names - 12)


def _marked(drawing: Drawing, panel: Panel, rows: Sequence[Row], baseline: str, level: float, *, most: int) -> Chart:
    """The picture with its axis of at most so many ticks, the line at zero and the rows' marks."""
    error = _error(rows)
    panel.horizontal(ticks_of(*panel.low, most=most), f"test NLL less that of {baseline}")
    panel.line([0, 0], [0, len(rows)], "guide")
    for place, row in enumerate(rows):
        _mark(panel, row, len(rows) - place - 0.5, f"{row.arm} ({_about(row)}): {_numbers(row, error)}")
    return drawing.chart(f"Difference in test NLL to {baseline}", _describes(rows, baseline), _caption(rows, level))


def _about(row: Row) -> str:
    """Its role, whether it was chosen, and how strongly it smooths."""
    strength = row.strength.replace("epsilon", "ε").replace(", found", "")
    return ", ".join([WORDS[row.role], *(["chosen"] if row.chosen else []), *([strength] if strength else [])])


def _mark(panel: Panel, row: Row, y: float, says: str) -> None:
    """A dot for smoothing, a diamond for a rival, a hollow dot for what is made after training."""
    mark = MARKS[row.role]
    if math.isfinite(row.low) and math.isfinite(row.high):
        panel.line([row.low, row.high], [y, y], f"whisker {mark}", says)
    if row.role == RIVAL:
        panel.diamond(row.value, y, f"fill {mark}", says, radius=5.2)
    else:
        panel.dot(row.value, y, f"{'hollow' if row.role == POST_HOC else 'fill'} {mark}", says, radius=4.2)


def _error(rows: Sequence[Row]) -> float:
    """A standard error by which all rows get as many digits: the median; NaN where no row has one."""
    known = sorted((row.high - row.low) / 4 for row in rows if math.isfinite(row.high - row.low))
    return known[len(known) // 2] if known else math.nan


def _numbers(row: Row, error: float) -> str:
    value = signed(row.value, error).replace("-", "−")
    if not math.isfinite(row.high - row.low):
        return value
    return f"{value} ({signed(row.low, error)} to {signed(row.high, error)})".replace("-", "−")


def _caption(rows: Sequence[Row], level: float) -> str:
    marks = {
        SMOOTHING: "green dots are smoothing",
        RIVAL: "pink diamonds are rivals",
        POST_HOC: "hollow ochre dots are made after training",
    }
    shown = [words for role, words in marks.items() if any(row.role == role for row in rows)]
    return (
        f"Paired differences with their {100 * level:.3g}% intervals: {', '.join(shown)}. An interval that crosses the "
        "dashed line leaves open whether the arm differs from the baseline. Chosen by validation NLL: the best "
        "smoothing, and the best of all."
    )


def _describes(rows: Sequence[Row], baseline: str) -> str:
    below = [row.arm for row in rows if row.high < 0]
    above = [row.arm for row in rows if row.low > 0]
    count = len(rows) - len(below) - len(above)
    return (
        f"{counted(len(rows), 'arm')} from the lowest test NLL to the highest. Below {baseline} beyond noise: "
        f"{', '.join(below) or 'no arm'}; above: {', '.join(above) or 'no arm'}; left open: {count}. Lowest: "
        f"{rows[0].arm}, {_numbers(rows[0], _error(rows))}."
    )
