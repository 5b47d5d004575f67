"""Train the runs of a comparison that are not there yet."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from smoothlab.comparing.arm import settings_text
from smoothlab.comparing.condition import SLICES
from smoothlab.comparing.plan import Places, Plan, PlannedRun
from smoothlab.comparing.planning import make_plan
from smoothlab.comparing.question import Question
from smoothlab.comparing.repetition import Resolve
from smoothlab.rundir.directory import RunDirectory
from smoothlab.sweeps.board import Board
from smoothlab.sweeps.folder import make_folder, say
from smoothlab.sweeps.ledger import is_done

if TYPE_CHECKING:
    from smoothlab.processes import WarmServer


def train(
    question: Question,
    resolve: Resolve,
    places: Places,
    server: WarmServer,
    board: Board,
    *,
    file: Path | None = None,
    most: int | None = None,
    gone: Collection[tuple[str, str]] = (),
) -> tuple[Plan, dict[PlannedRun, str]]:
    """Make the plan of a comparison, and train what is left of it.

    Args:
        question: what is asked.
        resolve: gives the config of a run.
        places: where the runs stand.
        server: makes the processes.
        board: shows how far it is.
        file: where the plan is kept; None: nowhere.
        most: runs of each setting, the first ones of the plan; None: all.
        gone: arms and settings, as text, that are not run.

    Returns:
        The plan, and why runs failed.

    Raises:
        UserMistake: before anything is written: the config, an arm or the data will not do.
        KeyboardInterrupt: the user stopped it; the same command goes on with it.
    """
    board.phase(f"composing {len(question.arms)} arms")
    from smoothlab.comparing.running import run_all
    from smoothlab.rundir.writable import check_folder
    from smoothlab.sweeps.pool import JobPool

    with JobPool(question.n_jobs, server=server) as pool:
        # In a process of the server, which imports what this one then need not.
        plan = pool.call(_planned, question, resolve, places)
        plan = replace(plan, runs=_first(plan.runs, most, gone))
        check_folder(question.folder, key="output_root")
        left = [run for run in plan.runs if not is_done(places.of(run))]
        say(_announcement(question, plan, left, places))
        make_folder(question.folder)
        with RunDirectory(question.folder).held():
            if file is not None:
                plan.write(file)
            try:
                return plan, run_all(plan, left, places, pool, board) if left else {}
            except KeyboardInterrupt:
                with contextlib.suppress(OSError):
                    done = sum(is_done(places.of(run)) for run in plan.runs)
                    say(f"interrupted with {done} of {len(plan.runs)} runs done; the same command goes on with it")
                raise


def _planned(question: Question, resolve: Resolve, places: Places) -> Plan:
    """All runs of a comparison."""
    return make_plan(
        question.arms,
        resolve,
        repetition=question.repetition,
        grid=question.grid,
        levels=question.levels,
        required=question.required,
        places=places,
        sliced=question.condition is not None and question.condition.measure == SLICES,
    )


def _first(runs: Sequence[PlannedRun], most: int | None, gone: Collection[tuple[str, str]]) -> list[PlannedRun]:
    """The first runs of each setting that is not gone."""
    units = list(dict.fromkeys((run.seed, run.fold) for run in runs))[:most]
    return [run for run in runs if (run.seed, run.fold) in units and (run.arm, settings_text(run.settings)) not in gone]


def _announcement(question: Question, plan: Plan, left: Sequence[PlannedRun], places: Places) -> str:
    arms = len({run.arm for run in plan.runs})
    seeds, folds = len({run.seed for run in plan.runs}), len({run.fold for run in plan.runs} - {None})
    units = f"{folds} folds" if folds and seeds == 1 else f"{seeds} seeds{f' on {folds} folds' if folds else ''}"
    condition = question.condition
    levels = f", {len(condition.levels)} levels of {condition.name}" if condition and len(condition.levels) > 1 else ""
    before = f", {len(plan.runs) - len(left)} of them done before" if len(left) < len(plan.runs) else ""
    lines = [f"{arms} arms, {units}{levels}: {len(plan.runs)} runs{before}, in {places.folder}"]
    return "\n".join([*lines, *(f"left out: {name}: {why}" for name, why in plan.left_out.items())])
