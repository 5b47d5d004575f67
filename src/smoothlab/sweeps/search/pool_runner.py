"""Trials as runs of a pool: of this machine's processes, or of a launcher of Hydra's in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from smoothlab.errors import UserMistake
from smoothlab.rundir.directory import RunDirectory
from smoothlab.rundir.trial_files import TrialFiles
from smoothlab.sweeps.claims import Claims
from smoothlab.sweeps.launcher_pool import Pool
from smoothlab.sweeps.ledger import Entry, Ledger, state_of
from smoothlab.sweeps.pool import Job, JobPool, Planned
from smoothlab.sweeps.search.study import DONE, FAILED, INTERRUPTED, PRUNED, Ended, Objective, Trial
from smoothlab.sweeps.search.values import objective_values

ELSEWHERE_SECONDS = 0.1  # between two looks at a run that another command trains


class PoolRunner:
    """Run several trials at a time, each as a run of its own.

    Two trials with the same values are one run: the second takes the first one's result, also while that still runs.

    Args:
        pool: runs them.
        ledger: names the run directories.
        objectives: what a run is judged by.
        compose: from a trial's overrides to its config.
        place: from a trial's config to its entry in the ledger, which it writes.
        pruning: let the runs report each epoch.
        size: trials a batch, of a pool that is not of this machine's processes.
        claims: where other commands may work in the same directory: who has which run.
    """

    def __init__(
        self,
        pool: Pool,
        ledger: Ledger,
        objectives: Sequence[Objective],
        *,
        compose: Callable[[Sequence[str]], Planned],
        place: Callable[[Planned], Entry],
        pruning: bool,
        size: int,
        claims: Claims | None = None,
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._objectives = objectives
        self._compose = compose
        self._place = place
        self._pruning = pruning
        self._size = size
        self._claims = claims
        self._elsewhere: list[tuple[Trial, Planned]] = []  # whose run another command trains
        self._runs: dict[int, RunDirectory] = {}
        self._offsets: dict[int, int] = {}
        self._jobs: dict[Job, list[int]] = {}  # with the trials that wait for it
        self._ended: list[Ended] = []

    def room(self) -> bool:
        """Whether one more trial can start."""
        if isinstance(self._pool, JobPool):
            return self._pool.free > 0
        return len(self._ended) + sum(map(len, self._jobs.values())) < self._size

    def start(self, trial: Trial) -> str:
        """Start a trial, or go on with it where its run directory is there; returns that directory's name."""
        try:
            planned = self._compose(trial.overrides)
            entry = self._place(planned)
        except UserMistake as mistake:  # a pair of values that the check of single ones did not show
            self._ended.append(Ended(trial.number, FAILED, reason=str(mistake)))
            return ""
        run = self._runs[trial.number] = self._ledger.run(entry)
        self._offsets[trial.number] = 0
        self._begin(trial, planned, run)
        return run.path.name

    def wait(self, seconds: float | None) -> list[Ended]:
        """Wait until a trial has ended, or ``seconds`` are over; returns those that have ended since."""
        elsewhere, self._elsewhere = self._elsewhere, []
        for trial, planned in elsewhere:
            self._begin(trial, planned, self._runs[trial.number])
        if not self._jobs and self._elsewhere and not self._ended:
            time.sleep(seconds or ELSEWHERE_SECONDS)
        if not self._ended or not isinstance(self._pool, JobPool):
            for job in self._pool.wait_any(seconds):
                if self._claims is not None:
                    self._claims.give_back(job.directory.path.name)
                for number in self._jobs.pop(job):
                    self._ended.append(self._how(number, job.state, job.error or ""))
        ended, self._ended = self._ended, []
        return ended

    def reports(self, number: int) -> Sequence[tuple[int, float]]:
        """Epochs (from 1) and objectives that a trial has reported since the last call, also when it just ended."""
        if number not in self._runs:
            return []
        reports, self._offsets[number] = TrialFiles(self._runs[number].path).read_reports(self._offsets[number])
        return reports

    def stop(self, number: int, reason: str) -> None:
        """Ask a running trial to end itself as pruned."""
        TrialFiles(self._runs[number].path).ask_to_stop(reason)

    def _begin(self, trial: Trial, planned: Planned, run: RunDirectory) -> None:
        """Start a trial's run, wait for it where it runs already, or take what it ended with."""
        same = next((job for job in self._jobs if job.directory.path == run.path), None)
        if same is not None:
            self._jobs[same].append(trial.number)
        elif self._claims is not None and not self._claims.take(run.path.name):
            self._elsewhere.append((trial, planned))
        elif (state := state_of(run)) in (DONE, PRUNED):
            self._ended.append(self._how(trial.number, state, run.read_status().get("reason", "")))
            if self._claims is not None:
                self._claims.give_back(run.path.name)
        else:
            if self._pruning:
                chosen = dict(override.split("=", 1) for override in trial.overrides)
                TrialFiles(run.path).begin(number=trial.number, monitor=self._objectives[0].name, overrides=chosen)
            self._jobs[self._pool.submit(planned, run.path)] = [trial.number]

    def _how(self, number: int, state: str, error: str) -> Ended:
        if state == DONE:
            try:
                return Ended(number, DONE, objective_values(self._runs[number], self._objectives))
            except (OSError, ValueError, KeyError) as problem:
                return Ended(number, FAILED, reason=f"results.json: {problem}")
        return Ended(number, state if state in (PRUNED, FAILED) else INTERRUPTED, reason=error)
