"""Runs that a launcher of Hydra's starts, such as submitit's on a cluster, with the API of a job pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from smoothlab.errors import UserMistake, reason_of
from smoothlab.rundir.atomic import write_json
from smoothlab.rundir.directory import DONE, FAILED, INTERRUPTED, RUNNING, now
from smoothlab.sweeps.folder import say
from smoothlab.sweeps.ledger import key_of
from smoothlab.sweeps.pool import Job, JobPool, Planned, Result


class LauncherPool:
    """Launch all jobs that wait as one batch, which takes as long as the slowest of them.

    Args:
        launcher: set up with the job that ``smoothlab.commands.train`` gives it.
    """

    def __init__(self, launcher: Any) -> None:
        self._launcher = launcher
        self._waiting: list[Job] = []

    def check(self, values: dict[str, Any]) -> None:
        """Nothing: which devices there are, the launcher knows."""

    def warm(self) -> None:
        """Nothing: the launcher starts what it needs."""

    def call(self, target: Callable[..., Result], *args: Any) -> Result:
        """What a function returns, in this process: a pool of processes may call it in another one."""
        return target(*args)

    def submit(self, planned: Planned, directory: Path | str) -> Job:
        """Have a run launched in its directory, with the next batch."""
        self._waiting.append(Job(planned, directory))
        return self._waiting[-1]

    def wait_any(self, timeout: float | None = None) -> list[Job]:
        """Launch what waits; returns all of it, when all has ended, however long that takes."""
        jobs, self._waiting = self._waiting, []
        if not jobs:
            return []
        try:
            endings = self._launcher.launch([job_words(job.planned.overrides, job.directory.path) for job in jobs], 0)
        except Exception as error:  # a job that was killed; what the others say stands in their directories
            say(f"{type(self._launcher).__name__}: {reason_of(error)}")
        else:
            for job, ending in zip(jobs, endings, strict=True):
                try:
                    _ = ending.return_value
                except Exception as error:
                    if not job.directory.status.is_file():  # it ended before it could say so itself
                        write_json(
                            job.directory.status, {"state": FAILED, "error": reason_of(error), "heartbeat": now()}
                        )
        for job in jobs:
            _settle(job)
        return jobs

    def ended(self) -> Iterator[Job]:
        """None of the jobs, once all have ended: there was nothing to see of a single one."""
        self.wait_any()
        return iter(())

    def __enter__(self) -> LauncherPool:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Nothing is left: ``wait_any`` waits for all."""


Pool = JobPool | LauncherPool


def job_words(overrides: Sequence[str], directory: Path) -> list[str]:
    """A job's overrides for a launcher of Hydra's, which has those of Hydra's node already, with its directory."""
    from smoothlab.config.compose import quoted

    own = [override for override in overrides if key_of(override).split(".")[0] != "hydra"]
    return [*own, f"hydra.sweep.dir={quoted(directory.parent)}", f"hydra.sweep.subdir={quoted(directory.name)}"]


def _settle(job: Job) -> None:
    """Note how a job ended, as its directory says it."""
    try:
        status = job.directory.read_status()
    except UserMistake as mistake:
        job.state, job.error = FAILED, str(mistake)
        return
    state = status.get("state", "not there")
    if state == DONE:
        job.state = DONE
    elif state in (INTERRUPTED, RUNNING):
        job.state = INTERRUPTED
    else:
        job.state, job.error = FAILED, str(status.get("error") or f"the run is {state}")
