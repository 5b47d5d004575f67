"""Run what is left of a comparison, so many runs at a time, with the progress of the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from smoothlab.comparing.choosing import val_nll
from smoothlab.comparing.plan import Places, Plan, PlannedRun
from smoothlab.rundir.directory import DONE
from smoothlab.sweeps.board import Board
from smoothlab.sweeps.pool import Job, JobPool, Planned
from smoothlab.training.stacked.stackable import bundles
from smoothlab.training.stopping import stopped_by_signals


def run_all(
    plan: Plan, left: Sequence[PlannedRun], places: Places, pool: JobPool, board: Board
) -> dict[PlannedRun, str]:
    """Run what is left; a run that fails does not stop the others.

    Args:
        plan: with the configs of its runs.
        left: the runs that are not done, in the order in which they are to be started.
        places: where they stand; a run that was cut off is continued there.
        pool: runs them; it is closed at the end.
        board: shows how far they are.

    Returns:
        Why runs failed.

    Raises:
        UserMistake: the runs ask for devices that are not there.
        KeyboardInterrupt: the user stopped it; every process has ended, and the same command goes on.
    """
    for run in left:
        pool.check(plan.values[run.identity])
    failed: dict[PlannedRun, str] = {}
    board.expect(Counter(row_of(run) for run in left))
    with stopped_by_signals(), pool:
        planned: dict[Job, PlannedRun] = {}

        def submit(runs: Sequence[PlannedRun]) -> None:
            asked = [(Planned(plan.values[run.identity]), places.of(run).path) for run in runs]
            planned.update(zip(pool.submit_together(asked), runs, strict=True))

        teachers = {run.identity for run in left}
        waiting = [run for run in left if run.teacher in teachers]
        for runs in _together([run for run in left if run.teacher not in teachers], plan, pool.devices.n_jobs):
            submit(runs)
        while (ended := pool.wait_any(board.look_seconds)) or pool.running:
            for job in ended:
                name, row = job.directory.path.name, row_of(planned[job])
                if job.state == DONE:
                    board.advance(row, f"{name} in {job.seconds:.1f} s", val_nll(planned[job], places))
                else:
                    failed[planned[job]] = job.error or job.state
                    board.advance(row, f"{name}: {job.state}, {job.error or 'see its run.log'}", failed=True)
                for student in [run for run in waiting if run.teacher == planned[job].identity]:
                    waiting.remove(student)
                    submit([student])  # of a teacher that failed too: it says so itself
            shares = [((job, *job.others), job.share) for job in pool.running]
            board.look(
                [(row_of(planned[each]), share) for jobs, share in shares for each in jobs],
                [(len(jobs), share) for jobs, share in shares if len(jobs) > 1],
            )
    return failed


def row_of(run: PlannedRun) -> str:
    """The row that shows a run: its arm, at a level of the condition."""
    return run.arm if run.level is None else f"{run.arm}, {run.level}"


def _together(runs: Sequence[PlannedRun], plan: Plan, processes: int) -> list[list[PlannedRun]]:
    """Runs by the process that they share: first those whose nets train as one, then the others, each alone."""
    shared = bundles([plan.values[run.identity] for run in runs], processes)
    taken = {place for places in shared for place in places}
    alone = [[run] for place, run in enumerate(runs) if place not in taken]
    return [[runs[place] for place in places] for places in shared] + alone
