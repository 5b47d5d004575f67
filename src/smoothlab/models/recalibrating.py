"""A run's model with a calibrator fitted to new rows, as a run directory of its own."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smoothlab.calibration import Calibrator, EachAnswer, Temperature
from smoothlab.calibration.priors import ShiftedPriors
from smoothlab.config.allowed import add_code
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.kinds import KINDS
from smoothlab.models.checkpoint import KEY, add_to_checkpoint
from smoothlab.models.model import Model, model_from, run_checkpoint
from smoothlab.models.new_rows import new_labels
from smoothlab.rundir.atomic import folder_in_one_step, make_folders, write_json
from smoothlab.rundir.directory import DONE, RunDirectory, existing_run
from smoothlab.rundir.provenance import provenance
from smoothlab.scoring.splits import scored_rows

METHODS = ("temperature", "priors")
FOLDS = 5
LEAST_ROWS = 10


@dataclass
class Recalibrated:
    """What was fitted.

    Args:
        path: the new run.
        rows: that it was fitted to.
        summary: of the calibrator.
        before: metrics of the old model on the labelled rows; empty without labels.
        after: of the new one on the same rows, each row's calibrator fitted to four fifths of the others.
        shares: of each class: in training, among the labels, and as estimated, where priors were fitted.
        notes: what there is to say.
    """

    path: Path
    rows: int
    summary: dict[str, Any]
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)
    shares: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def recalibrate(
    run: str | Path,
    source: Path,
    output: Path,
    *,
    method: str = "temperature",
    checkpoint: str = "best",
    code: str | None = None,
) -> Recalibrated:
    """Fit what comes after a run's net to the rows of a file, and write a run with it.

    Args:
        run: the run directory.
        source: a table with the columns of training; ``priors`` needs no labels.
        output: the new run directory, which is made.
        method: ``temperature`` in the place of the run's calibrator, or ``priors`` behind it.
        checkpoint: ``best``, ``last``, or the path of a checkpoint file.
        code: the Python file or folder that the run was trained with, if it was.

    Raises:
        UserMistake: the rows cannot be used, or the model is none for the method.
    """
    if method not in METHODS:
        raise UserMistake(f"method = {method!r}: expected one of {', '.join(METHODS)}")
    content = run_checkpoint(run, checkpoint)
    model = model_from(content, add_code(code))
    if not isinstance(model, Model) or not model.encoder.of_tables or not KINDS[model.kind].calibrates:
        raise UserMistake("run: models of tables and texts are calibrated to new rows")
    raw, labels, numbers = _logits(model, content[KEY], source, needs_labels=method == "temperature")
    if len(raw) < LEAST_ROWS:
        raise UserMistake(f"input: {len(raw)} rows; expected at least {LEAST_ROWS} to fit to")
    fitted = _fitted(method, model, content[KEY], raw, labels)
    result = Recalibrated(output, len(raw), fitted.summary() if not isinstance(fitted, EachAnswer) else {})
    if labels is not None:
        bins = content[KEY]["config"]["task"]["num_bins"]
        old = raw if model.calibrator is None else model.calibrator(raw)
        result.before = scored_rows(model.kind, old, labels, numbers, bins).metrics
        crossed = _crossed(method, model, content[KEY], raw, labels)
        result.after = scored_rows(model.kind, crossed, labels, numbers, bins).metrics
    if isinstance(fitted, ShiftedPriors):
        result.shares = _shares(fitted, model.class_names, labels)
        if not isinstance(fitted.inner, Calibrator):
            result.notes.append("the run has no calibrator; shares are estimated better from calibrated probabilities")
    with folder_in_one_step(output) as folder:
        about = {"method": method, "input": str(source)}
        _write(RunDirectory(folder), existing_run(run), content, fitted, result, about)
    return result


def _logits(
    model: Model, ours: Mapping[str, Any], source: Path, *, needs_labels: bool
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Logits of the net alone, labels where there are some, and row numbers."""
    frame = model.encoder.read(source)
    bare = Model(model.net, model.encoder, model.class_names, model.kind)
    target = ours["config"]["data"].get("target", "label")
    named = [str(name) for name in (target if isinstance(target, list) else [target])]
    if not needs_labels and not set(named) <= set(map(str, frame.columns)):
        return bare.logits(frame, where=str(source)), None, torch.arange(len(frame))
    labels, rows = new_labels(frame, ours["config"]["data"], model.class_names, model.kind)
    logits = bare.logits(frame.iloc[rows], where=str(source))
    return logits, labels, torch.from_numpy(np.asarray(rows, dtype=np.int64))


