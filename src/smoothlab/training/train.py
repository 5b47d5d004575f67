"""One training, from prepared objects to a finished run directory. Knows nothing of Hydra."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import ModelCheckpoint

from smoothlab.config.build import build
from smoothlab.data.module import KnownData
from smoothlab.data.parts.loading import AUTO
from smoothlab.errors import RunFailed, UserMistake
from smoothlab.models.checkpoint import (
    KEY,
    RunState,
    add_to_checkpoint,
    as_validated,
    load_weights,
    read_checkpoint,
    validated,
)
from smoothlab.reports.confidence import Confidence
from smoothlab.rivals import Rival
from smoothlab.rundir.atomic import make_folders, names_wait_together, remove_leftovers, write_json, write_text
from smoothlab.rundir.directory import DONE, FAILED, INTERRUPTED, PRUNED, RunDirectory, StatusFile
from smoothlab.rundir.provenance import peak_memory, provenance
from smoothlab.scoring.outcome import write_outcome
from smoothlab.scoring.splits import details, predicted, scored_afterwards
from smoothlab.smoothing import Auto
from smoothlab.starters import found_ranks
from smoothlab.tracking.console import EpochProgress, results_table, run_log
from smoothlab.tracking.sink import finish, log_config
from smoothlab.training.devices import Start, alone, leave, meet, on_cpu
from smoothlab.training.first_end import FirstEnd, RankEnd
from smoothlab.training.fitting_net import StatusProgress, fit_net, profiler_of, trainer_of
from smoothlab.training.fitting_rival import fit_rival
from smoothlab.training.meeting import lost_rank
from smoothlab.training.parts import Parts
from smoothlab.training.preparing import Prepared, determinism_kept
from smoothlab.training.stacked.stackable import SINGLE
from smoothlab.training.stopping import Stop, StuckWatch, stopped_by_signals
from smoothlab.training.threads import cpu_threads
from smoothlab.training.trial import TrialPruned
from smoothlab.yaml_limits import dump_yaml

TOO_GOOD_ROWS = 100  # of the test data, from which an accuracy of 1 is worth a word
log = logging.getLogger("smoothlab")
NOTHING: Mapping[str, Any] = {"global_step": 0, KEY: {}}  # of a checkpoint that is not there


def train(prepared: Prepared, run: RunDirectory, *, resume: bool = False) -> dict[str, Any]:
    """Train, score and leave a finished run directory.

    Args:
        prepared: from ``prepare``.
        run: the directory, which must exist.
        resume: continue from its last checkpoint, if it has one.

    Of several ranks this is rank 0, which writes, and :func:`follow` the others.

    Returns:
        The content of results.json; of a trial that its search gave up, which has none, the objective so far.

    Raises:
        UserMistake: another process holds the directory, or the run in it is finished.
        RunFailed: training failed; status.json says why.
        KeyboardInterrupt: the user stopped the run, or SIGTERM did (:class:`Terminated`); status.json says interrupted.
    """
    first_end = FirstEnd(run.first_end) if prepared.ranks > 1 else None
    with run.held():
        remove_leftovers(run.path)
        if run.read_status().get("state") == DONE:
            raise UserMistake(f"{run.path}: this run is finished; a finished run is never overwritten")
        with (
            run_log(run.log),
            stopped_by_signals(first_end) as stop,
            StatusFile(run, prepared.identity) as status,
        ):
            state = DONE
            watch = StuckWatch(stop, lambda _: _note(status, state=INTERRUPTED))
            try:
                with stop.heard(), watch.watching() if prepared.ranks > 1 else contextlib.nullcontext():
                    results = _train_and_log(prepared, run, status, stop, resume)
            except TrialPruned as pruned:
                state = PRUNED
                status.note(reason=str(pruned))
                log.info("pruned: %s\nrun %s", pruned, run.path)
                best = run.best_checkpoint
                results = {"objective": _objective(prepared.callbacks, read_checkpoint(best) if best.is_file() else {})}
            except BaseException as error:
                end = stop.end_of(error)
                if end.signal is not None:
                    raise _interrupted(run, status, end) from None
                raise _failed(run, status, end, error) from error
            status.update(state=state)
    return results


def follow(prepared: Prepared, run: RunDirectory | None = None) -> Path:
    """Train as one of the ranks that write nothing, beside rank 0.

    Args:
        prepared: from ``prepare``, of the same config as rank 0's.
        run: the run's directory where it is known already; else rank 0 says which.

    Returns:
        The run's directory.

    Raises:
        KeyboardInterrupt: the run was stopped, on whichever rank.
        Exception: whatever went wrong; the other ranks' connections end with this process.
    """
    launched = found_ranks(os.environ)
    first_end = None if run is None else FirstEnd(run.first_end)
    with run_log(None), stopped_by_signals(first_end, rank=launched.rank if launched else 0) as stop:
        try:
            threads = cpu_threads(prepared.config["threads"], prepared.task, prepared.data.batch_size)
            with stop.heard(), StuckWatch(stop).watching(), determinism_kept(), threads:
                torch.use_deterministic_algorithms(bool(prepared.config["trainer"].get("deterministic")))
                trainer = trainer_of(prepared, [RunState(prepared.config, prepared.identity)], [])
                with stop.held():  # until it is known where to leave word
                    start = meet(trainer, None, prepared.config["trainer"].get("timeout_s"))
                    stop.hosts = start.hosts
                    stop.first_end = FirstEnd(RunDirectory(start.directory).first_end)
                with stop.first_end.alive(stop.rank), contextlib.suppress(TrialPruned):  # rank 0 says so
                    fit_net(trainer, prepared, start, stop)
                    leave(trainer)
        except BaseException as error:
            end = stop.end_of(error)
            if end.signal is not None:
                raise end.as_interruption() from None
            if line := lost_rank(error, stop.hosts):
                log.error("run failed: %s", line)
                raise RunFailed(line) from error
            raise
    return start.directory


def _interrupted(run: RunDirectory, status: StatusFile, end: RankEnd) -> KeyboardInterrupt:
    _note(status, state=INTERRUPTED)
    what = "stopped by SIGTERM" if end.signal == signal.SIGTERM else "interrupted"
    log.info("%s%s\nrun %s", what, f", on rank {end.rank}" if end.rank else "", run.path)
    return end.as_interruption()


def _failed(run: RunDirectory, status: StatusFile, end: RankEnd, error: BaseException) -> RunFailed:
    _note(status, state=FAILED, error=end.error)
    log.error("run failed: %s\nrun %s%s", end.error, run.path, f"\n{end.trace}" if end.trace else "")
    return RunFailed(f"{end.error} ({run.path})")


def _note(status: StatusFile, **fields: Any) -> None:
    """Say how the run ended; where the disk refuses that too, a run whose process is gone counts as interrupted."""
    with contextlib.suppress(OSError):
        status.update(**fields)


def _train_and_log(
    prepared: Prepared, run: RunDirectory, status: StatusFile, stop: Stop, resume: bool
) -> dict[str, Any]:
    """Train with loggers that are closed whatever happens, and marked as failed where it did not go well."""
    loggers: list[Any] = []
    failed = True
    try:
        threads = cpu_threads(prepared.config["threads"], prepared.task, prepared.data.batch_size)
        with determinism_kept(), threads:
            torch.use_deterministic_algorithms(bool(prepared.config["trainer"].get("deterministic")))
            results = _train(prepared, run, status, loggers, stop, resume)
        failed = False
    except TrialPruned:
        failed = False
        raise
    finally:
        finish(loggers, failed=failed)
    return results


def _train(
    prepared: Prepared, run: RunDirectory, status: StatusFile, loggers: list[Any], stop: Stop, resume: bool
) -> dict[str, Any]:
    """Fit, score and write; ``loggers`` is filled on the way, so that the caller closes what has started."""
    started = time.monotonic()
    if prepared.rival:
        fitted = _fit_at_once(prepared, run, loggers, resume)
    else:
        fitted = _fit_and_part(prepared, run, status, loggers, stop, resume)
    return finish_run(prepared, run, loggers, fitted, started)


def finish_run(
    prepared: Prepared, run: RunDirectory, loggers: list[Any], fitted: Fitted, started: float
) -> dict[str, Any]:
    """Score a run that is fitted, write its results, and say what they are.

    Args:
        prepared: the run.
        run: its directory, with its checkpoints.
        loggers: of the run.
        fitted: how the training ended.
        started: by ``time.monotonic``, when it began.

    Returns:
        The content of results.json.
    """
    with names_wait_together():
        return _finished(prepared, run, loggers, fitted, started)


def _finished(
    prepared: Prepared, run: RunDirectory, loggers: list[Any], fitted: Fitted, started: float
) -> dict[str, Any]:
    best, scored = _score(prepared, run, loggers, fitted)
    callbacks = prepared.callbacks
    results = {
        "format": 1,
        "name": prepared.config["name"],
        "identity": prepared.identity,
        "seed": prepared.config["seed"],
        "objective": _objective_of(callbacks, scored) if prepared.rival else _objective(callbacks, best),
        **scored,
        "best_epoch": int(best["epoch"]),
        "epochs": fitted.epochs,
        "steps": fitted.steps,
        **({"batch_size": size} if (size := _batch_size_became(prepared)) else {}),
        **({} if fitted.engine is None else {"engine": fitted.engine}),
        "seconds": {"fit": round(fitted.seconds, 3), "total": round(time.monotonic() - started, 3)},
        "peak_memory_mib": round(peak_memory() / 2**20, 1),
        **provenance(fitted.code),
    }
    write_json(run.results, results)
    run.write_sums()
    shutil.rmtree(Start(run.path, False).state, ignore_errors=True)
    log.info("%s", results_table(results["metrics"], results["uncertainty"]["test"]["intervals"]))
    for line in (*_afterwards_lines(results), *_smoothing_lines(results)):
        log.info("%s", line)
    test_rows = prepared.data.count("test") if isinstance(prepared.data, KnownData) else 0
    if results["metrics"]["test"].get("accuracy") == 1.0 and test_rows >= TOO_GOOD_ROWS:
        log.warning(
            "every one of %d test rows is right: does a column say the label in other words? smoothlab data describe "
            "looks for such columns",
            test_rows,
        )
    round_name = "round" if prepared.rival else "epoch"
    log.info("best %s %d of %d, fit %.1f s\nrun %s", round_name, best["epoch"], fitted.epochs, fitted.seconds, run.path)
    if (confidence := Confidence.of(results, prepared.config)) is not None:
        log.info("%s", confidence.advice)
    return results


@dataclass(frozen=True)
class Fitted:
    """A training that is over, and left by the other ranks.

    Args:
        scorer: on which the best weights predict.
        seconds: that it took.
        epochs: of a net, or rounds.
        steps: of the optimizer, or rounds.
        best: the content of the best checkpoint, where it is at hand.
        engine: what trained the net; None for a model that is none.
        code: the state of the repository, where it is known.
    """

    scorer: Any
    seconds: float
    epochs: int
    steps: int
    best: dict[str, Any] | None = None
    engine: str | None = None
    code: dict[str, Any] | None = None


def begin_run(
    prepared: Prepared, run: RunDirectory, loggers: list[Any], checkpoint: Path | None, content: Mapping[str, Any]
) -> None:
    """Write the config, say what there is to say of the data, and start the loggers.

    Args:
        prepared: the run.
        run: its directory.
        loggers: filled with those that start.
        checkpoint: from which the run goes on, or None.
        content: of that checkpoint, or ``NOTHING``.
    """
    step = int(content["global_step"])
    run.sums.unlink(missing_ok=True)  # of a start that was cut off at its end
    write_text(run.config, dump_yaml(prepared.config))
    log.info("run %s%s", run.path, f", resumed at step {step}" if checkpoint else "")
    if not checkpoint:
        for note in prepared.data.notes:
            log.info("data: %s", note)
        for warning in prepared.data.warnings:
            log.warning("data: %s", warning)
        if size := _batch_size_became(prepared):
            samples = prepared.data.num_samples or "unknown"
            log.info("data: batch_size=auto is %d (training samples: %s)", size, samples)
    if rows := content[KEY].get("rows"):  # the file may have lost some of them, or be gone
        write_text(run.metrics, rows)
    make_folders(run.checkpoints)
    _make_loggers(prepared, run, loggers, step)


def _fit_at_once(prepared: Prepared, run: RunDirectory, loggers: list[Any], resume: bool) -> Fitted:
    """Fit a model in a net's place; one that was interrupted begins again."""
    run.metrics.unlink(missing_ok=True)
    begin_run(prepared, run, loggers, None, NOTHING)
    if resume:
        log.info("fitted anew: a model that is no net has no state to go on from")
    started = time.monotonic()
    rounds = fit_rival(prepared, run, loggers)
    return Fitted(on_cpu(), time.monotonic() - started, rounds, rounds)


