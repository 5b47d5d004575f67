"""One training, from prepared objects to a finished run directory. Knows nothing of Hydra."""

from __future__ import annotations

import logging
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import torch
import yaml
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from smoothlab.errors import RunFailed, UserMistake
from smoothlab.learner import learners_in
from smoothlab.runs.atomic import write_json, write_text
from smoothlab.runs.build import build
from smoothlab.runs.checkpoint import AtomicCheckpointIO, RunState, read_checkpoint
from smoothlab.runs.directory import DONE, FAILED, INTERRUPTED, RunDirectory, StatusFile
from smoothlab.runs.hooks import skip_empty_step_hooks
from smoothlab.runs.outcome import write_outcome
from smoothlab.runs.preparing import Prepared, determinism_kept
from smoothlab.runs.provenance import provenance
from smoothlab.runs.scoring import details, score
from smoothlab.runs.threads import cpu_threads
from smoothlab.tasks import TrainingDiverged
from smoothlab.tracking.console import EpochProgress, results_table, run_log
from smoothlab.tracking.sink import finish

log = logging.getLogger("smoothlab")


def train(prepared: Prepared, run: RunDirectory, *, resume: bool = False) -> dict[str, Any]:
    """Train, score and leave a finished run directory.

    Args:
        prepared: from ``prepare``.
        run: the directory, which must exist.
        resume: continue from its last checkpoint, if it has one.

    Returns:
        The content of results.json.

    Raises:
        UserMistake: another process holds the directory, or the run in it is finished.
        RunFailed: training failed; status.json says why.
        KeyboardInterrupt: the user stopped the run; status.json says interrupted.
    """
    with run.held():
        if run.read_status().get("state") == DONE:
            raise UserMistake(f"{run.path}: this run is finished; a finished run is never overwritten")
        with run_log(run.log), StatusFile(run, prepared.identity) as status:
            loggers: list[Any] = []
            failed = True
            try:
                threads = cpu_threads(prepared.config["threads"], prepared.task, prepared.data.batch_size)
                with determinism_kept(), threads:
                    torch.use_deterministic_algorithms(bool(prepared.config["trainer"].get("deterministic")))
                    results = _train(prepared, run, status, loggers, resume)
                failed = False
            except (KeyboardInterrupt, SystemExit):
                status.update(state=INTERRUPTED)
                log.info("interrupted\nrun %s", run.path)
                raise KeyboardInterrupt from None
            except Exception as error:
                status.update(state=FAILED, error=_one_line(error))
                expected = isinstance(error, TrainingDiverged | UserMistake)
                log.error("run failed: %s\nrun %s", _one_line(error), run.path, exc_info=None if expected else error)
                raise RunFailed(f"{_one_line(error)} ({run.path})") from error
            finally:
                finish(loggers, failed=failed)
            status.update(state=DONE)
    return results


