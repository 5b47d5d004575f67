"""Everything that a report says, put together once for every form that it is written in."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from smoothlab.reports.arm_names import REPETITION
from smoothlab.reports.page.charts.classes import classes
from smoothlab.reports.page.charts.differences import Difference, differences
from smoothlab.reports.page.charts.history import histories
from smoothlab.reports.page.charts.reliability import reliability
from smoothlab.reports.page.charts.risk_coverage import risk_coverage
from smoothlab.reports.page.conditions import condition_charts
from smoothlab.reports.page.listings import class_table_of, environment, numbers, problems, runs, settings, summary
from smoothlab.reports.page.seen import Seen, look
from smoothlab.reports.page.wording import MEANS, counted, listed, metric_name

if TYPE_CHECKING:
    from smoothlab.reports.comparison import Comparison, Verdict
    from smoothlab.reports.page.svg import Chart
    from smoothlab.reports.page.tables import Table
    from smoothlab.reports.records import Records, RunRecord

MOST_DIAGRAMS = 12  # reliability diagrams on the page; the others are files
MOST_ROWS = 30  # arms in the chart of differences
# Metrics of the first table and of the chart of differences, as far as they are there.
FIRST = ("nll", "accuracy", "ece", "confidence_gap", "brier", "aurc")
COMPARED = ("nll", "accuracy", "ece", "aurc")


@dataclass(frozen=True)
class Contents:
    """A report's contents, in the order in which it is read."""

    title: str
    facts: tuple[str, ...]
    made: str
    verdict: Verdict
    notes: tuple[str, ...]
    summary: Table
    has_variants: bool
    differences: Chart | None
    reliability: tuple[Chart, ...]
    more_reliability: tuple[Chart, ...]
    risk_coverage: Chart | None
    epochs: tuple[Chart, ...]
    class_chart: Chart | None
    class_table: Table | None
    conditions: tuple[Chart, ...]
    settings: Table | None
    shared_settings: Table | None
    environment: Table
    runs: Table
    problems: Table | None
    numbers: Table
    glossary: tuple[tuple[str, str], ...]
    all_classes: pd.DataFrame

    @property
    def charts(self) -> tuple[Chart, ...]:
        """Every chart; each is a file too."""
        alone = [one for one in (self.differences, self.risk_coverage, self.class_chart) if one is not None]
        return (*alone, *self.reliability, *self.more_reliability, *self.epochs, *self.conditions)


def contents(comparison: Comparison, records: Records, *, title: str) -> Contents:
    """Put a report together.

    Args:
        comparison: of the records.
        records: runs, and what could not be read as one.
        title: the page's heading.
    """
    finished = [one for one in records.records if one.done]
    order = reading_order(comparison)
    by_arm = {arm: [one for one in finished if one.arm == arm] for arm in order}
    found, unread = _look(by_arm, tuple(comparison.classes))
    baseline = next((arm.name for arm in comparison.arms if arm.is_baseline), order[0] if order else "")
    other = _other(comparison, order, baseline)
    diagrams = [reliability(f"reliability_{place:02d}", arm, one) for place, (arm, one) in enumerate(found.items())]
    pair = (found.get(baseline), found.get(other) if other else None)
    shown_metrics = [name for name in FIRST if name in comparison.metrics] or list(comparison.metrics[:6])
    differing, shared = settings(comparison.arms, finished, order)
    return Contents(
        title=title,
        facts=_facts(comparison, records, finished, found),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        verdict=comparison.verdict,
        notes=(*_unlike(finished), *comparison.notes),
        summary=summary(comparison, order, shown_metrics),
        has_variants=comparison.table["variant"].nunique() > 1,
        differences=_differences(comparison, order, baseline),
        reliability=tuple(diagrams[:MOST_DIAGRAMS]),
        more_reliability=tuple(diagrams[MOST_DIAGRAMS:]),
        risk_coverage=risk_coverage(found) if found else None,
        epochs=tuple(histories({arm: [one.epochs for one in own] for arm, own in by_arm.items()})),
        class_chart=_class_chart(baseline, other, *pair),
        class_table=class_table_of({arm: found[arm].classes for arm in (baseline, other) if arm and arm in found}),
        conditions=tuple(condition_charts(finished, order, comparison)),
        settings=differing,
        shared_settings=shared,
        environment=environment(finished),
        runs=runs(records.records),
        problems=problems(records, unread),
        numbers=numbers(comparison),
        glossary=tuple((metric_name(name), MEANS[name]) for name in comparison.metrics if name in MEANS),
        all_classes=_all_classes(found),
    )


