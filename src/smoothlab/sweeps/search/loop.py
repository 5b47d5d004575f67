"""The loop of a search: as soon as one trial ends the next is asked for, and hopeless ones are given up."""

from __future__ import annotations

import time
from collections.abc import Callable

from smoothlab.sweeps.search.pool_runner import PoolRunner
from smoothlab.sweeps.search.study import DONE, FAILED, INTERRUPTED, PRUNED, Ended, Study, Trial

POLL_SECONDS = 0.1  # between two looks at what the running trials have reported


def run_trials(
    study: Study,
    runner: PoolRunner,
    *,
    pruning: bool = False,
    retry_failed: bool = False,
    ended: Callable[[Trial], None] = lambda trial: None,
) -> bool:
    """Run trials until the study has as many as it wants.

    Args:
        study: whose trials run.
        runner: runs them.
        pruning: look at what running trials report.
        retry_failed: try the failed trials of former starts again.
        ended: called with each trial that has ended.

    Returns:
        Whether every trial has ended; False where some were interrupted, which the next start goes on with.
    """
    waiting = study.unfinished()
    if retry_failed:
        study.retry_failed()
    running: set[int] = set()
    whole = True
    while True:
        study.keep_alive()
        while runner.room():
            trial = waiting.pop(0) if waiting else study.ask()
            if trial is None:
                break
            study.placed(trial.number, runner.start(trial))
            running.add(trial.number)
        if not running:
            if not study.waits():
                return whole
            time.sleep(study.look_seconds or POLL_SECONDS)
            continue
        endings = runner.wait(POLL_SECONDS if pruning else study.look_seconds)
        over = {ending.number for ending in endings}
        for number in sorted(running) if pruning else ():
            _look_at(study, runner, number, over=number in over)
        for ending in endings:
            running.discard(ending.number)
            if ending.state == INTERRUPTED:
                whole &= study.let_go(ending.number)
            else:
                ended(_tell(study, ending))


def _look_at(study: Study, runner: PoolRunner, number: int, *, over: bool) -> None:
    """Tell the study what a trial has reported; one that is over is not stopped, but others are measured by it."""
    for step, value in runner.reports(number):
        if study.report(number, step, value) and not over:
            runner.stop(number, f"no hope after epoch {step}: {value:.6g}")
            return


def _tell(study: Study, ending: Ended) -> Trial:
    if ending.state == DONE:
        return study.tell(ending.number, ending.values)
    if ending.state == PRUNED:
        return study.prune(ending.number, ending.reason)
    assert ending.state == FAILED, ending.state
    return study.fail(ending.number, ending.reason or "no reason given")
