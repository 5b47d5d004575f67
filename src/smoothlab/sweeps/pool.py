"""Runs in processes of their own, so many at a time: the loop of sweeps, searches and comparisons.

    with JobPool(n_jobs=2) as pool:
        job = pool.submit(planned, directory)   # returns at once; waits in the pool until a slot is free
        pool.submit_together(runs)              # likewise, several runs in one process, whose nets train as one
        for job in pool.ended():                # as they end, with those that are submitted meanwhile
            job.state, job.error, job.seconds, job.objective

The run writes status.json, results.json and its checkpoints into ``directory``, and goes on from the last of them;
whatever happens to its process, the pool leaves a status.json that says so. Ctrl-C in ``ended`` comes through as
KeyboardInterrupt; leaving the ``with`` block then ends every process.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf, open_dict

from smoothlab.errors import UserMistake
from smoothlab.processes import Child, Ending, ServerDied, WarmServer
from smoothlab.rundir.atomic import make_folders, write_json
from smoothlab.rundir.directory import DONE, FAILED, INTERRUPTED, PRUNED, RunDirectory, now
from smoothlab.rundir.reading import MissingFile
from smoothlab.sweeps.devices import Devices, check_n_jobs
from smoothlab.sweeps.folder import say

WAITING, STARTED = "waiting", "started"
STOPPED = (130, 143)  # exit codes of a run that Ctrl-C or SIGTERM ended
GRACE_SECONDS = 15.0  # for a run to write its status after SIGTERM
OUTPUT = "output.log"  # a process's standard output and error; kept where the run is not done


@dataclass(frozen=True)
class Planned:
    """A run that is asked for.

    Args:
        values: the resolved config.
        overrides: as on the command line.
        compose: makes what ``values`` were resolved from, with Hydra's node; None where Hydra's files are not wanted.
    """

    values: dict[str, Any]
    overrides: tuple[str, ...] = ()
    compose: Callable[[], DictConfig] | None = None


Result = TypeVar("Result")


class Job:
    """One run of a pool.

    Args:
        planned: what runs.
        directory: the run directory; a last checkpoint in it is gone on from.
    """

    def __init__(self, planned: Planned, directory: Path | str) -> None:
        self.planned = planned
        self.directory = RunDirectory(Path(directory))
        self.others: list[Job] = []  # that share its process
        self.taken_up = False  # again, since the server died
        self.wait()
        self.error: str | None = None
        self.seconds = 0.0
        self._started = 0.0

    def wait(self) -> None:
        """Be ready to start, from the last checkpoint where there is one."""
        self.resume = self.directory.last_checkpoint.is_file()
        self.state = WAITING
        self.child: Child | None = None
        self.gpus: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Whether its directory has the results."""
        return self._status().get("state") == DONE and self.directory.results.is_file()

    @property
    def objective(self) -> float | None:
        """The value that the run is judged by; None where it has none."""
        try:
            value: float | None = self.directory.read_results()["objective"]["value"]
        except MissingFile:
            return None
        return value if self.state == DONE else None

    @property
    def share(self) -> float:
        """How much of its training is done, in [0, 1], as its status.json says; of several in one process, of one."""
        shares = []
        for job in (self, *self.others):
            epoch, epochs = job._status().get("epoch"), job.planned.values["trainer"].get("max_epochs")
            if isinstance(epoch, int) and isinstance(epochs, int) and epochs > 0:
                shares.append(min(1.0, epoch / epochs))
        return max(shares, default=0.0)

    def start(self, server: WarmServer, devices: Devices) -> None:
        """Start its process with its share of the threads and its GPUs."""
        make_folders(self.directory.path)
        environment = {"OMP_NUM_THREADS": str(devices.threads)}
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(self.gpus)
        target: Callable[..., None] = _run
        arguments: tuple[Any, ...] = (self.planned.values, str(self.directory.path), self.resume)
        if self.others:
            together = [job for job in (self, *self.others) if not job.done]
            target, arguments = _run_together, ([(job.planned.values, str(job.directory.path)) for job in together],)
        self.child = server.launch(
            target,
            arguments,
            env=environment,
            log=self.directory.path / OUTPUT,
            threads=devices.threads,
        )
        for job in (self, *self.others):
            job.state, job._started = STARTED, time.monotonic()

    def settle(self, ending: Ending, *, interrupted: bool = False) -> None:
        """Note how the process ended, also in status.json where the process itself could not."""
        self.seconds = time.monotonic() - self._started
        status = self._status()
        state = status.get("state")
        if self.done:  # also where its process was cut off after that
            self.state = DONE
            (self.directory.path / OUTPUT).unlink(missing_ok=True)  # run.log has it
            return
        if state == PRUNED:
            self.state, self.error = PRUNED, status.get("reason")
            return
        if state == FAILED:
            self.state, self.error = FAILED, status.get("error")
            return
        if interrupted or (state == INTERRUPTED and ending.code in STOPPED):
            self._record(status, state=INTERRUPTED)
        else:
            self._record(status, state=FAILED, error=ending.reason)

    def fail(self, reason: str) -> None:
        """Note that the run could not even be started."""
        self._record(self._status(), state=FAILED, error=reason)

    def _status(self) -> dict[str, Any]:
        try:
            return self.directory.read_status()
        except UserMistake:
            return {}  # damaged; it is written anew

    def _record(self, status: dict[str, Any], *, state: str, error: str | None = None) -> None:
        self.state, self.error = state, error
        fields = {**status, "state": state, "heartbeat": now()}
        fields.pop("error", None)
        if error is not None:
            fields["error"] = error
        try:
            with self.directory.held():
                write_json(self.directory.status, fields)
        except (OSError, UserMistake) as problem:  # a full or read-only disk, or another process's directory
            self.error = f"{error or state} (not recorded: {problem})"