def _fitted(method: str, model: Model, ours: Mapping[str, Any], raw: Tensor, labels: Tensor | None) -> Calibrator:
    """A calibrator fitted to logits of the net."""
    if method == "temperature":
        made: Calibrator = EachAnswer(Temperature()) if KINDS[model.kind].several else Temperature()
        try:
            return made.fit(raw, labels)
        except InvalidArgument as error:
            raise UserMistake(f"input: {error}") from None
    counts = ours.get("class_counts")
    if KINDS[model.kind].several or not counts:
        why = "several labels a sample" if KINDS[model.kind].several else "no class counts in its checkpoint"
        raise UserMistake(f"method = 'priors': is for one label a sample and known training shares; the run has {why}")
    shifted = ShiftedPriors([max(count, 0.5) for count in counts])
    old = model.calibrator
    shifted.inner = old.inner if isinstance(old, ShiftedPriors) else old  # type: ignore[assignment]
    shifted.fit_rows(raw)
    return shifted.eval()


def _crossed(method: str, model: Model, ours: Mapping[str, Any], raw: Tensor, labels: Tensor) -> Tensor:
    """Calibrated logits of each row by a calibrator that was fitted to other rows."""
    fold = torch.arange(len(raw))[torch.randperm(len(raw), generator=torch.Generator().manual_seed(0))] % FOLDS
    calibrated = torch.empty_like(raw)
    for number in range(FOLDS):
        there = fold == number
        calibrated[there] = _fitted(method, model, ours, raw[~there], labels[~there])(raw[there])
    return calibrated


def _shares(fitted: ShiftedPriors, names: list[str], labels: Tensor | None) -> list[dict[str, Any]]:
    new = fitted.summary()["new_shares"]
    table = [{"class": name, "training": fitted.shares[k], "estimated": new[k]} for k, name in enumerate(names)]
    if labels is not None:
        counts = torch.bincount(labels, minlength=len(names)) if labels.ndim == 1 else labels.sum(0)
        for row, share in zip(table, (counts / counts.sum()).tolist(), strict=True):
            row["labels"] = share
    return table


def _write(
    new: RunDirectory,
    old: RunDirectory,
    content: dict[str, Any],
    fitted: Calibrator,
    result: Recalibrated,
    about: dict[str, str],
) -> None:
    """Fill the new run directory."""
    was = str(content[KEY].get("identity"))
    state = "".join(f"{name}{value.tolist()}" for name, value in sorted(fitted.state_dict().items()))
    identity = hashlib.sha256(f"{was} {about['method']} {state}".encode()).hexdigest()
    make_folders(new.checkpoints)
    shutil.copyfile(old.config, new.config)
    add_to_checkpoint(new.best_checkpoint, content, calibrator=fitted.to_state(), identity=identity)
    facts = old.read_results() if old.results.is_file() else {}
    of_training = {
        name: facts[name] for name in ("format", "name", "seed", "objective", "task_kind", "epochs") if name in facts
    }
    recalibrated = {
        **about,
        "run": str(old.path),
        "rows": result.rows,
        "before": result.before,
        "shares": result.shares,
    }
    metrics = {"metrics": {"test": result.after} if result.after else {}}
    calibrator = {"calibrator": {"kind": about["method"], **result.summary}}
    write_json(
        new.results,
        {**of_training, "identity": identity, **metrics, **calibrator, "recalibrated": recalibrated, **provenance()},
    )
    write_json(new.status, {"state": DONE, "identity": identity})
    new.write_sums()
