"""Several runs in one process: as stacks of nets where they stack, one after the other where they do not."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smoothlab.config.opening import open_data
from smoothlab.data.module import DataModule
from smoothlab.errors import RunFailed, UserMistake, reason_of
from smoothlab.models.checkpoint import AtomicCheckpointIO
from smoothlab.rundir.atomic import make_folders, names_wait_together, remove_leftovers
from smoothlab.rundir.directory import DONE, FAILED, HEARTBEAT_SECONDS, INTERRUPTED, RunDirectory, StatusFile
from smoothlab.rundir.identity import in_order
from smoothlab.rundir.provenance import code_state
from smoothlab.tasks.task import Task
from smoothlab.tracking.console import run_log
from smoothlab.tracking.sink import finish
from smoothlab.training.job import run_job
from smoothlab.training.preparing import Prepared, prepare, prepare_like
from smoothlab.training.stacked.loop import Stack, loads_from_memory
from smoothlab.training.stacked.member import Member
from smoothlab.training.stacked.nets import can_stack, same_architecture
from smoothlab.training.stacked.stackable import BATCHED, SINGLE
from smoothlab.training.stopping import stopped_by_signals
from smoothlab.training.threads import WORTH_SHARING, cpu_threads
from smoothlab.training.train import NOTHING, Fitted, begin_run, finish_run

log = logging.getLogger("smoothlab")
TRIED_ROWS = 8
PROGRESS_SECONDS = 3.0  # after so many a status.json says how far a stack is


def run_stacked(jobs: Sequence[tuple[dict[str, Any], str]]) -> None:
    """Train runs side by side; each one's status.json says how it ended, whatever happened.

    Args:
        jobs: resolved configs and run directories, which are made where they are not there.

    Raises:
        RunFailed: a run failed; the others did not mind.
        KeyboardInterrupt: the runs were stopped, by Ctrl-C or SIGTERM.
    """
    stacked = StackedRuns(jobs)
    with stopped_by_signals():
        stacked.train()
    for values, directory in stacked.alone:
        single = {**values, "engine": SINGLE} if values.get("engine") != BATCHED else values
        with contextlib.suppress(RunFailed):  # its status.json says so
            run_job(single, directory, data=partial(stacked.data_of, single))
    failed = [directory for _, directory in jobs if RunDirectory(directory).read_status().get("state") != DONE]
    if failed:
        raise RunFailed(f"{len(failed)} of {len(jobs)} runs failed ({failed[0]})")


class StackedRuns:
    """Runs of one process, and what becomes of them.

    Args:
        jobs: resolved configs and run directories.

    Attributes:
        alone: those that have to be trained by themselves.
    """

    def __init__(self, jobs: Sequence[tuple[dict[str, Any], str]]) -> None:
        self.jobs = list(jobs)
        self.alone: list[tuple[dict[str, Any], str]] = []
        self._data: dict[str, DataModule] = {}
        self._rehearsed: set[str] = set()
        self._open: dict[str, StatusFile] = {}  # of runs that are not over, by directory
        self._started = self._written = time.monotonic()

    def train(self) -> None:
        """Train those that stack, and note which do not."""
        with contextlib.ExitStack() as held:
            try:
                with names_wait_together():
                    members = self._members(held)
                stacks = self._stacks(members)
                with self._heartbeat():
                    for members in stacks:
                        self._train(members)
            except BaseException:
                for status in self._open.values():
                    with contextlib.suppress(OSError):
                        status.update(state=INTERRUPTED)
                raise

    # What stacks ------------------------------------------------------------------------------------------------------

    def _members(self, held: contextlib.ExitStack) -> list[Member]:
        members = []
        for values, directory in self.jobs:
            run = RunDirectory(Path(directory))
            make_folders(run.path)
            if values.get("model"):
                self.alone.append((values, directory))
                continue
            member = None
            try:
                member = self._member(values, run)
            except Exception:  # trained alone it says what is wrong
                log.debug("%s does not stack", directory, exc_info=True)
            if member is None:
                self.alone.append((values, directory))
                continue
            held.enter_context(run.held())
            remove_leftovers(run.path)
            status = StatusFile(run, member.prepared.identity)
            status.watch(partial(_step_of, member))
            status.update()
            self._open[str(run.path)] = status
            members.append(member)
        return members

    def _member(self, values: dict[str, Any], run: RunDirectory) -> Member | None:
        prepared = self._prepared(values)
        random = torch.get_rng_state()
        member = Member(prepared, run, len(prepared.data.train_dataloader()), random)
        return member if _stacks(member) else None

    def _prepared(self, values: dict[str, Any]) -> Prepared:
        """The run's parts; what many runs have alike is checked once."""
        data = self._data_of(values)
        alike = {name: values[name] for name in ("net", "task", "trainer", "callbacks", "scheduler", "logger")}
        kind = json.dumps(in_order([alike, sorted(values["penalty"])]))
        if kind in self._rehearsed:
            return prepare_like(values, data)
        prepared = prepare(values, data)
        self._rehearsed.add(kind)
        return prepared

    def data_of(self, values: dict[str, Any]) -> DataModule | None:
        """A run's data, read once for all runs of this process; None where a model says how they are read."""
        return None if values.get("init") is not None else self._data_of(values)

    def _data_of(self, values: dict[str, Any]) -> DataModule:
        node = {name: value for name, value in values["data"].items() if name != "shuffle_seed"}
        key = json.dumps(in_order(node))
        if key not in self._data:
            self._data[key] = open_data(values)
        data = copy.copy(self._data[key])
        data.shuffle_seed = values["data"].get("shuffle_seed", data.shuffle_seed)
        return data

    def _stacks(self, members: Sequence[Member]) -> list[list[Member]]:
        """Those that train as one, by what only their objects tell."""
        kinds: dict[str, list[Member]] = {}
        for member in members:
            kind = f"{same_architecture(member.task.net)}\n{member.batches}"
            kinds.setdefault(kind, []).append(member)
        stacks = []
        for alike in kinds.values():
            net, features = alike[0].task.net, alike[0].prepared.data.first(TRIED_ROWS).features
            if can_stack(net, features.to(next(net.parameters()).dtype)):
                stacks.append(alike)
            else:
                for member in alike:
                    self._give_back(member)
        return stacks

    def _give_back(self, member: Member) -> None:
        self._open.pop(str(member.run.path))
        self.alone.append((member.prepared.config, str(member.run.path)))

    @cached_property
    def _code(self) -> dict[str, Any]:
        """The state of the repository, which all runs of the stack share."""
        return code_state()

    # Training ---------------------------------------------------------------------------------------------------------

    def _train(self, members: list[Member]) -> None:
        config, task = members[0].prepared.config, members[0].task
        with cpu_threads(config["threads"], task, members[0].prepared.data.batch_size):
            torch.manual_seed(config["seed"])  # of dropout, which all nets of the stack draw together
            try:
                Stack(members, self._end).train(self._note)
            except Exception:
                log.exception("a stack of %d nets failed; they train one by one", len(members))
                for member in members:
                    if str(member.run.path) in self._open:
                        self._give_back(member)

    def _note(self, stack: Stack) -> None:
        for member in stack.members:
            self._open[str(member.run.path)].note(epoch=member.trainer.current_epoch, step=member.trainer.global_step)
        if stack.members and time.monotonic() - self._written >= PROGRESS_SECONDS:  # one tells of all
            self._written = time.monotonic()
            self._open[str(stack.members[0].run.path)].update()

    def _end(self, member: Member, last: dict[str, Tensor], best: dict[str, Tensor], optimizer: dict[str, Any]) -> None:
        """Write what a run leaves that has ended."""
        if member.error is not None:
            self._give_back(member)
            return
        status = self._open[str(member.run.path)]
        try:
            with run_log(member.run.log):
                try:
                    with names_wait_together():
                        self._finish(member, last, best, optimizer)
                except Exception as error:
                    status.update(state=FAILED, error=reason_of(error))
                    log.error(
                        "run failed: %s", reason_of(error), exc_info=None if isinstance(error, UserMistake) else error
                    )
                else:
                    status.update(state=DONE)
        finally:
            self._open.pop(str(member.run.path), None)

    def _finish(
        self, member: Member, last: dict[str, Tensor], best: dict[str, Tensor], optimizer: dict[str, Any]
    ) -> None:
        loggers: list[Any] = []
        failed = True
        try:
            prepared, run = member.prepared, member.run
            begin_run(prepared, run, loggers, None, NOTHING)
            for logger in loggers:
                _log(logger, member.rows.rows)
            save = AtomicCheckpointIO().save_checkpoint
            save(member.checkpoint(last, best=False, optimizer=optimizer), run.last_checkpoint)
            content = member.checkpoint(best, best=True)
            save(content, run.best_checkpoint)
            member.tell_best()
            seconds = (time.monotonic() - self._started) / len(self.jobs)  # a run's share of those of the stack
            epochs, steps = member.trainer.current_epoch, member.trainer.global_step
            fitted = Fitted(Predictor(), seconds, epochs, steps, content, BATCHED, self._code)
            finish_run(prepared, run, loggers, fitted, time.monotonic() - seconds)
            failed = False
        finally:
            finish(loggers, failed=failed)

    @contextlib.contextmanager
    def _heartbeat(self) -> Iterator[None]:
        """Keep the runs' status.json true while they train."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(HEARTBEAT_SECONDS):
                for status in list(self._open.values()):
                    with contextlib.suppress(OSError):
                        status.update()

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


class Predictor:
    """What a Trainer does to predict, on this process's CPU."""

    def predict(self, task: Task, dataloaders: Any) -> list[Mapping[str, Any]]:
        """What ``predict_step`` gives of each batch."""
        task.eval()
        dtype: Any = next(task.net.parameters()).dtype
        with torch.inference_mode():
            return [
                task.predict_step(_cast(batch.ready("cpu", dtype), dtype), n) for n, batch in enumerate(dataloaders)
            ]


def _cast(batch: Any, dtype: torch.dtype) -> Any:
    if batch.features.is_floating_point() and batch.features.dtype != dtype:
        batch = copy.copy(batch)
        batch.features = batch.features.to(dtype)
    return batch


def _stacks(member: Member) -> bool:
    """Whether a run's objects let it train in a stack."""
    prepared, task = member.prepared, member.task
    small = sum(each.numel() for each in task.net.parameters()) * prepared.data.batch_size < WORTH_SHARING
    own = {id(parameter) for parameter in task.net.parameters()}
    learned = all(id(parameter) in own for parameter in task.parameters())
    needs = all(parameter.requires_grad for parameter in task.net.parameters())
    free = not member.run.last_checkpoint.is_file() and not prepared.rival and prepared.ranks == 1
    return small and learned and needs and free and loads_from_memory(member)


def _log(logger: Any, rows: Sequence[tuple[dict[str, float], int]]) -> None:
    """Log the rows of a training that is over."""
    if hasattr(logger, "log_rows"):
        logger.log_rows(rows)
    else:
        for row, step in rows:
            logger.log_metrics(row, step=step)


def _step_of(member: Member) -> int:
    return int(member.trainer.global_step)
