"""What every section of a report is made from: the comparison, its runs, and what their predictions show."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smoothlab.errors import UserMistake
from smoothlab.reports.page.seen import Seen, look
from smoothlab.reports.page.wording import listed

if TYPE_CHECKING:
    import pandas as pd

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
        epochs: metrics of each run's epochs, by arm.
        unread: runs of which a file cannot be taken, what it holds, and why.
    """

    comparison: Comparison
    records: Records
    finished: tuple[RunRecord, ...]
    order: tuple[str, ...]
    baseline: str
    other: str | None
    seen: dict[str, Seen]
    epochs: dict[str, list[pd.DataFrame]]
    unread: tuple[tuple[RunRecord, str, str], ...]

    @classmethod
    def of(cls, comparison: Comparison, records: Records) -> Material:
        """Read the predictions of the finished runs, and put the arms into their order."""
        finished = tuple(record for record in records.records if record.done)
        order = reading_order(comparison)
        baseline = next((arm.name for arm in comparison.arms if arm.is_baseline), order[0] if order else "")
        other = _other(comparison, order, baseline)
        seen, unread = _look(order, finished, tuple(comparison.classes))
        epochs: dict[str, list[pd.DataFrame]] = {arm: [] for arm in order}
        for record in finished:
            try:
                epochs.setdefault(record.arm, []).append(record.epochs)
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
    order: Sequence[str], finished: Sequence[RunRecord], classes: tuple[str, ...]
) -> tuple[dict[str, Seen], list[tuple[RunRecord, str, str]]]:
    """What the test predictions show, by arm, and the runs whose predictions cannot be taken."""
    unread: list[tuple[RunRecord, str, str]] = []

    def reader(record: RunRecord) -> Callable[[], Any]:
        def read() -> Any:
            try:
                predictions = record.predictions("test")
                if predictions is not None and classes and tuple(predictions.class_names) != classes:
                    raise ValueError(f"other classes than the other runs: {listed(predictions.class_names)}")
                return predictions
            except Exception as error:  # whatever is wrong with one run, the report goes on and names it
                unread.append((record, "predictions", " ".join(str(error).split())))
                return None

        return read

    seen = {arm: look([reader(record) for record in finished if record.arm == arm]) for arm in order}
    return {arm: shown for arm, shown in seen.items() if shown is not None}, unread
