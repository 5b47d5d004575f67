"""What stands on the terminal at a comparison's end, and the numbers of a condition as CSV and figure."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from smoothlab.comparing.condition import COST, LATENCY, SLICES
from smoothlab.reports.roles import WORDS
from smoothlab.reports.rounding import signed, unsigned
from smoothlab.rundir.spreadsheet import without_formulas

if TYPE_CHECKING:
    import pandas as pd

    from smoothlab.comparing.answer import Answer
    from smoothlab.comparing.question import Question
    from smoothlab.reports.comparison import Comparison

METRICS = ("nll", "accuracy", "ece", "aurc")
WIDTH = 130
OF_LEVELS = ("nll", "accuracy", "ece", "aurc", "confidence_gap")


def show(question: Question, answers: Sequence[Answer]) -> tuple[str, dict[str, Any]]:
    """The text to print, and what comparison.json keeps of a condition; writes the condition's CSV and figure.

    Args:
        question: what was asked.
        answers: of each level.
    """
    condition = question.condition
    lines: list[str] = []
    numbers: dict[str, Any] = {}
    if len(answers) == 1:
        verdict = answers[0].compared.verdict
        lines += [_of_arms(answers[0].compared, question.judging.level), *verdict.answers]
        for step in verdict.steps:
            lines += [step.says] if step.command is None else [step.says, f"  {step.command}"]
    else:
        from smoothlab.reports.levels import level_figure
        from smoothlab.tracking.sink import save_figure

        table = level_table(answers)
        without_formulas(table).to_csv(question.answers / "levels.csv", index=False)
        axis = condition.axis if condition else ""
        figure = save_figure(level_figure(table, axis=axis, baseline=question.baseline), "levels", question.answers)
        lines.append(_of_levels(table, axis, question.baseline))
        for answer in answers:
            lines.append(f"{axis} {answer.chosen.level.name}: {answer.compared.verdict.smoothing}")
        lines += ["", f"figure: {figure}", f"numbers: {question.answers / 'levels.csv'}"]
    for measure in [] if condition is None or condition.measure is None else [condition.measure]:
        measured = MEASURED[measure](answers)
        without_formulas(measured).to_csv(question.answers / f"{measure}.csv", index=False)
        numbers[measure] = [
            {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
            for row in measured.to_dict("records")
        ]
        lines += ["", _as_text(measured, measure), f"numbers: {question.answers / f'{measure}.csv'}"]
    return "\n".join([*lines, "", *(f"page: {answer.page}" for answer in answers)]), numbers


def level_table(answers: Sequence[Answer]) -> pd.DataFrame:
    """A row for each level, arm and metric, as the comparison of the level has it."""
    import pandas as pd

    tables = []
    for answer in answers:
        table = answer.compared.table
        table = table[(table["variant"] == "raw") & table["metric"].isin(OF_LEVELS)]
        level = answer.chosen.level
        tables.append(table.assign(level=level.name, at=level.at)[["level", "at", *table.columns]])
    return pd.concat(tables, ignore_index=True)


def _of_arms(compared: Comparison, level: float) -> str:
    """The arms' test metrics as they are, and the difference of the NLL to the baseline."""
    raw = compared.table[compared.table["variant"] == "raw"]
    rows = raw.set_index(["arm", "metric"])
    metrics = [name for name in METRICS if name in compared.metrics]
    errors = {name: _error(raw[raw["metric"] == name], "low", "high") for name in metrics}
    apart = _error(raw[raw["metric"] == "nll"], "difference_low", "difference_high")
    shown = _table("arm", "role", "runs", *metrics, f"nll - {compared.arms[0].name} ({level:.0%})", "p (Holm)")
    for arm in compared.arms:
        cells = [arm.name, WORDS[arm.role], str(arm.runs)]
        cells += [unsigned(rows.loc[(arm.name, metric), "mean"], errors[metric]) for metric in metrics]
        if not arm.is_baseline and "nll" in metrics:
            row = rows.loc[(arm.name, "nll")]
            ends = [signed(row[end], apart) for end in ("difference_low", "difference_high")]
            wide = f" ({' to '.join(ends)})" if math.isfinite(row["difference_low"]) else ""
            cells.append(f"{signed(row['difference'], apart)}{wide}" if math.isfinite(row["difference"]) else "-")
            cells.append(f"{row['p_holm']:.3f}" if math.isfinite(row["p_holm"]) else "-")
        shown.add_row(*cells)
    return _printed("test data", shown)


def _error(rows: pd.DataFrame, low: str, high: str) -> float:
    """A standard error by which a column gets its digits: the median over the arms."""
    return float(((rows[high] - rows[low]) / 4).median())


def _of_levels(table: pd.DataFrame, axis: str, baseline: str) -> str:
    """The test NLL of each arm at each level; a star where it differs from the baseline's beyond noise."""
    rows = table[table["metric"] == "nll"].set_index(["arm", "level"])
    levels = list(dict.fromkeys(table["level"]))
    shown = _table("arm", *levels)
    for arm in dict.fromkeys(table["arm"]):
        cells = [rows.loc[(arm, level)] if (arm, level) in rows.index else None for level in levels]
        texts = ["-" if row is None else f"{row['mean']:.4f}{'*' if row['p_holm'] < 0.05 else ' '}" for row in cells]
        shown.add_row(arm, *texts)
    return _printed(f"test NLL by {axis} (* differs from {baseline} beyond noise)", shown)


def _slices(answers: Sequence[Answer]) -> pd.DataFrame:
    """Mean metrics of each arm by slice of the test data."""
    import pandas as pd

    from smoothlab.scoring.slices import label_of

    rows = []
    for answer in answers:
        for record in answer.records.records:
            slices = record.results.get("slices", {})
            for number, part in enumerate(slices.get("test", ())):
                numbers = {name: part[name] for name in ("rows", *METRICS, "confidence_gap") if name in part}
                rows.append({"arm": record.arm, "slice": number, "place": label_of(part), **numbers})
    return pd.DataFrame(rows).groupby(["arm", "slice", "place"], sort=False).mean(numeric_only=True).reset_index()


def _cost(answers: Sequence[Answer]) -> pd.DataFrame:
    """Mean seconds of training, and the most memory of its process, of each arm at each level."""
    import pandas as pd

    rows = [
        {
            "arm": record.arm,
            "level": answer.chosen.level.name,
            "fit_seconds": record.results["seconds"]["fit"],
            "steps": record.results.get("steps"),
            "peak_memory_mib": record.results.get("peak_memory_mib", math.nan),
        }
        for answer in answers
        for record in answer.records.records
        if "fit" in record.results.get("seconds", {})
    ]
    return pd.DataFrame(rows).groupby(["level", "arm"], sort=False).mean(numeric_only=True).reset_index()


def _latency(answers: Sequence[Answer]) -> pd.DataFrame:
    from smoothlab.comparing.latency import latency_table

    return latency_table([record for answer in answers for record in answer.records.records])


MEASURED = {SLICES: _slices, COST: _cost, LATENCY: _latency}


def _as_text(table: pd.DataFrame, title: str) -> str:
    shown = _table(*table.columns)
    for row in table.itertuples(index=False):
        shown.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row))
    return _printed(title, shown)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _printed(title: str, table: Table) -> str:
    text = io.StringIO()
    text.write(f"{title}\n")
    Console(file=text, width=WIDTH, highlight=False, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"
