"""Everything that can be wrong with a run, found before its directory is made."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pytorch_lightning import Callback, seed_everything

from smoothlab.errors import UserMistake
from smoothlab.runs.build import build
from smoothlab.runs.identity import run_identity
from smoothlab.runs.targets import ALLOWED, add_code, check_targets
from smoothlab.runs.threads import check_threads
from smoothlab.tracking.console import quiet_lightning

PROGRESS = ("auto", "lines", "none")


@dataclass
class Prepared:
    """Everything that a run needs, made and checked before its directory is."""

    config: dict[str, Any]
    allowed: tuple[str, ...]
    data: Any
    task: Any  # a LightningModule
    callbacks: list[Callback]
    identity: str


def check_config(config: dict[str, Any]) -> tuple[tuple[str, ...], list[Callback]]:
    """Check everything that needs no data; returns the allowed prefixes of targets and the run's callbacks.

    Raises:
        UserMistake: something in the config is wrong.
    """
    allowed = (*ALLOWED, *add_code(config["code"]))
    check_targets(config, allowed)
    check_seed(config["seed"])
    check_threads(config["threads"])
    epochs = config["trainer"].get("max_epochs")
    if epochs == 0:
        raise UserMistake("trainer.max_epochs = 0: expected at least 1, or -1 for no end")
    if epochs == -1 and config["scheduler"]:
        raise UserMistake("trainer.max_epochs = -1: a schedule needs an end; give a number, or scheduler=none")
    if config["progress"] not in PROGRESS:
        raise UserMistake(f"progress = {config['progress']!r}: expected one of {', '.join(PROGRESS)}")
    build(config["smoothing"], "smoothing", allowed=allowed)
    _try_optimizer(config, allowed)
    with quiet_lightning():
        trainer = build(config["trainer"], "trainer", allowed=allowed, logger=False, enable_checkpointing=False)
    if trainer.world_size != 1:
        raise UserMistake(
            f"trainer.devices = {config['trainer'].get('devices')!r}: one device; several are not supported yet"
        )
    return allowed, list(build(config["callbacks"], "callbacks", allowed=allowed).values())


def prepare(config: dict[str, Any]) -> Prepared:
    """Check the whole config, read the data and make every object that can be wrong, without writing anything.

    Raises:
        UserMistake: something in the config or the data is wrong.
    """
    allowed, callbacks = check_config(config)
    # Other runs of this process may have set it.
    torch.use_deterministic_algorithms(bool(config["trainer"].get("deterministic")))
    data = build(config["data"], "data", allowed=allowed)
    data.setup()
    seed_everything(config["seed"], workers=True, verbose=False)
    task = make_task(config, data, allowed)
    _check_monitors(config, task.monitored)
    return Prepared(config, allowed, data, task, callbacks, run_identity(config, data.fingerprint))


def check_seed(seed: Any) -> int:
    """The seed, if it is one."""
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise UserMistake(f"seed = {seed!r}: expected an integer in [0, 4294967295]")
    return seed


def make_task(config: Mapping[str, Any], data: Any, allowed: tuple[str, ...]) -> Any:
    """The task with net, smoother, optimizer and scheduler, for data that are set up."""
    classes = data.class_names
    net = build(config["net"], "net", allowed=allowed, in_features=data.num_features, num_classes=len(classes))
    return build(
        config["task"],
        "task",
        allowed=allowed,
        net=net,
        smoother=build(config["smoothing"], "smoothing", allowed=allowed),
        class_names=classes,
        optimizer=build(config["optimizer"], "optimizer", allowed=allowed),
        scheduler=build(config["scheduler"], "scheduler", allowed=allowed) or None,
        encoder_state=data.encoder.state(),
    )


def _check_monitors(config: Mapping[str, Any], known: list[str]) -> None:
    """Find a misspelt metric before the first epoch is over."""
    for name, node in config["callbacks"].items():
        monitor = node.get("monitor")
        if monitor is None:
            continue
        if monitor not in known:
            near = difflib.get_close_matches(str(monitor), known, n=1)
            hint = f"nearest: {near[0]}; " if near else ""
            raise UserMistake(f"callbacks.{name}.monitor = {monitor!r}: {hint}one of {', '.join(known)}")
        if config["trainer"].get("limit_val_batches") == 0:
            raise UserMistake(
                f"trainer.limit_val_batches = 0: callbacks.{name} monitors {monitor}, which needs validation"
            )


def _try_optimizer(config: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    """Find a bad learning rate before any work: make both once, for one parameter."""
    optimizer = build(config["optimizer"], "optimizer", allowed=allowed)([torch.nn.Parameter(torch.zeros(1))])
    scheduler = build(config["scheduler"], "scheduler", allowed=allowed)
    if scheduler:
        scheduler(optimizer, 10)
