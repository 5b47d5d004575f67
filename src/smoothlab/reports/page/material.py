"""What every section of a report is made from: the comparison, its runs, and what their predictions show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smoothlab.errors import UserMistake
from smoothlab.reports.evidence import Shown, judge
from smoothlab.reports.page.charts.history import COLUMNS
from smoothlab.reports.page.seen import Seen, look
from smoothlab.reports.page.wording import listed

if TYPE_CHECKING:
    from smoothlab.metrics.inputs import Array
    from smoothlab.reports.comparison import Comparison
    from smoothlab.reports.records import Records, RunRecord


@dataclass(frozen=True)
class Material:
    """What sections are made from.

    Args:
        comparison: of the records.
        records: runs, and what could not be read as one.
        finished: the runs that are done.
        order: the arms in the order in which they matter.
        baseline: the arm that the others are compared with.
        other: the arm to hold against the baseline; None where there is no other.
        seen: what the test predictions show, by arm.
        epochs: the columns of each run's metrics.csv that are drawn, by arm.
        unread: runs of which a file cannot be taken, what it holds, and why.
    """

    comparison: Comparison
    records: Records
    finished: tuple[RunRecord, ...]
    order: tuple[str, ...]
    baseline: str
    other: str | None
    seen: dict[str, Seen]
    epochs: dict[str, list[dict[str, Array]]]
    unread: tuple[tuple[RunRecord, str, str], ...]

    @classmethod
    def of(cls, comparison: Comparison, records: Records) -> Material:
        """Read the predictions of the finished runs, and put the arms into their order."""
        finished = tuple(record for record in records.records if record.done)
        order = reading_order(comparison)
        baseline = next((arm.name for arm in comparison.arms if arm.is_baseline), order[0] if order else "")
        other = _other(comparison, order, baseline)
        seen, unread = _look(order, finished, comparison)
        epochs: dict[str, list[dict[str, Array]]] = {arm: [] for arm in order}
        for record in finished:
            try:
                epochs.setdefault(record.arm, []).append(record.epochs(COLUMNS))
            except UserMistake as mistake:
                unread.append((record, "epochs", str(mistake)))
        return cls(comparison, records, finished, order, baseline, other, seen, epochs, tuple(unread))

    @property
    def main(self) -> tuple[str, ...]:
        """The arms that the answer is about: the baseline, the best smoothing, the best of all."""
        return tuple(dict.fromkeys([self.baseline, *self.comparison.verdict.heroes]))

    @property
    def by_arm(self) -> dict[str, list[RunRecord]]:
        """The finished runs of each arm, in the order of the arms."""
        return {arm: [record for record in self.finished if record.arm == arm] for arm in self.order}

    @property
    def left_out(self) -> list[tuple[object, str, str]]:
        """Path, state and reason of each run that is left out, or whose predictions are."""
        unreadable = [(problem.path, "not readable", problem.says) for problem in self.records.problems]
        unfinished = [
            (record.path, record.state, f"{record.error or 'has no results yet'} (left out)")
            for record in self.records.records
            if not record.done
        ]
        return [*unreadable, *unfinished, *((run.path, f"{what} not taken", why) for run, what, why in self.unread)]


def reading_order(comparison: Comparison) -> tuple[str, ...]:
    """Arms in the order in which they matter: the baseline, the best smoothing, the best of all, then by NLL."""
    table = comparison.table
    metric = "nll" if "nll" in comparison.metrics else (comparison.metrics[0] if comparison.metrics else "")
    raw = table[(table["variant"] == "raw") & (table["metric"] == metric)]
    score = {str(arm): float(mean) for arm, mean in zip(raw["arm"], raw["mean"], strict=True)}
    first = [arm.name for arm in comparison.arms if arm.is_baseline]
    first += comparison.verdict.heroes
    rest = sorted((arm.name for arm in comparison.arms), key=lambda name: _last(score.get(name, math.nan)))
    known = {arm.name for arm in comparison.arms}
    return tuple(name for name in dict.fromkeys([*first, *rest]) if name in known)


def _last(value: float) -> tuple[bool, float]:
    return math.isnan(value), value


def _other(comparison: Comparison, order: Sequence[str], baseline: str) -> str | None:
    """The arm to hold against the baseline: the best smoothing, else the best of the others."""
    if comparison.verdict.hero is not None:
        return comparison.verdict.hero
    return next((arm for arm in order if arm != baseline), None)


def _look(
    order: Sequence[str], finished: Sequence[RunRecord], comparison: Comparison
) -> tuple[dict[str, Seen], list[tuple[RunRecord, str, str]]]:
    """What the test predictions show, by arm, and the runs whose predictions cannot be taken."""
    unread: list[tuple[RunRecord, str, str]] = []
    shown, classes = dict(comparison.shown), tuple(comparison.classes)
    others = [record for record in finished if record.path not in shown]
    shown |= {record.path: judged.shown for record, judged in zip(others, judge(others), strict=True)}
    by_arm: dict[str, list[Shown]] = {arm: [] for arm in order}
    for arm in order:
        for record in (record for record in finished if record.arm == arm):
            of_run = shown[record.path]
            if isinstance(of_run, Shown) and classes and of_run.class_names != classes:
                of_run = f"other classes than the other runs: {listed(of_run.class_names)}"
            if isinstance(of_run, Shown):
                by_arm[arm].append(of_run)
            elif of_run is not None:
                unread.append((record, "predictions", " ".join(of_run.split())))
    seen = {arm: look(runs) for arm, runs in by_arm.items()}
    return {arm: of_arm for arm, of_arm in seen.items() if of_arm is not None}, unread
