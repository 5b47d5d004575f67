"""The net of a finished run, as a teacher for another run's smoothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from smoothlab.classes import ClassInfo
from smoothlab.errors import InvalidArgument
from smoothlab.models.checkpoint import KEY
from smoothlab.models.model import model_from, run_checkpoint

FORMER_TARGET = "smoothlab.runs.teacher.teacher_net"  # in configs of run directories from before models/ was a room


class TeacherNet(nn.Module):
    """A trained net that knows its classes and the encoder of its features.

    Args:
        net: maps features to logits.
        class_names: names in the order of the logits.
        encoder_state: of the encoder that made its features.
    """

    def __init__(self, net: nn.Module, class_names: list[str], encoder_state: Mapping[str, Any]) -> None:
        super().__init__()
        self.net = net
        self.class_names = class_names
        self.encoder_state = encoder_state

    def forward(self, features: Any) -> Tensor:
        """Logits of features."""
        logits: Tensor = self.net(features)
        return logits

    def bind(self, info: ClassInfo) -> None:
        """Refuse data of other classes, or whose features another encoder makes.

        An encoder is fitted to the training rows, so that the same encoder means the same rows: a teacher that has seen
        the student's validation or test rows would tell about them.

        Raises:
            InvalidArgument: it is not a teacher for these data.
        """
        if self.class_names != info.class_names:
            theirs = f"a teacher of the classes {', '.join(self.class_names)}"
            raise InvalidArgument("net", theirs, f"one of {', '.join(info.class_names)}, in this order")
        if info.encoder is not None and not _same(self.encoder_state, info.encoder):
            expected = "one of the same data with the same split (data.split_seed, data.fractions)"
            raise InvalidArgument("net", "a teacher whose features have another encoder", expected)


def teacher_net(path: str, checkpoint: str = "best") -> TeacherNet:
    """The net of a run, to be asked and not trained.

    Args:
        path: a run directory.
        checkpoint: ``best``, ``last``, or the path of a checkpoint file.

    Raises:
        UserMistake: no run directory, no checkpoint, or one that cannot be read safely.
    """
    content = run_checkpoint(path, checkpoint)
    model = model_from(content)
    return TeacherNet(model.net, model.class_names, content[KEY]["encoder"])


def without_teachers(config: Any) -> Any:
    """A run's config in which no teacher is read: it may be gone when the run is evaluated, which needs none."""
    if isinstance(config, Mapping):
        if config.get("_target_") in (f"{__name__}.{teacher_net.__name__}", FORMER_TARGET):
            return {"_target_": "torch.nn.Identity"}
        return {key: without_teachers(value) for key, value in config.items()}
    return [without_teachers(item) for item in config] if isinstance(config, list) else config


def _same(ours: Any, other: Any) -> bool:
    """Whether two plain values, with tensors in them, are equal."""
    if isinstance(ours, Mapping) and isinstance(other, Mapping):
        return ours.keys() == other.keys() and all(_same(value, other[key]) for key, value in ours.items())
    if isinstance(ours, list | tuple) and isinstance(other, list | tuple):
        return len(ours) == len(other) and all(map(_same, ours, other))
    if isinstance(ours, Tensor) and isinstance(other, Tensor):
        return torch.equal(ours, other)
    return type(ours) is type(other) and bool(ours == other)
