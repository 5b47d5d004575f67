"""The loop of a search: as soon as one trial ends the next is asked for, and hopeless ones are given up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from smoothlab.sweeps.search.study import DONE, FAILED, PRUNED, Study, Trial

INTERRUPTED = "interrupted"
POLL_SECONDS = 0.1  # between two looks at what the running trials have reported


@dataclass(frozen=True)
class Ended:
    """How a trial's run ended.

    Args:
        number: the trial's.
        state: ``done``, ``failed``, ``pruned`` or ``interrupted``.
        values: of a run that is done, by objective; None where it has none.
        reason: of a run that is not done.
    """

    number: int
    state: str
    values: tuple[float | None, ...] = ()
    reason: str = ""


class Runner(Protocol):
    """What runs the trials, several at a time."""

    def room(self) -> bool:
        """Whether one more trial can start."""

    def start(self, trial: Trial) -> str:
        """Start a trial, or go on with it where its run directory is there; returns that directory's name."""

    def wait(self, seconds: float | None) -> list[Ended]:
        """Wait until a trial has ended, or ``seconds`` are over; returns those that have ended since."""

    def reports(self, number: int) -> Sequence[tuple[int, float]]:
        """Epochs (from 1) and objectives that a trial has reported since the last call, also when it just ended."""

    def stop(self, number: int, reason: str) -> None:
        """Ask a running trial to end itself as pruned."""


def run_trials(
    study: Study,
    runner: Runner,
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
        while runner.room():
            trial = waiting.pop(0) if waiting else study.ask()
            if trial is None:
                break
            study.placed(trial.number, runner.start(trial))
            running.add(trial.number)
        if not running:
            return whole
        endings = runner.wait(POLL_SECONDS if pruning else None)
        over = {one.number for one in endings}
        for number in sorted(running) if pruning else ():
            _look_at(study, runner, number, over=number in over)
        for one in endings:
            running.discard(one.number)
            if one.state == INTERRUPTED:
                whole = False
                study.let_go(one.number)
            else:
                ended(_tell(study, one))


def _look_at(study: Study, runner: Runner, number: int, *, over: bool) -> None:
    """Tell the study what a trial has reported; one that is over is not stopped, but others are measured by it."""
    for step, value in runner.reports(number):
        if study.report(number, step, value) and not over:
            runner.stop(number, f"no hope after epoch {step}: {value:.6g}")
            return


def _tell(study: Study, one: Ended) -> Trial:
    if one.state == DONE:
        return study.tell(one.number, one.values)
    if one.state == PRUNED:
        return study.prune(one.number, one.reason)
    assert one.state == FAILED, one.state
    return study.fail(one.number, one.reason or "no reason given")