def _run(values: dict[str, Any], directory: str, resume: bool) -> None:
    """In the new process, which has it imported; the owner's need not."""
    from smoothlab.training.job import run_job

    run_job(values, directory, resume=resume)


def _run_together(jobs: list[tuple[dict[str, Any], str]]) -> None:
    from smoothlab.training.stacked.job import run_stacked

    run_stacked(jobs)


class JobPool:
    """Run jobs, each in a fresh process, ``n_jobs`` at a time.

    Args:
        n_jobs: runs at a time, at least 1; ``auto`` is one a GPU where the runs use GPUs, else one a core.
        devices: what is shared out; None looks at this machine. Without a GPU in it nothing is said about GPUs.
        server: makes the processes; None starts one as soon as one is needed, or ``warm`` is called, which the pool
            closes at its end.
        wandb: whether runs log to Weights & Biases, whose package a server of the pool's own then imports too.

    Raises:
        UserMistake: ``n_jobs`` is none of these.
    """

    def __init__(
        self,
        n_jobs: int | str = 1,
        *,
        devices: Devices | None = None,
        server: WarmServer | None = None,
        wandb: bool = True,
    ) -> None:
        check_n_jobs(n_jobs)
        self._own = contextlib.ExitStack()
        self._made = server
        self._wandb = wandb
        self.devices = devices or Devices.of_this_machine(n_jobs)
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        self._ended: list[Job] = []

    @property
    def _server(self) -> WarmServer:
        from smoothlab.processes import PRELOAD, WITHOUT_WANDB, WarmServer

        if self._made is None:
            self._made = self._own.enter_context(WarmServer(PRELOAD if self._wandb else WITHOUT_WANDB))
        return self._made

    def warm(self) -> None:
        """Start the server, which imports what runs need while the caller goes on."""
        _ = self._server

    @property
    def running(self) -> Sequence[Job]:
        """The jobs whose processes run now."""
        return tuple(self._running)

    @property
    def free(self) -> int:
        """How many more jobs would start at once."""
        return max(0, self.devices.n_jobs - len(self._running) - len(self._waiting))

    def check(self, values: dict[str, Any]) -> None:
        """Refuse a config whose devices this machine does not have.

        Raises:
            UserMistake: it asks for more.
        """
        self.devices.check(values)

    def call(self, target: Callable[..., Result], *args: Any) -> Result:
        """What a function returns in a process of the server; see :func:`smoothlab.processes.call`."""
        from smoothlab.processes import call

        return call(self._server, target, *args)

    def submit(self, planned: Planned, directory: Path | str) -> Job:
        """Run a config in a directory, now or as soon as a slot and its GPUs are free."""
        return self.submit_together([(planned, directory)])[0]

    def submit_together(self, runs: Sequence[tuple[Planned, Path | str]]) -> list[Job]:
        """Run several configs in one process, which trains their nets as one where they stack.

        Args:
            runs: what runs, and in which directories; at least one.

        Returns:
            A job each; they end one by one.
        """
        jobs = [Job(planned, directory) for planned, directory in runs]
        for job in jobs:
            if job.planned.compose is not None:
                _keep_hydra(job.planned, job.planned.compose(), job.directory)
        jobs[0].others = jobs[1:]
        self._waiting.append(jobs[0])
        self._start_waiting()
        return jobs

    def ended(self) -> Iterator[Job]:
        """Each job as it ends, until none is left."""
        while ended := self.wait_any():
            yield from ended

    def wait_any(self, timeout: float | None = None) -> list[Job]:
        """The jobs that have ended since the last call; waits for one, for at most ``timeout`` seconds.

        Returns nothing where ``timeout`` passed, or no job is left.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            self._collect()
            self._start_waiting()
            if self._ended or not self._running:
                break
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                break
            # now and then, so that a signal is heard at once on every system
            self._server.wait_any([job.child for job in self._running if job.child], min(left or 1.0, 1.0))
        ended, self._ended = self._ended, []
        return ended

    def stop(self, job: Job) -> None:
        """End one job; it is interrupted and comes out of ``wait_any``."""
        if job in self._waiting:
            self._waiting.remove(job)
        elif job in self._running and job.child is not None:
            ending = job.child.terminate(GRACE_SECONDS)
            self._finish(job, ending, interrupted=True)

    def close(self) -> None:
        """End every job that runs, which is then interrupted, and forget those that wait."""
        try:
            self._collect()
            self._waiting.clear()
            _terminate([job.child for job in self._running if job.child])
            for job in list(self._running):
                assert job.child is not None
                ending = job.child.wait()
                assert ending is not None
                self._finish(job, ending, interrupted=True)
        finally:
            self._own.close()

    def __enter__(self) -> JobPool:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _start_waiting(self) -> None:
        while self._waiting and len(self._running) < self.devices.n_jobs:
            gpus = self.devices.take(self._waiting[0].planned.values)
            if gpus is None:
                return  # until another job gives some back
            job = self._waiting.popleft()
            job.gpus = gpus
            try:
                self._start(job)
            except (OSError, ServerDied) as error:
                self.devices.give_back(gpus)
                for each in (job, *job.others):
                    each.fail(str(error))
                    self._ended.append(each)
            else:
                self._running.append(job)

    def _start(self, job: Job) -> None:
        try:
            job.start(self._server, self.devices)
        except ServerDied:
            say("the warm server was killed (out of memory, or by hand); it is started again, and its runs go on")
            self._made = None
            job.start(self._server, self.devices)

    def _collect(self) -> None:
        for job in list(self._running):
            ending = job.child.poll() if job.child else None
            if ending is None:
                self._collect_others(job)
                continue
            if ending.orphaned and not job.taken_up and not all(each.done for each in (job, *job.others)):
                self._take_up(job)
            else:
                self._finish(job, ending)

    def _collect_others(self, job: Job) -> None:
        """Those that are done of several that share a process, which goes on."""
        for other in [other for other in job.others if other.done]:
            job.others.remove(other)
            other.settle(Ending(0))
            self._ended.append(other)

    def _take_up(self, job: Job) -> None:
        """Let a job go on whose process ended with the server, once: it may be what the memory is too small for."""
        self._running.remove(job)
        self.devices.give_back(job.gpus)
        job.taken_up = True
        job.wait()
        self._waiting.append(job)

    def _finish(self, job: Job, ending: Ending, *, interrupted: bool = False) -> None:
        self._running.remove(job)
        self.devices.give_back(job.gpus)
        for each in (job, *job.others):
            each.settle(ending, interrupted=interrupted)
            self._ended.append(each)
        job.others = []


def _keep_hydra(planned: Planned, config: DictConfig, run: RunDirectory) -> None:
    """What Hydra composed, where Hydra's own launchers put it."""
    folder = run.path / ".hydra"
    try:
        make_folders(folder)
        task = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        OmegaConf.save(task, folder / "config.yaml")
        with open_dict(config):
            OmegaConf.save(OmegaConf.create({"hydra": config.hydra}), folder / "hydra.yaml")
        OmegaConf.save(OmegaConf.create(list(planned.overrides)), folder / "overrides.yaml")
    except OSError as error:
        raise UserMistake(f"{run.path}: cannot be written ({error.strerror}); give output_root=...") from None


def _terminate(children: Sequence[Child]) -> None:
    """End all at once: their times of grace run side by side."""
    for child in children:
        child.signal(signal.SIGTERM)
    end = time.monotonic() + GRACE_SECONDS
    for child in children:
        if child.wait(max(0.0, end - time.monotonic())) is None:
            child.signal(signal.SIGKILL)