def _fit_and_part(
    prepared: Prepared, run: RunDirectory, status: StatusFile, loggers: list[Any], stop: Stop, resume: bool
) -> Fitted:
    checkpoint = run.last_checkpoint if resume and run.last_checkpoint.is_file() else None
    content = read_checkpoint(checkpoint) if checkpoint else NOTHING
    begin_run(prepared, run, loggers, checkpoint, content)
    callbacks = [
        RunState(prepared.config, prepared.identity),
        EpochProgress(prepared.config["progress"]),
        StatusProgress(status),
    ]
    trainer = trainer_of(prepared, callbacks, loggers, profiler=profiler_of(prepared, run))
    start = meet(
        trainer, Start(run.path.resolve(), checkpoint is not None), prepared.config["trainer"].get("timeout_s")
    )
    stop.hosts = start.hosts
    started = time.monotonic()
    fit_net(trainer, prepared, start, stop)
    seconds = time.monotonic() - started
    leave(trainer)
    return Fitted(trainer, seconds, trainer.current_epoch, trainer.global_step, engine=SINGLE)


def _score(
    prepared: Prepared, run: RunDirectory, loggers: list[Any], fitted: Fitted
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Score the best weights, fit what comes after the net, and write predictions and figures.

    Returns:
        The best checkpoint's content, and what results.json says of the scores.
    """
    best = run.best_checkpoint if run.best_checkpoint.is_file() else run.last_checkpoint
    content = read_checkpoint(best) if fitted.best is None else fitted.best
    if prepared.ranks == 1:
        task, scorer = prepared.task, fitted.scorer
        task.load_state_dict(content["state_dict"])
    else:  # anew: what FSDP leaves behind is no whole net
        task = Parts.of(prepared.config, prepared.allowed).task(prepared.data)
        scorer = alone(prepared.config, prepared.allowed)
        load_weights(task, content["state_dict"])
    predictions = predicted(task, prepared.data, scorer, ("val", "test"))
    scores, afterwards = scored_afterwards(prepared.afterwards, predictions, task, prepared.data)
    if state := prepared.afterwards.to_state():
        add_to_checkpoint(best, content, **state)
    before = afterwards.pop("before", None)
    as_validated((before or scores)["val"].metrics, content)
    about = {key: prepared.config[key] for key in ("name", "seed")}
    write_outcome(
        scores,
        run,
        task,
        prepared.data,
        loggers,
        about=about | {"identity": prepared.identity, "epoch": int(content["epoch"])},
        draw=bool(prepared.config.get("figures", True)),
        before=before,
        decision=prepared.afterwards.decision,
    )
    return content, {
        "task_kind": task.kind,
        **({"model": _about(task.net)} if isinstance(task.net, Rival) else {}),
        "metrics": {split: score.metrics for split, score in scores.items()},
        "metrics_are": {split: score.precision for split, score in scores.items()},
        "uncertainty": {split: score.uncertainty() for split, score in scores.items()},
        **details(scores, task),
        **({"smoothing": became} if (became := _became(task)) else {}),
        **afterwards,
        **_old_model(prepared, task, scorer),
        "checkpoint": f"{best.parent.name}/{best.name}",
    }


def _old_model(prepared: Prepared, task: Any, scorer: Any) -> dict[str, Any]:
    """What the model that the run began with is worth on the same rows; empty where it began with none."""
    beginning = prepared.beginning
    if beginning is None:
        return {}
    return {"init": {"checkpoint": str(beginning.path), "metrics": beginning.metrics(task, prepared.data, scorer)}}


def _became(task: Any) -> dict[str, Any]:
    """Of a strength that finds itself, what it is in the best checkpoint and why; else empty."""
    strength = getattr(getattr(task, "smoother", None), "strength", None)
    if not isinstance(strength, Auto) or not (sentence := strength.became()):
        return {}
    return {"epsilon": strength.epsilon, **strength.record(), "says": sentence}


def _batch_size_became(prepared: Prepared) -> int | None:
    """Samples of a rank's training batch where ``data.batch_size=auto`` chose it, else None."""
    data = prepared.data
    return data.batch_size_of(prepared.ranks) if data.loading.batch_size == AUTO and not prepared.rival else None


def _smoothing_lines(results: Mapping[str, Any]) -> list[str]:
    return [f"smoothing=auto: {results['smoothing']['says']}"] if "smoothing" in results else []


def _about(rival: Rival) -> dict[str, Any]:
    return {"kind": type(rival).__name__, **rival.summary()}


def _afterwards_lines(results: dict[str, Any]) -> Iterator[str]:
    """A line each on the model that the run began with, calibrator and decision, where there are any."""
    if (old := results.get("init")) is not None:
        before, after = old["metrics"]["test"], results["metrics"]["test"]
        names = [name for name in ("nll", "accuracy", "ece") if name in before and name in after]
        shown = ", ".join(f"{name} {before[name]:.4f} -> {after[name]:.4f}" for name in names)
        yield f"init: the old model and the new one on the same test rows: {shown}"
    if (calibrator := results.get("calibrator")) is not None:
        before, after = results["before_calibration"]["test"], results["metrics"]["test"]
        shown = ", ".join(f"{name} {before[name]:.4f} -> {after[name]:.4f}" for name in ("nll", "ece") if name in after)
        yield f"calibrator {calibrator['kind']}: test {shown}"
    if (decision := results.get("decision")) is not None:
        point = {name: value for name, value in decision["test"].items() if isinstance(value, float)}
        about = f" (positive: {decision['positive']})" if decision.get("positive") is not None else ""
        shown = ", ".join(f"{name} {value:.3f}" for name, value in point.items())
        yield f"decision {decision['kind']}{about}: test {shown}"


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
            log_config(prepared.config, [logger])


def _objective(callbacks: list[Callback], checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Name and best value of what the checkpoint callback monitors; what a search minimises.

    Args:
        callbacks: of the run.
        checkpoint: the best one, whose validation has the value in float64, or empty.
    """
    for callback in callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor and callback.best_model_score is not None:
            value = validated(checkpoint).get(callback.monitor, callback.best_model_score)
            return {"name": callback.monitor, "mode": callback.mode, "value": float(value)}
    return {"name": None, "mode": None, "value": None}


def _objective_of(callbacks: list[Callback], scored: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a model that is no net, which has one validation: what the checkpoint callback would monitor."""
    metrics = scored.get("before_calibration", scored["metrics"])["val"]
    for callback in callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor:
            value = metrics.get(callback.monitor.removeprefix("val/"))
            return {"name": callback.monitor, "mode": callback.mode, "value": value}
    return {"name": None, "mode": None, "value": None}
