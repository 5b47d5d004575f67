"""A comparison that is looked at while it runs: arms that cannot win are left behind, and a clear verdict ends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from smoothlab.comparing.answering import judged
from smoothlab.comparing.arm import Arm, settings_text
from smoothlab.comparing.choosing import val_nll
from smoothlab.comparing.plan import Places, Plan, PlannedRun
from smoothlab.comparing.question import Question
from smoothlab.comparing.repetition import Resolve
from smoothlab.comparing.training import train
from smoothlab.reports.roles import smooths
from smoothlab.reports.verdict import CANNOT_TELL, Verdict
from smoothlab.rundir.identity import flat
from smoothlab.statistics import cannot_win, levels_of_looks
from smoothlab.sweeps.board import Board
from smoothlab.sweeps.folder import say

if TYPE_CHECKING:
    from smoothlab.processes import WarmServer

    Failed = dict[PlannedRun, str]

ENOUGH = 0.9  # share of the information at which more runs are not worth their time
MORE = 0.01  # at least so much of it a look adds
FIRST = 3  # runs of every setting, after which those that cannot win any more are left behind
Point = tuple[str, str]  # an arm and its settings, as text
Unit = tuple[int, int | None]  # seed and fold


@dataclass
class Race:
    """What still runs.

    Args:
        arms: by name.
        gone: settings that are left behind.
        runs: all that were asked for, by identity.
    """

    arms: dict[str, Arm]
    gone: set[Point] = field(default_factory=set)
    runs: dict[str, PlannedRun] = field(default_factory=dict)

    def add(self, plan: Plan) -> None:
        """Remember what was asked for."""
        self.runs |= {run.identity: run for run in plan.runs}

    def narrow(self, plan: Plan, baseline: str, places: Places, *, settle: bool) -> list[str]:
        """Leave behind what cannot win any more, by validation NLL, paired with the leader by seed and fold.

        An arm goes where its best setting is worse than the best of all beyond noise, and, of smoothing, than the best
        smoothing too. The baseline stays, and what a student that stays learns from.

        Args:
            plan: of the runs that are done.
            baseline: name.
            places: where the runs stand.
            settle: keep a single setting of each arm: the best; else those that are as good within noise.

        Returns:
            The arms that are left behind now.
        """
        points = _points(plan, places)
        best = {name: min(own, key=lambda point: _mean(own, point)) for name, own in points.items()}
        leaders = {name: points[name][best[name]] for name in points}
        for name, own in points.items():
            for point, values in own.items():
                if point != best[name] and (settle or _behind(values, leaders[name])):
                    self.gone.add((name, point))
        smoothing = _smoothing(plan) & set(leaders)
        of_all = min(leaders, key=lambda name: _mean(leaders, name))
        of_smoothing = min(smoothing, key=lambda name: _mean(leaders, name), default=None)
        behind = [
            name
            for name, values in leaders.items()
            if name != baseline
            and _behind(values, leaders[of_all])
            and (name not in smoothing or of_smoothing is None or _behind(values, leaders[of_smoothing]))
        ]
        teachers = {arm.teacher for name, arm in self.arms.items() if name not in behind}
        behind = [name for name in behind if name not in teachers]
        self.arms = {name: arm for name, arm in self.arms.items() if not {name, arm.source, arm.teacher} & set(behind)}
        return behind


def by_looks(
    question: Question, resolve: Resolve, places: Places, server: WarmServer, board: Board
) -> tuple[Plan, Failed]:
    """Train until the verdict is clear, or until more runs would tell no more.

    Three runs of every setting come first; then as many as the first look asks for of those that can still win, of
    which each arm keeps its best setting; then, look by look, more. A look spends the share of alpha that its share of
    the information asks for: of what the most runs would tell of the difference, as its variance now says, which has a
    part that more runs make smaller and one that they do not. Where the share is 90%, more runs would tell no more:
    the look is the last one, and spends what is left.

    Args:
        question: with its looks.
        resolve: gives the config of a run.
        places: where the runs stand.
        server: makes the processes.
        board: shows how far it is.

    Returns:
        All runs that were asked for, and why runs failed.
    """
    looks, level = question.judging.looks, question.judging.level
    race = Race(dict(question.arms))
    failed: Failed = {}
    left_out: dict[str, str] = {}
    shares: tuple[float, ...] = ()
    asked = replace(question, repetition=replace(question.repetition, runs=looks[0]))
    plan, failed = train(replace(asked, arms=race.arms), resolve, places, server, board, most=FIRST)
    race.add(plan)
    _say_behind(race.narrow(plan, question.baseline, places, settle=False))
    for number, runs in enumerate(looks, 1):
        asked = replace(asked, repetition=replace(asked.repetition, runs=runs), arms=race.arms)
        plan, more = train(asked, resolve, places, server, board, gone=race.gone)
        asked = replace(asked, repetition=replace(asked.repetition, folds=_folds(plan)))
        failed |= more
        left_out |= plan.left_out
        race.add(plan)
        dropped = [name for name in question.arms if name not in race.arms and name not in left_out]
        whole = Plan(list(race.runs.values()), left_out, plan.values, plan.foldable, number, level, dropped)
        board.phase("judging")
        shares = (*shares, share_of(judged(question, whole, places, level).verdict, runs / looks[-1], shares))
        whole.level = levels_of_looks(shares, level=level)[-1]
        clear = judged(question, whole, places, whole.level).verdict.kind != CANNOT_TELL
        ends = "the verdict is clear" if clear else "it cannot be told yet"
        if shares[-1] == 1 and not clear:
            ends = "it cannot be told" if runs == looks[-1] else "more runs on these rows would not tell"
        say(f"look {number} of at most {len(looks)}, {runs} runs an arm: {ends}")
        if clear or shares[-1] == 1:
            break
        _say_behind(race.narrow(plan, question.baseline, places, settle=True))
    return whole, failed


def share_of(verdict: Verdict, runs: float, before: Sequence[float]) -> float:
    """The share of the information on the difference that the most runs would have; 1 where it is 90%.

    Args:
        verdict: with the difference, at any level.
        runs: of the most runs, in (0, 1].
        before: the shares of earlier looks, which it is above.
    """
    change, rows = verdict.difference, 0.0  # of the variance, what more runs leave as it is
    if change is not None and verdict.detectable > 0:
        rows = (change.endless / verdict.detectable) ** 2
    share = rows + (1.0 - rows) * runs
    least = before[-1] + MORE if before else 0.0
    return 1.0 if max(share, least) >= ENOUGH or runs == 1 else max(share, least)


def _say_behind(names: Sequence[str]) -> None:
    if names:
        say(f"cannot win any more: {', '.join(names)}")


def _folds(plan: Plan) -> int | None:
    """How many folds the runs are of; None of seeds."""
    return len({run.fold for run in plan.runs} - {None}) or None


def _points(plan: Plan, places: Places) -> dict[str, dict[str, dict[Unit, float]]]:
    """Validation NLL by arm, settings, and seed and fold; of runs that are done."""
    points: dict[str, dict[str, dict[Unit, float]]] = {}
    for run in plan.runs:
        value = val_nll(run, places)
        if value is not None:
            own = points.setdefault(run.arm, {})
            own.setdefault(settings_text(run.settings), {})[run.seed, run.fold] = value
    return points


def _mean(points: Mapping[str, Mapping[Unit, float]], name: str) -> float:
    """The mean of a point over the units that all points have."""
    shared = set.intersection(*(set(values) for values in points.values()))
    return float(np.mean([points[name][unit] for unit in sorted(shared, key=str)])) if shared else float("inf")


def _behind(values: Mapping[Unit, float], leader: Mapping[Unit, float]) -> bool:
    return cannot_win([values[unit] - leader[unit] for unit in values if unit in leader])


def _smoothing(plan: Plan) -> set[str]:
    """The arms that let mass leave the label."""
    return {run.arm for run in plan.runs if run.identity in plan.values and smooths(flat(plan.values[run.identity]))}
