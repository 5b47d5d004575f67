"""From a config to its data: the one place where a data module is made and set up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smoothlab.config.allowed import ALLOWED, add_code, fits, hints_of, resolve_target
from smoothlab.config.build import build, call
from smoothlab.data.encoder import Encoder
from smoothlab.data.module import DataModule
from smoothlab.data.parts.loading import AUTO, LEAST
from smoothlab.errors import UserMistake


def data_node(config: Mapping[str, Any], allowed: tuple[str, ...]) -> dict[str, Any]:
    """What the data module of a config is made of: for a class that takes numbers alone ``auto`` are batches of 32.

    Args:
        config: the resolved config of a run.
        allowed: prefixes that targets may begin with.

    Raises:
        UserMistake: the target is refused.
    """
    node: dict[str, Any] = dict(config["data"])
    if node.get("batch_size") == AUTO and "_target_" in node:
        own = resolve_target(node["_target_"], allowed, key="data._target_")
        hint = hints_of(own).get("batch_size")
        if hint is not None and not fits(AUTO, hint):
            node["batch_size"] = LEAST
    return node


def make_data(config: Mapping[str, Any], allowed: tuple[str, ...] | None = None) -> DataModule:
    """Make the data module of a config, which has read nothing yet.

    Args:
        config: the resolved config of a run.
        allowed: prefixes that targets may begin with; None: those of a config that the user composes, with its code.

    Raises:
        UserMistake: the target or an argument is refused, or what the target makes is no data module.
    """
    if allowed is None:
        allowed = (*ALLOWED, *add_code(config.get("code")))
    data = build(data_node(config, allowed), "data", allowed=allowed)
    if not isinstance(data, DataModule):
        target = config["data"].get("_target_")
        raise UserMistake(f"data._target_ = {target!r}: expected a data module of smoothlab, or one that extends it")
    return data


def open_data(
    config: Mapping[str, Any], allowed: tuple[str, ...] | None = None, *, encoder: Encoder | None = None
) -> DataModule:
    """Make the data module of a config, and read, split and encode its data.

    Args:
        config: the resolved config of a run.
        allowed: as of :func:`make_data`.
        encoder: of a checkpoint, which is used as it is; None: the data module fits its own.

    Raises:
        UserMistake: as of :func:`make_data`, or the data cannot be used.
    """
    data = make_data(config, allowed)
    if encoder is not None:
        data.encoder = encoder
    call(data.setup, "data")
    return data
