"""The arms side by side: the first table, and how far each arm is from the baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from smoothlab.reports.page.charts.differences import Difference, differences, judged
from smoothlab.reports.page.material import Material
from smoothlab.reports.page.section import PAGE, Block, Figures, Heading, Listing, Section, VariantSwitch
from smoothlab.reports.page.strengths import strengths_of
from smoothlab.reports.page.svg import Chart
from smoothlab.reports.page.tables import Cell, Column, Row, Table, number_cell
from smoothlab.reports.page.wording import ARMS, BETTER, MEANS, interval, metric_name, number, probability
from smoothlab.reports.roles import WORDS

MOST_ROWS = 30  # arms in the chart of differences
# Metrics of the first table and of the chart of differences, as far as they are there.
FIRST = ("nll", "accuracy", "ece", "confidence_gap", "brier", "aurc")
COMPARED = ("nll", "accuracy", "ece", "aurc")
VARIANTS = {"raw": "as given", "temperature": "temperature-scaled"}
ARROWS = {"good": "▲ better", "bad": "▼ worse", "open": "≈"}
MARKS = {"better": "good", "worse": "bad", "open": "open"}


def arms(material: Material) -> Section:
    """The table of the arms, and the chart of their differences to the baseline."""
    blocks: list[Block] = [Listing(_table(material))]
    if material.comparison.table["variant"].nunique() > 1:
        blocks.insert(0, VariantSwitch(only=PAGE))
    if (chart := _differences(material)) is not None:
        blocks += [Heading(chart.title, only=PAGE), Figures((chart,), "scroll")]
    return Section("arms", "The arms side by side", "Arms", tuple(blocks))


def _table(material: Material) -> Table:
    """A row for each arm and variant: mean, interval and difference to the baseline of the first metrics."""
    comparison, table = material.comparison, material.comparison.table
    metrics = [name for name in FIRST if name in comparison.metrics] or list(comparison.metrics[:6])
    rows = {(row["arm"], row["variant"], row["metric"]): row for row in table.to_dict("records")}
    best = {
        (variant, metric): _best(table[(table["variant"] == variant) & (table["metric"] == metric)])
        for variant in VARIANTS
        for metric in metrics
    }
    marks = {arm.name: "baseline" for arm in comparison.arms if arm.is_baseline}
    if comparison.verdict.arm is not None and comparison.verdict.arm not in marks:
        marks[comparison.verdict.arm] = "recommended"
    roles = {arm.name: WORDS[arm.role] for arm in comparison.arms}
    strengths = strengths_of(material)
    several = table["variant"].nunique() > 1
    shown = []
    for arm in material.order:
        for variant, means in VARIANTS.items():
            own = {metric: rows.get((arm, variant, metric)) for metric in metrics}
            first = next((row for row in own.values() if row), None)
            if first is None:
                continue
            tags = [(means, "")] if several else []
            tags.append((roles[arm], ""))
            tags += [("to use", "good")] if arm == comparison.verdict.arm else []
            strength = strengths.get(arm)
            tags += [(strength, "")] if strength else []
            cells = [Cell(arm, arm, tuple(tags), explains=ARMS.get(arm, ""))]
            cells += [_mean(own[metric], arm in best[variant, metric]) for metric in metrics]
            chance = first["prob_best"]
            cells.append(Cell(probability(chance), None if chance is None or math.isnan(chance) else float(chance)))
            cells.append(number_cell(first["seeds"], 0))
            shown.append(Row(tuple(cells), variant, marks.get(arm, "")))
    caption = (
        f"Test metrics: mean over the runs, its {100 * comparison.level:.3g}% interval, and the paired difference to "
        "the baseline (scaled arms to the scaled baseline), with a word where it is beyond noise; bold is the best "
        "mean. Press a heading to sort; point at an arm or a metric, or come to it by keyboard, for what it is."
    )
    return Table("arms", caption, _columns(table, metrics), tuple(shown))


def _columns(table: pd.DataFrame, metrics: Sequence[str]) -> tuple[Column, ...]:
    better = dict(zip(table["metric"], table["better"], strict=True))
    return (
        Column("arm"),
        *(
            Column(metric_name(name), True, MEANS.get(name, ""), BETTER.get(better.get(name, ""), "").split(" is ")[0])
            for name in metrics
        ),
        Column("best", True, f"probability that the arm has the best {metric_name(metrics[0])}", "probability"),
        Column("runs", True),
    )


def _mean(row: Mapping[str, Any] | None, best: bool) -> Cell:
    if row is None:
        return Cell("–")
    lines = [(text, "")] if (text := interval(row["low"], row["high"])) else []
    if (difference := row["difference"]) == difference and difference is not None:
        mark = MARKS[judged(row["difference"], row["p_holm"], row["better"])]
        lines.append((f"{ARROWS[mark]} {number(difference, sign=True)}", mark))
    mean = float(row["mean"]) if row["mean"] == row["mean"] else None
    return Cell(number(row["mean"]), mean, tuple(lines), strong=best)


def _best(rows: pd.DataFrame) -> set[str]:
    """The arms with the best mean; more than one where they are equal."""
    rows = rows[rows["mean"].notna()]
    if len(rows) < 2:
        return set()
    better = str(rows["better"].iloc[0])
    score = rows["mean"].abs() if better == "zero" else rows["mean"] * (-1 if better == "max" else 1)
    return set(rows["arm"][score == score.min()])


def _differences(material: Material) -> Chart | None:
    table, baseline = material.comparison.table, material.baseline
    rows = table[table["difference"].notna() & (table["arm"] != baseline) & table["better"].isin(["min", "max"])]
    metrics = [name for name in COMPARED if (rows["metric"] == name).any()]
    shown = [arm for arm in material.order if (rows["arm"] == arm).any()][:MOST_ROWS]
    if not metrics or not shown:
        return None
    apart = [
        Difference(
            arm=row["arm"],
            metric=row["metric"],
            variant=row["variant"],
            value=row["difference"],
            low=row["difference_low"],
            high=row["difference_high"],
            p_holm=row["p_holm"],
            better=row["better"],
        )
        for row in rows[rows["metric"].isin(metrics)].to_dict("records")
    ]
    return differences(apart, shown, metrics, baseline)
