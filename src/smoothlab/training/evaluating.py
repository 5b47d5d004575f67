"""Score a run's data again, from its directory alone."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer

from smoothlab.config.allowed import ALLOWED_FROM_RUN, add_code, code_fingerprint
from smoothlab.config.opening import open_data
from smoothlab.data import encoder_from_state
from smoothlab.errors import UserMistake
from smoothlab.models.checkpoint import KEY, as_validated, load_weights, odd_content
from smoothlab.models.model import run_checkpoint
from smoothlab.models.teacher import without_teachers
from smoothlab.rivals import Rival
from smoothlab.rundir.directory import RunDirectory
from smoothlab.rundir.identity import run_identity
from smoothlab.rundir.reading import UnreadableFile
from smoothlab.scoring.calibrating import afterwards_of
from smoothlab.scoring.splits import score
from smoothlab.training.devices import on_cpu
from smoothlab.training.parts import Parts
from smoothlab.training.threads import cpu_threads

SAME = 1e-3  # of a metric here and in results.json: other machines round otherwise


def evaluate(
    path: str | Path,
    *,
    checkpoint: str = "best",
    splits: Sequence[str] = ("val", "test"),
    code: str | None = None,
) -> dict[str, dict[str, float]]:
    """Metrics of each split, by the same code as after training.

    Args:
        path: a run directory.
        checkpoint: ``best``, ``last``, or the path of a checkpoint file.
        splits: names of splits.
        code: the Python file or folder that the run was trained with, if it was.

    Raises:
        UserMistake: the run or its checkpoint cannot be used, or its data changed their classes.
    """
    content = run_checkpoint(path, checkpoint)
    ours = content[KEY]
    config = without_teachers(ours["config"])
    allowed = (*ALLOWED_FROM_RUN, *add_code(code))
    with odd_content():
        encoder = encoder_from_state(ours["encoder"])
    data = open_data(config, allowed, encoder=encoder)
    if data.class_names != ours["class_names"]:
        raise UserMistake(
            f"{path}: its data now has the classes {data.class_names}, the model knows {ours['class_names']}"
        )
    with odd_content():
        task = Parts.of(config, allowed).task(data)
        load_weights(task, content["state_dict"])
    trainer = on_cpu() if isinstance(task.net, Rival) else _trainer(config)
    afterwards = afterwards_of(ours)
    with cpu_threads(config["threads"], task, data.batch_size):  # sums in another order differ in the last digits
        scores = score(task, data, trainer, splits, afterwards)
    metrics = {split: scored.metrics for split, scored in scores.items()}
    if "val" in metrics and afterwards.calibrator is None:
        as_validated(metrics["val"], content)
    if checkpoint == "best":
        fingerprint = data.fingerprint + code_fingerprint(code)
        for line in differences_from_results(RunDirectory(path), metrics, ours, fingerprint):
            print(line, file=sys.stderr)
    return metrics


def _trainer(config: Mapping[str, Any]) -> Trainer:
    return Trainer(
        accelerator=config["trainer"]["accelerator"],
        devices=1,
        precision=config["trainer"]["precision"],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def differences_from_results(
    run: RunDirectory, metrics: Mapping[str, Mapping[str, float]], ours: Mapping[str, Any], data_fingerprint: str
) -> list[str]:
    """What to say where a run's data give other numbers than results.json holds; nothing where they agree.

    Args:
        run: the run's directory.
        metrics: by split, as they are now.
        ours: smoothlab's part of the checkpoint.
        data_fingerprint: of the data and the own code as they are now.
    """
    try:
        before = run.read_results(verified=False)["metrics"]
    except (UnreadableFile, KeyError) as error:
        return [f"results.json cannot be compared: {error}"] if run.results.is_file() else []
    lines = []
    for split, now in metrics.items():
        old = {name: value for name, value in before.get(split, {}).items() if value is not None and name in now}
        changed = [
            name for name, value in old.items() if not math.isclose(now[name], value, rel_tol=SAME, abs_tol=SAME)
        ]
        if changed:
            name = "nll" if "nll" in changed else changed[0]
            others = f" ({len(changed)} metrics differ)"
            lines.append(f"{split}/{name} is {now[name]:.4f}, results.json says {old[name]:.4f}{others}")
    if not lines:
        return []
    try:
        same = run_identity(ours["config"], data_fingerprint) == ours.get("identity")
    except UserMistake:  # a file that the config names is gone
        same = False
    return [
        *lines,
        "the data are those of the training: results.json was changed, or other versions compute otherwise"
        if same
        else "the data, own code or a file that the config names changed since the training: the splits may hold other "
        "rows, training rows among the test rows; score new rows by input=<file>",
    ]
