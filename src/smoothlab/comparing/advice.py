"""What can be typed after a comparison: what trains each arm, and the comparison that would tell more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from smoothlab.comparing.arm import TEMPERATURE
from smoothlab.comparing.repetition import FEWEST_FOLDS, folds_of
from smoothlab.comparing.typed import command, of_train
from smoothlab.reports.verdict import Advice
from smoothlab.sweeps.devices import Devices

if TYPE_CHECKING:
    from smoothlab.comparing.answer import Chosen
    from smoothlab.comparing.plan import Plan
    from smoothlab.comparing.question import Question
    from smoothlab.reports.records import RunRecord

MORE = 4  # times as many seeds are advised: half the error of what chance does in training
SCALED = "calibrator=temperature"
TEST_SHARE = 0.2  # of a single split, where its config does not say


def advice_of(question: Question, plan: Plan, chosen: Chosen, records: Sequence[RunRecord]) -> Advice:
    """The commands, and what the larger comparison takes.

    On one split, where the rows can be cut into folds, more is folds: every row becomes a test row. Else it is four
    times as many seeds. Its time is that of the runs that are not there yet, at the mean seconds of those that are.

    Args:
        question: what was asked.
        plan: with the runs.
        chosen: the settings of each arm at one level.
        records: the runs of that level.
    """
    words, arms = [*of_train(question.typed), *chosen.level.overrides], question.arms

    def trains(name: str, *more: str) -> str:
        settings = [f"{key}={value}" for key, value in chosen.by_arm[name].settings.items()]
        return command("train", words, arms[name].overrides, settings, more)

    train = {name: trains(name) for name in chosen.by_arm if arms[name].teacher is None}
    for name, arm in arms.items():
        source = arm.source or question.baseline
        if arm.made_of == TEMPERATURE and source in train:
            train[name] = trains(source, SCALED)
    base = chosen.by_arm[question.baseline]
    runs, folds = len(base.runs), len({run.fold for run in base.runs} - {None})
    many, more_folds, rows = MORE * runs, folds, 1.0
    left = len(plan.runs) * (MORE - 1.0)
    if not folds and plan.foldable:
        many = max(runs, FEWEST_FOLDS)
        more_folds = folds_of(many)
        rows = 1.0 / _test_share(records)
        left = len(plan.runs) * many / max(runs, 1)
    asked = [f"seeds={many}", *([f"folds={more_folds}"] if more_folds else [])]
    asked += ["looks=null"] if question.judging.looks else []
    return Advice(
        train=train,
        scaled=trains(question.baseline, SCALED),
        more=command("compare", question.typed, asked),
        seconds=_seconds(records, left, question.n_jobs),
        runs=many / max(runs, 1),
        rows=rows,
    )


def _test_share(records: Sequence[RunRecord]) -> float:
    """Share of the rows that a single split tests."""
    fractions: Any = next((record.flat.get("data.fractions") for record in records if record.flat), None)
    share = fractions[2] if isinstance(fractions, list) and len(fractions) == 3 else TEST_SHARE
    return float(share) if isinstance(share, int | float) and 0 < share < 1 else TEST_SHARE


def _seconds(records: Sequence[RunRecord], left: float, n_jobs: int | str) -> float | None:
    """How long so many runs take; None where no run tells its seconds."""
    each = [
        float(seconds["total"])
        for record in records
        if isinstance(seconds := record.results.get("seconds"), dict) and isinstance(seconds.get("total"), int | float)
    ]
    if not each:
        return None
    return math.fsum(each) / len(each) * left / Devices.of_this_machine(n_jobs).n_jobs
