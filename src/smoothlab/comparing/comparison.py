"""A comparison from its question to its answer: plan, runs, choice, and what comes of them."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Mapping

from smoothlab.comparing.answering import write_answer
from smoothlab.comparing.plan import Places, Plan, PlannedRun
from smoothlab.comparing.question import Question
from smoothlab.comparing.repetition import Resolve
from smoothlab.comparing.training import train
from smoothlab.processes import ServerDied, call
from smoothlab.sweeps.board import Board
from smoothlab.sweeps.folder import say
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
    file = question.folder / "plans" / f"{question.signature}.json" if question.signature else None
    plan = Plan.read(file) if file else None
    places = Places(question.folder / "runs")
    failed: dict[PlannedRun, str] = {}
    if plan is not None and all(is_done(places.of(run)) for run in plan.runs):
        say(f"{len(plan.runs)} runs, all of them done before, in {places.folder}")
        out, err = _written(question, plan, places, failed)
    else:
        from smoothlab.processes import PRELOAD, WITHOUT_WANDB, WarmServer

        logged = any(word.startswith("logger") for word in question.typed)  # else metrics.csv is all that there is
        # imports what this process then need not: for the plan, the runs, the answer
        with Board("arm", "val NLL", answers=True) as board, WarmServer(PRELOAD if logged else WITHOUT_WANDB) as server:
            if question.judging.looks:
                from smoothlab.comparing.looking import by_looks

                plan, failed = by_looks(question, resolve, places, server, board)
                if file and not failed:
                    plan.write(file)
            else:
                plan, failed = train(question, resolve, places, server, board, file=file)
            board.phase("judging and drawing")
            try:
                out, err = call(server, _written, question, plan, places, failed)
            except ServerDied:
                out, err = _written(question, plan, places, failed)
    sys.stderr.write(err)
    sys.stdout.write(out)
    _name(failed, places)
    return 1 if failed else 0


def _written(question: Question, plan: Plan, places: Places, failed: Mapping[PlannedRun, str]) -> tuple[str, str]:
    """What ``write_answer`` prints to standard output and to standard error."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        write_answer(question, plan, places, failed)
    return out.getvalue(), err.getvalue()


def _name(failed: Mapping[PlannedRun, str], places: Places) -> None:
    for number, (run, why) in enumerate(failed.items()):
        if number == SHOWN:
            say(f"and {len(failed) - SHOWN} more")
            break
        say(f"failed: {places.of(run).path}: {why}")
    if failed:
        say("the others were compared; the same command tries them again")