def _one_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _train(
    prepared: Prepared, run: RunDirectory, status: StatusFile, loggers: list[Any], resume: bool
) -> dict[str, Any]:
    started = time.monotonic()
    checkpoint = run.last_checkpoint if resume and run.last_checkpoint.is_file() else None
    step = int(read_checkpoint(checkpoint)["global_step"]) if checkpoint else 0
    write_text(run.config, yaml.safe_dump(prepared.config, sort_keys=False))
    log.info("run %s%s", run.path, f", resumed at step {step}" if checkpoint else "")
    for note in [] if checkpoint else getattr(prepared.data, "notes", []):
        log.info("data: %s", note)
    _make_loggers(prepared, run, loggers, step)
    trainer = _make_trainer(prepared, run, loggers, status)
    state = run.path / "state"  # of learners, as far as it is too large for a checkpoint
    for learner in learners_in(prepared.task):
        learner.keep_in(state)
    fit_started = time.monotonic()
    _fit(trainer, prepared, checkpoint)
    fit_seconds = time.monotonic() - fit_started

    best = run.best_checkpoint if run.best_checkpoint.is_file() else run.last_checkpoint
    weights = read_checkpoint(best)
    prepared.task.load_state_dict(weights["state_dict"])
    scores = score(prepared.task, prepared.data, trainer, ("val", "test"))
    about = {key: prepared.config[key] for key in ("name", "seed")}
    about |= {"identity": prepared.identity, "epoch": int(weights["epoch"])}
    write_outcome(scores, run, prepared.task, prepared.data, loggers, about=about)
    results = {
        "format": 1,
        "name": prepared.config["name"],
        "identity": prepared.identity,
        "seed": prepared.config["seed"],
        "objective": _objective(prepared.callbacks),
        "metrics": {split: one.metrics for split, one in scores.items()},
        "metrics_are": {split: one.precision for split, one in scores.items()},
        "uncertainty": {split: one.uncertainty() for split, one in scores.items()},
        **details(scores, prepared.task),
        "checkpoint": f"{best.parent.name}/{best.name}",
        "best_epoch": int(weights["epoch"]),
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        "seconds": {"fit": round(fit_seconds, 3), "total": round(time.monotonic() - started, 3)},
        **provenance(),
    }
    write_json(run.results, results)
    shutil.rmtree(state, ignore_errors=True)
    log.info("%s", results_table(results["metrics"], results["uncertainty"]["test"]["intervals"]))
    log.info(
        "best epoch %d of %d, fit %.1f s\nrun %s",
        weights["epoch"],
        trainer.current_epoch,
        fit_seconds,
        run.path,
    )
    return results


def _make_loggers(prepared: Prepared, run: RunDirectory, loggers: list[Any], resume_step: int) -> None:
    """Fill ``loggers`` one by one, so that those which started are closed when the next one fails."""
    for name, node in prepared.config["logger"].items():
        logger = build(
            node,
            f"logger.{name}",
            allowed=prepared.allowed,
            run_dir=run.path,
            resume_step=resume_step,
            config=prepared.config,
            identity=prepared.identity,
            name=run.path.name,
        )
        if logger is not None:
            loggers.append(logger)


def _make_trainer(prepared: Prepared, run: RunDirectory, loggers: list[Any], status: StatusFile) -> Trainer:
    for callback in prepared.callbacks:
        if isinstance(callback, ModelCheckpoint):
            callback.dirpath = str(run.checkpoints.resolve())
    callbacks = [
        *prepared.callbacks,
        RunState(prepared.config, prepared.identity),
        EpochProgress(prepared.config["progress"]),
        StatusProgress(status),
    ]
    skip_empty_step_hooks(callbacks, prepared.task)
    return build(
        prepared.config["trainer"],
        "trainer",
        allowed=prepared.allowed,
        logger=loggers or False,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        default_root_dir=str(run.path),
    )


class StatusProgress(Callback):
    """Tell status.json how far the run is, at each epoch's end."""

    def __init__(self, status: StatusFile) -> None:
        self._status = status

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note epoch and step; the heartbeat writes them."""
        self._status.note(epoch=trainer.current_epoch, step=trainer.global_step)


def _fit(trainer: Trainer, prepared: Prepared, checkpoint: Path | None) -> None:
    """Lightning ignores Ctrl-C for good once it saw one, and turns it into SystemExit: put the handler back."""
    main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(prepared.task, datamodule=prepared.data, ckpt_path=checkpoint)
    finally:
        if main_thread:
            signal.signal(signal.SIGINT, handler)


def _objective(callbacks: list[Callback]) -> dict[str, Any]:
    """Name and best value of what the checkpoint callback monitors; what a search minimises."""
    for callback in callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor and callback.best_model_score is not None:
            return {
                "name": callback.monitor,
                "mode": callback.mode,
                "value": float(callback.best_model_score),
            }
    return {"name": None, "mode": None, "value": None}
