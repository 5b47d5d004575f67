"""Trials as runs of a job pool: the next starts as soon as one ends, and a hopeless one is stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from smoothlab.errors import UserMistake
from smoothlab.rundir.directory import DONE, FAILED, PRUNED, RunDirectory
from smoothlab.sweeps.launcher import Planned, keep_hydra
from smoothlab.sweeps.ledger import Entry, Ledger
from smoothlab.sweeps.pool import Job, JobPool
from smoothlab.sweeps.search import loop
from smoothlab.sweeps.search.loop import Ended
from smoothlab.sweeps.search.study import Objective, Trial
from smoothlab.sweeps.search.values import objective_values
from smoothlab.training.trial import TrialFiles


class PoolRunner:
    """Run each trial in a process of its own.

    Two trials with the same values are one run: the second takes the first one's result, also while that still runs.

    Args:
        pool: runs the processes.
        ledger: names the run directories, and is written.
        objectives: what a run is judged by.
        compose: from a trial's overrides to its config.
        place: from a trial's config to its entry in the ledger.
        pruning: let the runs report each epoch.
    """

    def __init__(
        self,
        pool: JobPool,
        ledger: Ledger,
        objectives: Sequence[Objective],
        *,
        compose: Callable[[Sequence[str]], Planned],
        place: Callable[[Planned], Entry],
        pruning: bool,
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._objectives = objectives
        self._compose = compose
        self._place = place
        self._pruning = pruning
        self._runs: dict[int, RunDirectory] = {}
        self._offsets: dict[int, int] = {}
        self._jobs: dict[Job, list[int]] = {}  # with the trials that wait for it
        self._ended: list[Ended] = []

    def room(self) -> bool:
        """See :class:`smoothlab.sweeps.search.loop.Runner`."""
        return self._pool.free > 0

    def start(self, trial: Trial) -> str:
        """See :class:`smoothlab.sweeps.search.loop.Runner`."""
        try:
            planned = self._compose(trial.overrides)
            entry = self._place(planned)
        except UserMistake as mistake:  # a pair of values that the check of single ones did not show
            self._ended.append(Ended(trial.number, loop.FAILED, reason=str(mistake)))
            return ""
        run = self._runs[trial.number] = self._ledger.run(entry)
        self._offsets[trial.number] = 0
        same = next((job for job in self._jobs if job.directory.path == run.path), None)
        if same is not None:
            self._jobs[same].append(trial.number)
        elif (state := _state(run)) in (DONE, PRUNED):
            self._ended.append(self._how(trial.number, state, run.read_status().get("reason", "")))
        else:
            self._ledger.write()
            if self._pruning:
                chosen = dict(one.split("=", 1) for one in trial.overrides)
                TrialFiles(run.path).begin(number=trial.number, monitor=self._objectives[0].name, overrides=chosen)
            keep_hydra(planned, run)
            job = self._pool.submit(planned.values, run.path, resume=run.last_checkpoint.is_file())
            self._jobs[job] = [trial.number]
        return run.path.name

    def wait(self, seconds: float | None) -> list[Ended]:
        """See :class:`smoothlab.sweeps.search.loop.Runner`."""
        if not self._ended:
            for job in self._pool.wait_any(seconds):
                for number in self._jobs.pop(job):
                    self._ended.append(self._how(number, job.state, job.error or ""))
        ended, self._ended = self._ended, []
        return ended

    def reports(self, number: int) -> Sequence[tuple[int, float]]:
        """See :class:`smoothlab.sweeps.search.loop.Runner`."""
        if number not in self._runs:
            return []
        found, self._offsets[number] = TrialFiles(self._runs[number].path).read_reports(self._offsets[number])
        return found

    def stop(self, number: int, reason: str) -> None:
        """See :class:`smoothlab.sweeps.search.loop.Runner`."""
        TrialFiles(self._runs[number].path).ask_to_stop(reason)

    def _how(self, number: int, state: str, error: str) -> Ended:
        if state == DONE:
            try:
                return Ended(number, loop.DONE, objective_values(self._runs[number], self._objectives))
            except (OSError, ValueError, KeyError) as problem:
                return Ended(number, loop.FAILED, reason=f"results.json: {problem}")
        known = {PRUNED: loop.PRUNED, FAILED: loop.FAILED}
        return Ended(number, known.get(state, loop.INTERRUPTED), reason=error)


def _state(run: RunDirectory) -> str:
    try:
        return str(run.read_status().get("state", ""))
    except UserMistake:
        return ""  # damaged: run it again
