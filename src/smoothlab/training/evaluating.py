"""Score a run's data again, from its directory alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning import Trainer

from smoothlab.config.allowed import ALLOWED_FROM_RUN, add_code
from smoothlab.config.opening import open_data
from smoothlab.data import encoder_from_state
from smoothlab.errors import UserMistake
from smoothlab.models.checkpoint import KEY, as_validated, load_weights, read_checkpoint
from smoothlab.models.model import checkpoint_path
from smoothlab.models.teacher import without_teachers
from smoothlab.scoring.calibrating import afterwards_of
from smoothlab.scoring.splits import score
from smoothlab.training.parts import Parts
from smoothlab.training.threads import cpu_threads


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
    content = read_checkpoint(checkpoint_path(path, checkpoint))
    ours = content[KEY]
    config = without_teachers(ours["config"])
    allowed = (*ALLOWED_FROM_RUN, *add_code(code))
    data = open_data(config, allowed, encoder=encoder_from_state(ours["encoder"]))
    if data.class_names != ours["class_names"]:
        raise UserMistake(
            f"{path}: its data now has the classes {data.class_names}, the model knows {ours['class_names']}"
        )
    task = Parts.of(config, allowed).task(data)
    load_weights(task, content["state_dict"])
    trainer = Trainer(
        accelerator=config["trainer"]["accelerator"],
        devices=1,
        precision=config["trainer"]["precision"],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    afterwards = afterwards_of(ours)
    with cpu_threads(config["threads"], task, data.batch_size):  # sums in another order differ in the last digits
        scores = score(task, data, trainer, splits, afterwards)
    metrics = {split: scored.metrics for split, scored in scores.items()}
    if "val" in metrics and afterwards.calibrator is None:
        as_validated(metrics["val"], content)
    return metrics
