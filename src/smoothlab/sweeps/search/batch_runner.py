"""Trials as jobs of a launcher of Hydra's: a batch at a time, each as long as its slowest trial, and no pruning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from smoothlab.errors import UserMistake
from smoothlab.runs.directory import DONE, RunDirectory
from smoothlab.sweeps.search import loop
from smoothlab.sweeps.search.loop import Ended
from smoothlab.sweeps.search.study import Objective, Trial
from smoothlab.sweeps.search.values import objective_values


class BatchRunner:
    """Collect trials, and launch them when there are enough or no more.

    Args:
        launch: Hydra's ``Launcher.launch``: overrides of some jobs and the number of the first.
        directory: from a trial's number to its run directory.
        objectives: what a run is judged by.
        size: trials a batch.
    """

    def __init__(
        self,
        launch: Callable[[Sequence[Sequence[str]], int], Sequence[Any]],
        directory: Callable[[int], Path],
        objectives: Sequence[Objective],
        *,
        size: int,
    ) -> None:
        self._launch = launch
        self._directory = directory
        self._objectives = objectives
        self._size = size
        self._batch: list[Trial] = []

    def room(self) -> bool:
        """See :class:`smoothlab.sweeps.search.loop.Runner`."""
        return len(self._batch) < self._size

    def start(self, trial: Trial) -> str:
        """See :class:`smoothlab.sweeps.search.loop.Runner`."""
        self._batch.append(trial)
        return self._directory(trial.number).name

    def wait(self, seconds: float | None) -> list[Ended]:
        """See :class:`smoothlab.sweeps.search.loop.Runner`."""
        batch, self._batch = sorted(self._batch, key=lambda one: one.number), []
        ended: list[Ended] = []
        while batch:
            count = 1  # jobs of one launch are numbered one after another
            while count < len(batch) and batch[count].number == batch[0].number + count:
                count += 1
            part, batch = batch[:count], batch[count:]
            left = [one for one in part if _state(self._directory(one.number)) != DONE]
            if left == part:
                self._launch([list(one.overrides) for one in part], part[0].number)
            else:
                for one in left:
                    self._launch([list(one.overrides)], one.number)
            ended += [self._how(one.number) for one in part]
        return ended

    def reports(self, number: int) -> Sequence[tuple[int, float]]:
        """Nothing: see :class:`smoothlab.sweeps.search.loop.Runner`."""
        return []

    def stop(self, number: int, reason: str) -> None:
        """Nothing stops a job of another launcher."""

    def _how(self, number: int) -> Ended:
        run = RunDirectory(self._directory(number))
        try:
            status = run.read_status()
            if status.get("state") == DONE:
                return Ended(number, loop.DONE, objective_values(run, self._objectives))
            reason = str(status.get("error") or f"the run is {status.get('state', 'not there')}")
        except (OSError, ValueError, KeyError, UserMistake) as problem:
            reason = str(problem)
        return Ended(number, loop.FAILED, reason=reason)


def _state(path: Path) -> str:
    try:
        return str(RunDirectory(path).read_status().get("state", ""))
    except UserMistake:
        return ""
