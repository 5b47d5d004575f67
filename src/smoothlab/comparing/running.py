"""Run what is left of a comparison, so many runs at a time, with the progress of the whole."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from smoothlab.comparing.plan import Places, Plan, PlannedRun
from smoothlab.reports.rounding import duration
from smoothlab.rundir.directory import DONE
from smoothlab.sweeps.pool import Job, JobPool, Planned
from smoothlab.training.stacked.stackable import bundles
from smoothlab.training.stopping import stopped_by_signals

LINE_SECONDS = 5.0  # at most one line of progress in this time, but for failures


def run_all(plan: Plan, left: Sequence[PlannedRun], places: Places, pool: JobPool) -> dict[PlannedRun, str]:
    """Run what is left; a run that fails does not stop the others.

    Args:
        plan: with the configs of its runs.
        left: the runs that are not done, in the order in which they are to be started.
        places: where they stand; a run that was cut off is continued there.
        pool: runs them; it is closed at the end.

    Returns:
        Why runs failed.

    Raises:
        UserMistake: the runs ask for devices that are not there.
        KeyboardInterrupt: the user stopped it; every process has ended, and the same command goes on.
    """
    for run in left:
        pool.check(plan.values[run.identity])
    failed: dict[PlannedRun, str] = {}
    with stopped_by_signals(), Meter(len(left)) as meter, pool:
        planned: dict[Job, PlannedRun] = {}

        def submit(runs: Sequence[PlannedRun]) -> None:
            asked = [(Planned(plan.values[run.identity]), places.of(run).path) for run in runs]
            planned.update(zip(pool.submit_together(asked), runs, strict=True))

        teachers = {run.identity for run in left}
        waiting = [run for run in left if run.teacher in teachers]
        for runs in _together([run for run in left if run.teacher not in teachers], plan, pool.devices.n_jobs):
            submit(runs)
        while (ended := pool.wait_any(LINE_SECONDS)) or pool.running:
            for job in ended:
                name = job.directory.path.name
                if job.state == DONE:
                    meter.advance(f"{name} in {job.seconds:.1f} s")
                else:
                    failed[planned[job]] = job.error or job.state
                    meter.advance(f"{name}: {job.state}, {job.error or 'see its run.log'}", always=True)
                for student in [run for run in waiting if run.teacher == planned[job].identity]:
                    waiting.remove(student)
                    submit([student])  # of a teacher that failed too: it says so itself
            together = [job for job in pool.running if job.others]
            meter.look([(1 + len(job.others), job.share) for job in together])
    return failed


def _together(runs: Sequence[PlannedRun], plan: Plan, processes: int) -> list[list[PlannedRun]]:
    """Runs by the process that they share: first those whose nets train as one, then the others, each alone."""
    shared = bundles([plan.values[run.identity] for run in runs], processes)
    taken = {place for places in shared for place in places}
    alone = [[run] for place, run in enumerate(runs) if place not in taken]
    return [[runs[place] for place in places] for places in shared] + alone


class Meter:
    """How many runs are done, and how long the others will take: a bar on a terminal, lines elsewhere.

    Args:
        total: runs.
    """

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self._partly = 0.0  # runs' worth of what those that train together have done
        self._started = time.monotonic()
        self._last = float("-inf")
        self._bar: Progress | None = None

    def __enter__(self) -> Meter:
        self._started = time.monotonic()
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("runs"),
                MofNCompleteColumn(),
                BarColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=self.total, left="")
            self._bar.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def left(self) -> str:
        """How long it will still take, at the speed so far."""
        done = self.done + self._partly
        if not done:
            return ""
        seconds = (time.monotonic() - self._started) / done * (self.total - done)
        return f"{duration(seconds)} left"

    def look(self, together: Sequence[tuple[int, float]]) -> None:
        """Show how far nets are that train as one.

        Args:
            together: how many nets, and the share of their training that is done; of each process.
        """
        self._partly = sum(nets * share for nets, share in together)
        shown = ", ".join(f"{nets} nets as one, {share:.0%} of their epochs" for nets, share in together if share)
        if not shown:
            return
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done + self._partly, left=self.left)
        elif time.monotonic() - self._last >= LINE_SECONDS:
            self._last = time.monotonic()
            print(f"[{self.done}/{self.total}] {shown}; {self.left}", file=sys.stderr, flush=True)

    def advance(self, what: str, *, always: bool = False) -> None:
        """One more run has ended."""
        self.done += 1
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, left=self.left)
            if always:
                self._bar.console.print(what, markup=False, highlight=False)
            return
        due = time.monotonic() - self._last >= LINE_SECONDS or self.done == self.total
        if always or due:
            self._last = time.monotonic()
            print(f"[{self.done}/{self.total}] {what}; {self.left}", file=sys.stderr, flush=True)
