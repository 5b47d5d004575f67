"""How each class fares under the baseline and under the arm held against it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from smoothlab.reports.classes import most_changed
from smoothlab.reports.page.charts.classes import class_chart
from smoothlab.reports.page.material import Material
from smoothlab.reports.page.section import PAGE, Block, Figures, Heading, Listing, Section
from smoothlab.reports.page.tables import Column, Table, number_cell, rows_of, text_cell

MOST_CLASSES = 100  # rows of the table; all are in classes.csv
SHOWN = (("nll", "NLL"), ("recall", "recall"), ("ece", "ECE"))


def classes(material: Material) -> Section | None:
    """The chart and the table of the classes."""
    pair = (material.baseline, material.other)
    tables = {arm: material.seen[arm].classes for arm in pair if arm and arm in material.seen}
    tables = {arm: table for arm, table in tables.items() if len(table)}
    if not tables:
        return None
    blocks: list[Block] = [Listing(_table(tables, _positive(material)))]
    (arm, first), *others = tables.items()
    if others and list(first["class"]) == list(others[0][1]["class"]):
        chart = class_chart(arm, first, *others[0])
        blocks = [Heading(chart.title, only=PAGE), Figures((chart,), "scroll"), *blocks]
    return Section("by-class", "By class", "Classes", tuple(blocks))


def _positive(material: Material) -> str:
    """Which of two classes is the positive one, in words; empty where there is none, or runs differ in it."""
    named = set()
    for record in material.finished:
        decided = (record.results.get("decision") or {}).get("positive")
        names = material.comparison.classes
        second = names[1] if record.kind == "classification" and len(names) == 2 else None
        named.add(second if decided is None else str(decided))
    if len(named) != 1 or None in named:
        return ""
    return f" The positive class, which sensitivity and decision=threshold are about, is {named.pop()}."


def _table(tables: Mapping[str, pd.DataFrame], positive: str = "") -> Table:
    """Each class under one or two arms, those that change most where they are many."""
    arms = list(tables)
    first, last = tables[arms[0]], tables[arms[-1]]
    if list(first["class"]) != list(last["class"]):
        arms, last = arms[:1], first
    rows, every = most_changed(first, last, MOST_CLASSES), len(first)
    columns = [Column("class"), Column("samples", True, "with this label, mean over the runs")]
    several = len(arms) > 1
    for name, label in SHOWN:
        columns += [Column(label, True, f"{name} under {arm}", arm if several else "") for arm in arms]
    gap = "mean probability of the class less its share: positive, it is given too much"
    columns += [Column("gap", True, gap, arm if several else "") for arm in arms]
    cells = []
    for row in rows:
        cells.append(
            [
                text_cell(first["class"].iloc[row]),
                number_cell(first["samples"].iloc[row], 0),
                *(number_cell(tables[arm][name].iloc[row]) for name, _ in SHOWN for arm in arms),
                *(number_cell(tables[arm]["probability_gap"].iloc[row], sign=True) for arm in arms),
            ]
        )
    more = f" The {MOST_CLASSES} of {every} whose NLL changes most." if every > MOST_CLASSES else ""
    return Table("classes", f"Each class, mean over the runs.{more}{positive}", tuple(columns), rows_of(cells))