def reading_order(comparison: Comparison) -> list[str]:
    """Arms in the order in which they matter: the baseline, the recommended one, then by NLL."""
    table = comparison.table
    metric = "nll" if "nll" in comparison.metrics else (comparison.metrics[0] if comparison.metrics else "")
    raw = table[(table["variant"] == "raw") & (table["metric"] == metric)]
    score = {str(arm): float(mean) for arm, mean in zip(raw["arm"], raw["mean"], strict=True)}
    first = [arm.name for arm in comparison.arms if arm.is_baseline]
    if comparison.verdict.arm is not None:
        first.append(comparison.verdict.arm)
    rest = sorted((arm.name for arm in comparison.arms), key=lambda name: _last(score.get(name, math.nan)))
    known = {arm.name for arm in comparison.arms}
    return [name for name in dict.fromkeys([*first, *rest]) if name in known]


def _last(value: float) -> tuple[bool, float]:
    return math.isnan(value), value


def _other(comparison: Comparison, order: Sequence[str], baseline: str) -> str | None:
    """The arm to hold against the baseline: the recommended one, else the best of the others."""
    if comparison.verdict.arm not in (None, baseline):
        return comparison.verdict.arm
    return next((arm for arm in order if arm != baseline), None)


def _look(
    by_arm: dict[str, list[RunRecord]], names: tuple[str, ...]
) -> tuple[dict[str, Seen], list[tuple[RunRecord, str]]]:
    """What the test predictions show, by arm, and the runs whose predictions cannot be taken."""
    found: dict[str, Seen] = {}
    unread: list[tuple[RunRecord, str]] = []

    def reader(record: RunRecord) -> Any:
        def read() -> Any:
            try:
                told = record.predictions("test")
                if told is not None and names and tuple(told.class_names) != names:
                    raise ValueError(f"other classes than the other runs: {listed(told.class_names)}")
                return told
            except Exception as error:  # whatever is wrong with one run, the report goes on and names it
                unread.append((record, " ".join(str(error).split())))
                return None

        return read

    for arm, own in by_arm.items():
        seen = look([reader(record) for record in own])
        if seen is not None:
            found[arm] = seen
    return found, unread


def _facts(
    comparison: Comparison, records: Records, finished: Sequence[RunRecord], found: dict[str, Seen]
) -> tuple[str, ...]:
    """What was compared, in a few words each."""
    names = Counter(one.name for one in finished)
    seeds = {one.seed for one in finished if one.seed is not None}
    folds = {one.fold for one in finished if one.fold is not None}
    facts = [
        ", ".join(name for name, _ in names.most_common(3)),
        counted(sum(arm.runs > 0 for arm in comparison.arms), "arm"),
    ]
    facts.append(counted(len(finished), "finished run"))
    facts += [counted(len(seeds), "seed")] if seeds else []
    facts += [counted(len(folds), "fold")] if len(folds) > 1 else []
    if found:
        sizes = sorted({round(one.samples / one.runs) for one in found.values()})
        size = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
        facts.append(f"{size} test samples a run")
    if comparison.classes:
        facts.append(counted(len(comparison.classes), "class").replace("classs", "classes"))
    rest = len(records.records) - len(finished)
    facts += [f"{counted(rest, 'run')} not finished"] if rest else []
    facts += [f"{len(records.problems)} not readable"] if records.problems else []
    return tuple(fact for fact in facts if fact)


def _unlike(records: Sequence[RunRecord]) -> list[str]:
    """A warning where arms were trained on unlike data."""
    keys = dict.fromkeys(
        key for one in records for key in one.flat if key.startswith("data.") and key not in REPETITION
    )
    unlike = [key for key in keys if len({str(one.flat.get(key)) for one in records}) > 1]
    if not unlike:
        return []
    return [
        f"The arms differ in their data ({listed(unlike)}): what tells them apart is not smoothing alone. Look at the "
        "curves along the varied setting, or report one condition at a time."
    ]


def _differences(comparison: Comparison, order: Sequence[str], baseline: str) -> Chart | None:
    table = comparison.table
    rows = table[table["difference"].notna() & (table["arm"] != baseline) & table["better"].isin(["min", "max"])]
    metrics = [name for name in COMPARED if (rows["metric"] == name).any()]
    arms = [arm for arm in order if (rows["arm"] == arm).any()][:MOST_ROWS]
    if not metrics or not arms:
        return None
    found = [
        Difference(
            str(row.arm),
            str(row.metric),
            str(row.variant),
            float(row.difference),
            float(row.difference_low),
            float(row.difference_high),
            float(row.p_holm),
            str(row.better),
        )
        for row in rows.itertuples()
        if row.metric in metrics
    ]
    return differences(found, arms, metrics, baseline)


def _class_chart(baseline: str, other: str | None, one: Seen | None, two: Seen | None) -> Chart | None:
    if other is None or one is None or two is None or not len(one.classes):
        return None
    if list(one.classes["class"]) != list(two.classes.get("class", [])):
        return None
    return classes(baseline, one.classes, other, two.classes)


def _all_classes(found: dict[str, Seen]) -> pd.DataFrame:
    """A row for each arm and class."""
    parts = []
    for arm, seen in found.items():
        if len(seen.classes):
            part = seen.classes.copy()
            part.insert(0, "arm", arm)
            parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
