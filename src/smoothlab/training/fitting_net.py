"""Fit a net with Lightning's Trainer, from the beginning or from where a run was stopped."""

from __future__ import annotations

import contextlib
import signal
import threading
import warnings
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.profilers import Profiler

from smoothlab.config.build import build
from smoothlab.config.trainer_arguments import AT_STEP, PROFILERS
from smoothlab.learner import learners_in
from smoothlab.models.checkpoint import AtomicCheckpointIO, RunState
from smoothlab.rundir.directory import RunDirectory, StatusFile
from smoothlab.training.compiling import compile_in_place
from smoothlab.training.devices import Start, make_trainer
from smoothlab.training.hooks import skip_empty_step_hooks
from smoothlab.training.preparing import Prepared
from smoothlab.training.step_stop import StepStop, keep_handlers
from smoothlab.training.stopping import Stop
from smoothlab.training.trial import TrialReports


def profiler_of(prepared: Prepared, run: RunDirectory) -> Profiler | None:
    """The profiler of ``trainer.profiler``, which writes into the run directory: ``fit-profile.txt`` and its like."""
    node = prepared.config["trainer"].get("profiler")
    if node is None:
        return None
    target = {"_target_": PROFILERS[node]} if isinstance(node, str) else node
    named = {"filename": "profile", **target, "dirpath": str(run.path)}
    profiler: Profiler = build(named, "trainer.profiler", allowed=prepared.allowed)
    return profiler


def trainer_of(
    prepared: Prepared, callbacks: list[Callback], loggers: list[Any], profiler: Profiler | None = None
) -> Trainer:
    """The Trainer of a run's net, which stops as smoothlab does and writes checkpoints whole.

    Args:
        prepared: the run.
        callbacks: beside the config's.
        loggers: of the run; none on ranks that write nothing.
        profiler: of the training, or None.
    """
    callbacks = [*prepared.callbacks, *callbacks]
    skip_empty_step_hooks(callbacks, prepared.task)
    compile_in_place(prepared.task, prepared.config.get("compile", False))
    trainer = make_trainer(
        prepared.config,
        prepared.allowed,
        logger=loggers or False,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        profiler=profiler,
    )
    keep_handlers(trainer)
    return trainer


class StatusProgress(Callback):
    """Tell status.json how far the run is: epoch and step at each epoch's end, and whether batches go through."""

    def __init__(self, status: StatusFile) -> None:
        self._status = status

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let each heartbeat look at the batches of training and validation."""
        loop = trainer.fit_loop.epoch_loop
        counted = (loop.batch_progress, loop.val_loop.batch_progress)
        self._status.watch(lambda: [progress.total.ready for progress in counted])

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What comes after has no batches to count."""
        self._status.watch(None)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note epoch and step; the heartbeat writes them."""
        self._status.note(epoch=trainer.current_epoch, step=trainer.global_step)


def fit_net(trainer: Trainer, prepared: Prepared, start: Start, stop: Stop) -> None:
    """Train from where rank 0 says.

    Args:
        trainer: of :func:`trainer_of`.
        prepared: the run.
        start: what the ranks agreed on.
        stop: what receives signals.

    Lightning ignores Ctrl-C for good once it saw one, and turns it into SystemExit: put the handler back.
    """
    for callback in prepared.callbacks:
        if isinstance(callback, ModelCheckpoint):
            callback.dirpath = str(start.checkpoints)
    for learner in learners_in(prepared.task):
        learner.keep_in(start.state)
    if (reports := TrialReports.of(start.directory)) is not None:
        skip_empty_step_hooks([reports], prepared.task)
        trainer.callbacks.append(reports)  # type: ignore[attr-defined]
    if start.resumed and str(prepared.config["trainer"].get("precision")).startswith("64"):
        prepared.task.double()  # Lightning does so after it has put the checkpoint's weights into float32
    main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        with _stopped_as_wanted(trainer, prepared, start, stop), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="You're resuming from a checkpoint that ended before the epoch")
            trainer.fit(prepared.task, datamodule=prepared.data, ckpt_path=start.last)
    finally:
        if main_thread:
            signal.signal(signal.SIGINT, handler)


def _stopped_as_wanted(
    trainer: Trainer, prepared: Prepared, start: Start, stop: Stop
) -> contextlib.AbstractContextManager[None]:
    """Where a signal ends the training: at once, or after a step, as ``trainer.sigterm`` says."""
    if prepared.config["trainer"].get("sigterm", AT_STEP) != AT_STEP:
        return contextlib.nullcontext()
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    state = next(callback for callback in callbacks if isinstance(callback, RunState))
    last = RunDirectory(start.directory).last_checkpoint
    step_stop = StepStop(stop, state, last, several=trainer.world_size > 1)
    callbacks.append(step_stop)
    return stop.at_step_end(step_stop)
