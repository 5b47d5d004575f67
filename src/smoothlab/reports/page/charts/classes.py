"""How each class fares under the baseline and under another arm."""

from __future__ import annotations

import math

import pandas as pd

from smoothlab.reports.classes import most_changed
from smoothlab.reports.page.svg import CHARACTER, Chart, Drawing, Panel, limits, percent_form, plain_form, ticks_of
from smoothlab.reports.page.wording import counted, listed, number

MOST = 20
ROW = 24
LEAST, LONGEST = 70, 220  # pixels for the names of the classes
PANEL = 210
GAP = 26
# Columns of the class table, their names, and whether they are shares.
SHOWN = (("nll", "NLL of its samples", False), ("recall", "recall", True), ("ece", "ECE against the rest", False))


def class_chart(baseline: str, of_baseline: pd.DataFrame, arm: str, of_arm: pd.DataFrame) -> Chart:
    """A row a class, from the baseline (hollow) to the arm (filled); those that change most where they are many.

    Args:
        baseline: name of the first table's arm.
        of_baseline: a row a class, as ``class_table`` makes them.
        arm: name of the second one.
        of_arm: its table, the same classes.
    """
    rows, every = most_changed(of_baseline, of_arm, MOST), len(of_arm)
    height = 46 + ROW * len(rows) + 44
    labels: float = min(LONGEST, max(LEAST, 24 + CHARACTER * max(len(str(of_arm["class"].iloc[row])) for row in rows)))
    width: float = labels + len(SHOWN) * PANEL + (len(SHOWN) - 1) * GAP + 14
    drawing = Drawing("classes", width, height)
    for place, row in enumerate(rows):
        top = 34 + ROW * place
        if place % 2 == 0:
            drawing.add("rect", "row", x=0, y=top, width=width, height=ROW)
        drawing.text(labels - 12, top + ROW / 2 + 4, of_arm["class"].iloc[row], anchor="end", room=labels - 18)
    for column, (name, title, share) in enumerate(SHOWN):
        before, after = of_baseline[name].to_numpy(float), of_arm[name].to_numpy(float)
        x = limits([*before[rows], *after[rows]], zero=not share)
        x = (x[0], min(x[1], 1.02)) if share else x
        left = labels + column * (PANEL + GAP)
        panel = Panel(drawing, left, 34, PANEL, ROW * len(rows), x, (0, len(rows)))
        drawing.text(left, 20, title, "head")
        ticks = ticks_of(*x, most=4)
        panel.horizontal(
            [tick for tick in ticks if not share or tick <= 1], "", percent_form if share else plain_form(ticks)
        )
        for place, row in enumerate(rows):
            pair, y = (float(before[row]), float(after[row])), len(rows) - place - 0.5
            change_text = f"{number(pair[0])} under {baseline}, {number(pair[1])} under {arm}"
            says = f"{of_arm['class'].iloc[row]}, {title}: {change_text}"
            if all(map(math.isfinite, pair)):
                panel.line(pair, [y, y], "whisker soft", says)
            for value, mark in zip(pair, ("hollow soft", "fill under"), strict=True):
                if math.isfinite(value):
                    panel.dot(value, y, mark, says, radius=3.6)
    difference = (of_arm["nll"] - of_baseline["nll"]).to_numpy(float)
    gains = listed([str(of_arm["class"].iloc[row]) for row in rows if difference[row] < 0], what="class")
    losses = listed([str(of_arm["class"].iloc[row]) for row in rows if difference[row] > 0], what="class")
    which = f" Shown are the {MOST} of {every} classes whose NLL changes most." if every > MOST else ""
    return drawing.chart(
        f"Classes under {baseline} and under {arm}",
        f"{counted(len(rows), 'row')}, one a class. NLL falls for {gains}; it rises for {losses}.",
        f"From {baseline} (hollow) to {arm} (filled), mean over the runs.{which}",
    )
