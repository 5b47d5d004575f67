"""Every number of the comparison, and what the metrics are."""

from __future__ import annotations

from typing import Any

from smoothlab.reports.comparison import Comparison
from smoothlab.reports.page.material import Material
from smoothlab.reports.page.section import PAGE, Block, Glossary, Heading, Listing, Section
from smoothlab.reports.page.tables import Cell, Column, Table, number_cell, rows_of, text_cell
from smoothlab.reports.page.wording import ARMS, MEANS, metric_name, probability

PROBABILITIES = ("p", "p_holm", "prob_best")
# Columns of table.csv, what the page calls them and what they hold.
COLUMNS = {
    "arm": Column("arm"),
    "variant": Column("probabilities"),
    "metric": Column("metric"),
    "mean": Column("mean", True),
    "low": Column("low", True, "lower end of the 95% interval of the mean"),
    "high": Column("high", True, "upper end of the 95% interval of the mean"),
    "seeds": Column("runs", True),
    "difference": Column("difference", True, "to the baseline, over paired runs"),
    "difference_low": Column("low", True, "lower end of the 95% interval of the difference"),
    "difference_high": Column("high", True, "upper end of the 95% interval of the difference"),
    "p": Column("p", True, "p-value of the difference"),
    "p_holm": Column("p, Holm", True, "p-value corrected for the number of arms"),
    "prob_best": Column("best", True, "probability that the arm is the best"),
}


def numbers(material: Material) -> Section:
    """The whole table, folded, and the glossaries of its arms and metrics."""
    table = _table(material.comparison)
    blocks: list[Block] = [Listing(table, folded=f"{len(table.rows)} rows, as in table.csv", only=PAGE)]
    terms = tuple((metric_name(name), MEANS[name]) for name in material.comparison.metrics if name in MEANS)
    arms = tuple((arm.name, ARMS[arm.name]) for arm in material.comparison.arms if arm.name in ARMS)
    if arms:
        blocks += [Heading("What the arms are", only=PAGE), Glossary(arms, only=PAGE)]
    if terms:
        blocks += [Heading("What the metrics are", only=PAGE), Glossary(terms, only=PAGE)]
    return Section("numbers", "All numbers", "All numbers", tuple(blocks))


def _table(comparison: Comparison) -> Table:
    rows = [[_cell(name, row[name]) for name in COLUMNS] for row in comparison.table.to_dict("records")]
    return Table("numbers", "All numbers, as in table.csv.", tuple(COLUMNS.values()), rows_of(rows))


def _cell(name: str, value: Any) -> Cell:
    if name == "metric":
        return Cell(metric_name(value), value)
    if name in PROBABILITIES:
        return Cell(probability(value), float(value) if value == value and value is not None else None)
    if COLUMNS[name].numeric:
        return number_cell(value, 0 if name == "seeds" else 3, sign=name.startswith("difference"))
    return text_cell(value)
