"""A comparison from its question to its answer: plan, runs, choice, and what comes of them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from smoothlab.comparing.answering import write_answer
from smoothlab.comparing.condition import SLICES
from smoothlab.comparing.plan import Places, Plan, PlannedRun
from smoothlab.comparing.planning import make_plan
from smoothlab.comparing.question import Question
from smoothlab.comparing.repetition import Resolve
from smoothlab.rundir.directory import RunDirectory
from smoothlab.sweeps.folder import make_folder, say
from smoothlab.sweeps.ledger import is_done

SHOWN = 5  # failed runs that are named in full


def answer(question: Question, resolve: Resolve) -> int:
    """Train what is not there yet, compare, write the page, print table and sentences.

    Returns:
        The exit code: 1 where a run failed, else 0.

    Raises:
        UserMistake: before anything is written: the config, an arm or the data will not do.
        KeyboardInterrupt: the user stopped it; the same command goes on with it.
    """
    folder = question.folder
    file = folder / "plans" / f"{question.signature}.json"
    plan = Plan.read(file)
    places = Places(folder / "runs")
    failed: dict[PlannedRun, str] = {}
    if plan is None or not all(is_done(places.of(run)) for run in plan.runs):
        plan, failed = _run(question, resolve, places, file)
    else:
        say(f"{len(plan.runs)} runs, all of them done before, in {places.folder}")
    write_answer(question, plan, places, failed)
    _name(failed, places)
    return 1 if failed else 0


def _run(question: Question, resolve: Resolve, places: Places, file: Path) -> tuple[Plan, dict[PlannedRun, str]]:
    say(f"comparing {len(question.arms)} arms: their configs are composed and tried on the data")
    from smoothlab.sweeps.pool import JobPool

    with JobPool(question.n_jobs) as pool:  # its server imports while the arms are composed and tried
        from smoothlab.comparing.running import run_all
        from smoothlab.rundir.writable import check_folder

        plan = make_plan(
            question.arms,
            resolve,
            repetition=question.repetition,
            grid=question.grid,
            levels=question.levels,
            required=question.required,
            places=places,
            sliced=question.condition is not None and question.condition.measure == SLICES,
        )
        check_folder(question.folder, key="output_root")
        left = [run for run in plan.runs if not is_done(places.of(run))]
        say(_announcement(question, plan, left, places))
        make_folder(question.folder)
        with RunDirectory(question.folder).held():
            plan.write(file)
            try:
                return plan, run_all(plan, left, places, pool) if left else {}
            except KeyboardInterrupt:
                with contextlib.suppress(OSError):
                    done = sum(is_done(places.of(run)) for run in plan.runs)
                    say(f"interrupted with {done} of {len(plan.runs)} runs done; the same command goes on with it")
                raise


def _announcement(question: Question, plan: Plan, left: Sequence[PlannedRun], places: Places) -> str:
    arms = len({run.arm for run in plan.runs})
    seeds, folds = len({run.seed for run in plan.runs}), len({run.fold for run in plan.runs} - {None})
    units = f"{folds} folds" if folds and seeds == 1 else f"{seeds} seeds{f' on {folds} folds' if folds else ''}"
    condition = question.condition
    levels = f", {len(condition.levels)} levels of {condition.name}" if condition and len(condition.levels) > 1 else ""
    before = f", {len(plan.runs) - len(left)} of them done before" if len(left) < len(plan.runs) else ""
    lines = [f"{arms} arms, {units}{levels}: {len(plan.runs)} runs{before}, in {places.folder}"]
    return "\n".join([*lines, *(f"left out: {name}: {why}" for name, why in plan.left_out.items())])


def _name(failed: Mapping[PlannedRun, str], places: Places) -> None:
    for number, (run, why) in enumerate(failed.items()):
        if number == SHOWN:
            say(f"and {len(failed) - SHOWN} more")
            break
        say(f"failed: {places.of(run).path}: {why}")
    if failed:
        say("the others were compared; the same command tries them again")
