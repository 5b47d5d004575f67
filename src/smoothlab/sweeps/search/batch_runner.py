"""Trials as jobs of a launcher of Hydra's: a batch at a time, each as long as its slowest trial, and no pruning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from smoothlab.errors import UserMistake
from smoothlab.rundir.directory import DONE, INTERRUPTED, RUNNING, RunDirectory
from smoothlab.sweeps.launcher import Planned, Through
from smoothlab.sweeps.ledger import Entry, Ledger
from smoothlab.sweeps.search import loop
from smoothlab.sweeps.search.loop import Ended
from smoothlab.sweeps.search.study import Objective, Trial
from smoothlab.sweeps.search.values import objective_values


class BatchRunner:
    """Collect trials, and launch them when there are enough or no more.

    Two trials with the same values are one run.

    Args:
        launch: runs jobs in their directories, of ``through_launcher``.
        ledger: names the run directories, and is written.
        objectives: what a run is judged by.
        compose: from a trial's overrides to its config.
        place: from a trial's config to its entry in the ledger.
        size: trials a batch.
    """

    def __init__(
        self,
        launch: Through,
        ledger: Ledger,
        objectives: Sequence[Objective],
        *,
        compose: Callable[[Sequence[str]], Planned],
        place: Callable[[Planned], Entry],
        size: int,
    ) -> None:
        self._launch = launch
        self._ledger = ledger
        self._objectives = objectives
        self._compose = compose
        self._place = place
        self._size = size
        self._batch: dict[int, tuple[Planned, RunDirectory]] = {}
        self._ended: list[Ended] = []

    def room(self) -> bool:
        """See :class:`smoothlab.sweeps.search.loop.Runner`."""
        return len(self._batch) < self._size

    def start(self, trial: Trial) -> str:
        """See :class:`smoothlab.sweeps.search.loop.Runner`."""
        try:
            planned = self._compose(trial.overrides)
            run = self._ledger.run(self._place(planned))
        except UserMistake as mistake:  # a pair of values that the check of single ones did not show
            self._ended.append(Ended(trial.number, loop.FAILED, reason=str(mistake)))
            return ""
        self._batch[trial.number] = planned, run
        return run.path.name

    def wait(self, seconds: float | None) -> list[Ended]:
        """See :class:`smoothlab.sweeps.search.loop.Runner`."""
        batch, self._batch = self._batch, {}
        left = {run.path: (planned, run) for planned, run in batch.values() if _state(run) != DONE}
        if left:
            self._ledger.write()
            self._launch(list(left.values()))
        ended = [*self._ended, *(self._how(number, run) for number, (_, run) in batch.items())]
        self._ended = []
        return ended

    def reports(self, number: int) -> Sequence[tuple[int, float]]:
        """Nothing: see :class:`smoothlab.sweeps.search.loop.Runner`."""
        return []

    def stop(self, number: int, reason: str) -> None:
        """Nothing stops a job of another launcher."""

    def _how(self, number: int, run: RunDirectory) -> Ended:
        try:
            status = run.read_status()
            if status.get("state") == DONE:
                return Ended(number, loop.DONE, objective_values(run, self._objectives))
            if status.get("state") in (INTERRUPTED, RUNNING):
                return Ended(number, loop.INTERRUPTED)
            reason = str(status.get("error") or f"the run is {status.get('state', 'not there')}")
        except (OSError, ValueError, KeyError, UserMistake) as problem:
            reason = str(problem)
        return Ended(number, loop.FAILED, reason=reason)


def _state(run: RunDirectory) -> str:
    try:
        return str(run.read_status().get("state", ""))
    except UserMistake:
        return ""  # damaged: run it again
