"""The loggers of a run: what could keep them from starting is found before its directory is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pytorch_lightning.utilities import rank_zero_only

from smoothlab.config.allowed import resolve_target
from smoothlab.config.build import call
from smoothlab.errors import UserMistake
from smoothlab.tracking.mlflow import MLflowLogger, check_mlflow
from smoothlab.tracking.tensorboard import TensorBoardLogger, check_tensorboard
from smoothlab.tracking.wandb import check_wandb, make_wandb_logger

CHECKS: dict[Callable[..., Any], Callable[..., None]] = {
    make_wandb_logger: check_wandb,
    TensorBoardLogger: check_tensorboard,
    MLflowLogger: check_mlflow,
}
# What a logger is given of its run, where it takes it.
OF_RUN = ("run_dir", "resume_step", "config", "identity", "name")


def check_loggers(config: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    """Refuse loggers that would not start: wrong options, a package or a key that is missing.

    Of several ranks only the first asks, since only that one logs.

    Args:
        config: the resolved config.
        allowed: prefixes of targets.

    Raises:
        UserMistake: one of these.
    """
    if getattr(rank_zero_only, "rank", 0):
        return
    for name, node in config["logger"].items():
        if not isinstance(node, Mapping) or not node.get("_target_"):
            raise UserMistake(f"logger.{name} = {node!r}: expected a logger with its _target_")
        function = resolve_target(node["_target_"], allowed, key=f"logger.{name}._target_")
        options = {str(key): value for key, value in node.items() if key not in ("_target_", "_partial_")}
        if (check := CHECKS.get(function)) is not None:
            call(check, f"logger.{name}", **options)
        else:
            signature = inspect.signature(function)
            ours = {key: None for key in OF_RUN if key in signature.parameters}
            call(signature.bind, f"logger.{name}", **{**ours, **options})
