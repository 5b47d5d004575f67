"""The tables of a report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smoothlab.reports.arm_names import REPETITION
from smoothlab.reports.page.charts.differences import judged
from smoothlab.reports.page.tables import Cell, Column, Row, Table, measured, rows_of, told
from smoothlab.reports.page.wording import BETTER, MEANS, interval, metric_name, number, probability
from smoothlab.rundir.identity import NOT_IDENTITY

if TYPE_CHECKING:
    from smoothlab.reports.comparison import Arm, Comparison
    from smoothlab.reports.records import Records, RunRecord

VARIANTS = {"raw": "as given", "temperature": "temperature-scaled"}
LONGEST = 300  # characters of a setting; of an error three times as many
MOST_CLASSES = 100  # rows of the table of classes; all are in classes.csv
ABSENT = "–"
OWN = "smoothlab."  # classes of which the last word says enough


def summary(comparison: Comparison, order: Sequence[str], metrics: Sequence[str]) -> Table:
    """A row for each arm and variant: mean, interval and difference to the baseline of the first metrics."""
    table = comparison.table
    rows = {(row["arm"], row["variant"], row["metric"]): row for row in table.to_dict("records")}
    better = dict(zip(table["metric"], table["better"], strict=True))
    best = {
        (variant, metric): _best(table[(table["variant"] == variant) & (table["metric"] == metric)])
        for variant in VARIANTS
        for metric in metrics
    }
    baseline = {arm.name for arm in comparison.arms if arm.is_baseline}
    several = table["variant"].nunique() > 1
    made = []
    for arm in order:
        for variant, means in VARIANTS.items():
            own = {metric: rows.get((arm, variant, metric)) for metric in metrics}
            if not any(own.values()):
                continue
            first = next(one for one in own.values() if one)
            tags = [(means, "")] if several else []
            tags += [("baseline", "")] if arm in baseline else []
            tags += [("recommended", "good")] if arm == comparison.verdict.arm else []
            cells = [Cell(arm, arm, tuple(tags))]
            cells += [_mean(own[metric], arm in best[variant, metric]) for metric in metrics]
            chance = first["prob_best"]
            cells.append(Cell(probability(chance), None if chance is None or math.isnan(chance) else float(chance)))
            cells.append(measured(first["seeds"], 0))
            mark = "recommended" if arm == comparison.verdict.arm else "baseline" if arm in baseline else ""
            made.append(Row(tuple(cells), variant, mark))
    columns = [
        Column("arm"),
        *(
            Column(metric_name(one), True, MEANS.get(one, ""), BETTER.get(better.get(one, ""), "").split(" is ")[0])
            for one in metrics
        ),
        Column("best", True, f"probability that the arm has the best {metric_name(metrics[0])}", "probability"),
        Column("runs", True),
    ]
    caption = (
        "Test metrics: mean over the runs, its 95% interval, and the paired difference to the baseline (scaled arms "
        "to the scaled baseline), with a word where it is beyond noise; bold is the best mean. Press a heading to sort."
    )
    return Table("arms", caption, tuple(columns), tuple(made))


def _mean(row: Mapping[str, Any] | None, best: bool) -> Cell:
    if row is None:
        return Cell("–")
    lines = [(text, "")] if (text := interval(row["low"], row["high"])) else []
    if (difference := row["difference"]) == difference and difference is not None:
        lines.append((f"{ARROWS[_mark(row)]} {number(difference, sign=True)}", _mark(row)))
    held = float(row["mean"]) if row["mean"] == row["mean"] else None
    return Cell(number(row["mean"]), held, tuple(lines), strong=best)


ARROWS = {"good": "▲ better", "bad": "▼ worse", "open": "≈"}
MARKS = {"better": "good", "worse": "bad", "open": "open"}


def _mark(row: Mapping[str, Any]) -> str:
    return MARKS[judged(row["difference"], row["p_holm"], row["better"])]


def _best(rows: pd.DataFrame) -> set[str]:
    """The arms with the best mean; more than one where they are equal."""
    held = rows[rows["mean"].notna()]
    if len(held) < 2:
        return set()
    better = str(held["better"].iloc[0])
    score = held["mean"].abs() if better == "zero" else held["mean"] * (-1 if better == "max" else 1)
    return set(held["arm"][score == score.min()])


def numbers(comparison: Comparison) -> Table:
    """Every number of the comparison, as in table.csv."""
    names = {
        "arm": "arm",
        "variant": "probabilities",
        "metric": "metric",
        "mean": "mean",
        "low": "low",
        "high": "high",
        "seeds": "runs",
        "difference": "difference",
        "difference_low": "low",
        "difference_high": "high",
        "p": "p",
        "p_holm": "p, Holm",
        "prob_best": "best",
    }
    explains = {
        "low": "lower end of the 95% interval of the mean",
        "high": "upper end of the 95% interval of the mean",
        "difference": "to the baseline, over paired runs",
        "difference_low": "lower end of the 95% interval of the difference",
        "difference_high": "upper end of the 95% interval of the difference",
        "p": "p-value of the difference",
        "p_holm": "p-value corrected for the number of arms",
        "prob_best": "probability that the arm is the best",
    }
    texts = ("arm", "variant", "metric")
    columns = tuple(Column(label, name not in texts, explains.get(name, "")) for name, label in names.items())
    rows = []
    for one in comparison.table.to_dict("records"):
        cells = [told(one["arm"]), told(one["variant"]), Cell(metric_name(one["metric"]), one["metric"])]
        for name in list(names)[3:]:
            if name in ("p", "p_holm", "prob_best"):
                value = one[name]
                cells.append(Cell(probability(value), float(value) if value == value and value is not None else None))
            else:
                cells.append(measured(one[name], 0 if name == "seeds" else 3, sign=name.startswith("difference")))
        rows.append(cells)
    return Table("numbers", "All numbers, as in table.csv.", columns, rows_of(rows))


def class_table_of(tables: Mapping[str, pd.DataFrame]) -> Table | None:
    """Each class under one or two arms, those that change most where they are many."""
    arms = [arm for arm, one in tables.items() if len(one)]
    if not arms:
        return None
    first, last = tables[arms[0]], tables[arms[-1]]
    if list(first["class"]) != list(last["class"]):
        arms, last = arms[:1], first
    change = (last["nll"] - first["nll"]).abs().fillna(0.0).to_numpy()
    rows = np.sort(np.argsort(-change, kind="stable")[:MOST_CLASSES])
    shown = (("nll", "NLL"), ("recall", "recall"), ("ece", "ECE"))
    columns = [Column("class"), Column("samples", True, "with this label, mean over the runs")]
    several = len(arms) > 1
    for name, label in shown:
        columns += [Column(label, True, f"{name} under {arm}", arm if several else "") for arm in arms]
    gap = "mean probability of the class less its share: positive, it is given too much"
    columns += [Column("gap", True, gap, arm if several else "") for arm in arms]
    made = []
    for row in rows:
        cells = [told(first["class"].iloc[row]), measured(first["samples"].iloc[row], 0)]
        for name, _ in shown:
            cells += [measured(tables[arm][name].iloc[row]) for arm in arms]
        cells += [measured(tables[arm]["probability_gap"].iloc[row], sign=True) for arm in arms]
        made.append(cells)
    more = f" The {MOST_CLASSES} of {len(change)} whose NLL changes most." if len(change) > MOST_CLASSES else ""
    return Table("classes", f"Each class, mean over the runs.{more}", tuple(columns), rows_of(made))


def settings(
    arms: Sequence[Arm], records: Sequence[RunRecord], order: Sequence[str]
) -> tuple[Table | None, Table | None]:
    """The settings in which the arms differ, the longer way down, and those that all runs share."""
    if not records:
        return None, None
    keys = list(dict.fromkeys(key for one in records for key in one.flat))
    keys = [key for key in keys if key not in REPETITION and key.split(".")[0] not in NOT_IDENTITY]
    values = {key: {_plain(one.flat.get(key)) for one in records} for key in keys}
    differing = [key for key in keys if len(values[key]) > 1]
    own = {arm: [one for one in records if one.arm == arm] for arm in order}
    cells = {
        (key, arm): told(" / ".join(sorted({_plain(one.flat.get(key)) for one in own[arm]})))
        for key in differing
        for arm in order
    }
    if len(order) > len(differing):
        columns = (Column("arm"), *(Column(key) for key in differing))
        rows = [[told(arm), *(cells[key, arm] for key in differing)] for arm in order]
    else:
        columns = (Column("setting"), *(Column(arm) for arm in order))
        rows = [[told(key), *(cells[key, arm] for arm in order)] for key in differing]
    shared = [[told(key), told(next(iter(values[key])))] for key in keys if len(values[key]) == 1]
    told_apart = Table("settings", "Settings in which the arms differ.", columns, rows_of(rows)) if differing else None
    alike = Table("shared", "Settings that all runs share.", (Column("setting"), Column("value")), rows_of(shared))
    return told_apart, alike if shared else None


def _plain(value: Any) -> str:
    if value is None:
        return ABSENT
    text = " ".join(str(value).split())
    if text.startswith(OWN):
        text = text.rsplit(".", 1)[-1]
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def environment(records: Sequence[RunRecord]) -> Table:
    """Versions, machine and commit; where the runs differ, how many have which."""
    found: dict[str, Counter[str]] = {}
    for one in records:
        git = _mapping(one.results.get("git"))
        commit = git.get("commit")
        told_commit = f"{commit}{', with changes' if git.get('changed') else ''}" if commit else "not in git"
        parts = {**_mapping(one.results.get("versions")), **_mapping(one.results.get("machine")), "commit": told_commit}
        for key, value in parts.items():
            found.setdefault(str(key), Counter())[_plain(value)] += 1
    rows = []
    for key, counts in found.items():
        several = len(counts) > 1
        text = "; ".join(f"{value} ({count} runs)" if several else value for value, count in counts.most_common())
        rows.append([told(key), told(text)])
    return Table("environment", "What the runs were made with.", (Column("what"), Column("value")), rows_of(rows))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def runs(records: Sequence[RunRecord]) -> Table:
    """Every run, finished or not."""
    columns = (
        Column("run"),
        Column("arm"),
        Column("seed", True),
        Column("fold", True),
        Column("state"),
        Column("epochs", True),
        Column("best epoch", True),
        Column("seconds", True, "of the whole run"),
        Column("validation NLL", True),
        Column("test NLL", True),
        Column("test accuracy", True),
        Column("test ECE", True),
    )
    rows = []
    for one in records:
        test, val = one.metrics("test"), one.metrics("val")
        seconds = _mapping(one.results.get("seconds")).get("total")
        rows.append(
            [
                told(one.path.name),
                told(one.arm),
                measured(one.seed, 0),
                measured(one.fold, 0),
                told(one.state),
                measured(one.results.get("epochs"), 0),
                measured(one.results.get("best_epoch"), 0),
                measured(seconds, 1),
                *(
                    measured(value)
                    for value in (val.get("nll"), test.get("nll"), test.get("accuracy"), test.get("ece"))
                ),
            ]
        )
    held = [place for place in range(len(columns)) if any(row[place].value is not None for row in rows)]
    rows = [[row[place] for place in held] for row in rows]
    return Table("runs", "Every run.", tuple(columns[place] for place in held), rows_of(rows))


def problems(records: Records, unread: Sequence[tuple[RunRecord, str]]) -> Table | None:
    """Runs that are left out, and why; None where there are none."""
    rows = [[told(one.path), told("not readable"), told(_cut(one.says))] for one in records.problems]
    for one in records.records:
        if not one.done:
            says = f"{one.error} (left out)" if one.error else "has no results yet (left out)"
            rows.append([told(one.path), told(one.state), told(_cut(says))])
    rows += [[told(one.path), told("predictions not taken"), told(_cut(says))] for one, says in unread]
    if not rows:
        return None
    columns = (Column("directory"), Column("state"), Column("what is wrong"))
    return Table("problems", "Runs that are left out, or in part.", columns, rows_of(rows))


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 3 * LONGEST else text[: 3 * LONGEST - 1] + "…"
