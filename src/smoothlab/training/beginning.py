"""A training that begins with a finished run's weights and encoder, on other rows of the same columns and classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from smoothlab.data.encoder import Encoder, encoder_from_state
from smoothlab.data.module import DataModule
from smoothlab.errors import UserMistake
from smoothlab.models.checkpoint import KEY, load_weights, odd_content, read_checkpoint
from smoothlab.models.model import checkpoint_path
from smoothlab.scoring.calibrating import Afterwards, afterwards_of
from smoothlab.scoring.splits import predicted, scored
from smoothlab.tasks.task import Task


@dataclass
class Beginning:
    """What a run begins with.

    Args:
        path: the checkpoint file.
        encoder: of its raw columns, which encodes the new rows too.
        class_names: that it knows.
        weights: of its net.
        afterwards: its calibrator and decision.
    """

    path: Path
    encoder: Encoder
    class_names: list[str]
    weights: dict[str, Tensor]
    afterwards: Afterwards

    def give(self, task: Task, data: DataModule) -> None:
        """Give a new task the weights.

        Raises:
            UserMistake: the rows have other classes, or the net is another one.
        """
        if data.class_names != self.class_names:
            raise UserMistake(
                f"init = {str(self.path)!r}: knows the classes {', '.join(self.class_names)}, the new rows have "
                f"{', '.join(data.class_names)}"
            )
        try:
            load_weights(task.net, self.weights)
        except UserMistake as error:
            reason = str(error).rsplit("(", 1)[-1].rstrip(")")
            raise UserMistake(
                f"init = {str(self.path)!r}: its weights do not fit this net; give the net.* options of that run "
                f"({reason})"
            ) from None

    def metrics(self, task: Task, data: DataModule, scorer: Any) -> dict[str, dict[str, float]]:
        """Metrics of the old model on the new rows, by split; afterwards ``task`` has the old weights."""
        load_weights(task.net, self.weights)
        parts = predicted(task, data, scorer, ("val", "test"))
        calibrated = {split: self.afterwards.calibrated(batches) for split, batches in parts.items()}
        return {split: scores.metrics for split, scores in scored(calibrated, task, data).items()}


def beginning_of(config: dict[str, Any]) -> Beginning | None:
    """What ``init`` names; the config then names its file. None where it names nothing.

    Raises:
        UserMistake: no run and no checkpoint, or one of a model that is fitted at once.
    """
    named = config.get("init")
    if named is None:
        return None
    if not isinstance(named, str):
        raise UserMistake(f"init = {named!r}: expected a run directory or a checkpoint file")
    if config.get("model"):
        raise UserMistake("init: a model in a net's place is fitted at once, and begins with nothing; take model=net")
    if not Path(named).exists():
        raise UserMistake(f"init = {named!r}: no such file or directory; expected a run directory or a checkpoint file")
    path = Path(named) if Path(named).is_file() else checkpoint_path(named, "best")
    content = read_checkpoint(path)
    ours: Mapping[str, Any] = content[KEY]
    if ours["config"].get("model"):
        raise UserMistake(f"init = {named!r}: its model is fitted at once, and gives no weights to begin with")
    config["init"] = str(path)
    with odd_content():
        encoder = encoder_from_state(ours["encoder"])
    state = content["state_dict"]
    weights = {name.removeprefix("net."): value for name, value in state.items() if name.startswith("net.")}
    return Beginning(path, encoder, list(ours["class_names"]), weights, afterwards_of(ours))
