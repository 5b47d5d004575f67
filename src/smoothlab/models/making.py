"""What maps features to logits: the net of a config, or the model in its place."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn

from smoothlab.config.build import build
from smoothlab.errors import UserMistake
from smoothlab.kinds import KINDS, Kind
from smoothlab.rivals import OneAgainstRest, Rival


def target_of(config: Mapping[str, Any]) -> str:
    """The name of the class that maps features to logits."""
    return str((config.get("model") or config["net"]).get("_target_"))


def make_net(
    config: Mapping[str, Any],
    kind: Kind | None,
    classes: int,
    of_data: Mapping[str, Any],
    allowed: tuple[str, ...],
    *,
    restoring: bool = False,
) -> nn.Module:
    """The net of a config, its weights drawn from torch's generator, or a model in its place, which is not fitted yet.

    Args:
        config: the resolved config.
        kind: of the task; None where it is not known.
        classes: K.
        of_data: what the encoder says of the features.
        allowed: prefixes that targets may begin with.
        restoring: whether a checkpoint's weights follow; told to nets that ask.

    Raises:
        UserMistake: it cannot be made, or the model is none for such data.
    """
    node = config.get("model")
    if not node:
        outputs = classes if kind is None else kind.outputs(classes)
        net: nn.Module = build(
            config["net"], "net", allowed=allowed, num_classes=outputs, restoring=restoring, **of_data
        )
        task_kinds: Any = getattr(net, "task_kinds", KINDS)
        if kind is not None and kind.name not in task_kinds:
            raise UserMistake(f"net: {type(net).__name__} is for task={task_kinds[0]}, the task is {kind.name}")
        return net if kind is None else kind.whole(net)
    name = target_of(config).rsplit(".", 1)[-1]
    if kind is None or not (kind.decides or kind.several):
        words = "other data" if kind is None else f"data that {kind.data_words}"
        raise UserMistake(f"model: {name} is for one label a sample, not for {words}; take model=net")
    if "spans" not in of_data:
        raise UserMistake(f"model: {name} is for the columns of a table, which these data do not have; take model=net")
    make = partial(build, node, "model", allowed=allowed, num_classes=2 if kind.several else classes, **of_data)
    rival = make()
    if not isinstance(rival, Rival):
        raise UserMistake(
            f"model._target_ = {node['_target_']!r}: expected a class that extends smoothlab.rivals.Rival"
        )
    return OneAgainstRest(classes, rival.spans, make) if kind.several else rival
