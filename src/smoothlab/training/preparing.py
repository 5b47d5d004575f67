"""Everything that can be wrong with a run, found before its directory is made."""

from __future__ import annotations

import contextlib
import difflib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from pytorch_lightning import Callback, seed_everything
from pytorch_lightning.utilities.seed import isolate_rng

from smoothlab.config.allowed import ALLOWED, add_code, check_targets, code_fingerprint, resolve_target
from smoothlab.config.build import build
from smoothlab.config.opening import data_node, open_data
from smoothlab.config.packages import check_packages
from smoothlab.config.scheduling import try_schedule, without_timing
from smoothlab.config.trainer_arguments import check_trainer_arguments, lightning_arguments
from smoothlab.data.module import DataModule
from smoothlab.errors import InvalidArgument, UserMistake, reason_of
from smoothlab.learner import learners_in
from smoothlab.models.kinds import check_task_class
from smoothlab.models.making import target_of
from smoothlab.progress import following_progress
from smoothlab.rivals import OtherBoosting, Rival
from smoothlab.rundir.identity import run_identity
from smoothlab.scoring.calibrating import Afterwards, check_groups, make_afterwards
from smoothlab.smoothing import Constant, Smoother
from smoothlab.starters import found_ranks
from smoothlab.tasks.task import Task
from smoothlab.tracking.console import quiet_lightning
from smoothlab.training.beginning import Beginning, beginning_of
from smoothlab.training.compiling import check_compile, check_compiler
from smoothlab.training.devices import check_devices, make_trainer, wanted_ranks
from smoothlab.training.loggers import check_loggers
from smoothlab.training.parts import Parts
from smoothlab.training.rehearsal import check_callbacks, rehearse
from smoothlab.training.stacked.stackable import AUTO, check_engine
from smoothlab.training.threads import check_threads

GROUPS = (
    *("data", "net", "task", "smoothing", "loss", "penalty", "mixing"),
    *("optimizer", "scheduler", "trainer", "logger", "callbacks"),
)
PROGRESS = ("auto", "lines", "none")


@dataclass(frozen=True)
class Checked:
    """What a config is built into without its data.

    Args:
        parts: of the training.
        callbacks: of the config.
        ranks: processes that will train.
    """

    parts: Parts
    callbacks: list[Callback]
    ranks: int


@dataclass
class Prepared:
    """Everything that a run needs, made and checked before its directory is."""

    config: dict[str, Any]
    allowed: tuple[str, ...]
    data: DataModule
    task: Task
    callbacks: list[Callback]
    identity: str
    ranks: int = 1  # processes that train
    afterwards: Afterwards = field(default_factory=Afterwards)
    beginning: Beginning | None = None

    @property
    def rival(self) -> bool:
        """Whether a model that is fitted at once stands in the net's place."""
        return isinstance(self.task.net, Rival)


def check_config(config: dict[str, Any]) -> Checked:
    """Check everything that needs no data, and make the objects on the way.

    Raises:
        UserMistake: something in the config is wrong.
    """
    _check_groups(config)
    allowed = (*ALLOWED, *add_code(config["code"]))
    check_task_class(config, allowed)
    check_trainer_arguments(config["trainer"])
    others = {"scheduler": without_timing(config["scheduler"]), "trainer": lightning_arguments(config["trainer"])}
    others["data"] = data_node(config, allowed)
    check_targets({**config, **others}, allowed)
    check_packages(config, allowed)
    check_seed(config["seed"])
    check_threads(config["threads"])
    check_engine(config.get("engine", AUTO))
    if config["progress"] not in PROGRESS:
        raise UserMistake(f"progress = {config['progress']!r}: expected one of {', '.join(PROGRESS)}")
    parts = Parts.of(config, allowed)
    _check_model(config, parts)
    _check_end(config["trainer"], parts)
    _check_validation(config["trainer"], parts.smoother)
    try_schedule(parts.optimizer([torch.nn.Parameter(torch.zeros(1))]), parts.schedule)
    callbacks = build(config["callbacks"], "callbacks", allowed=allowed)
    check_callbacks(callbacks)
    with quiet_lightning(), determinism_kept():
        trainer = make_trainer(config, allowed, logger=False, callbacks=list(callbacks.values()))
    check_devices(config, trainer)
    if not config.get("model"):
        check_compiler(config, trainer)
    return Checked(parts, list(callbacks.values()), 1 if config.get("model") else wanted_ranks(trainer))


def prepare(config: dict[str, Any], data: DataModule | None = None) -> Prepared:
    """Check the whole config, read the data and make every object that can be wrong, without writing anything.

    Args:
        config: the resolved config.
        data: as the config has them, set up; None: they are read.

    Raises:
        UserMistake: something in the config or the data is wrong.
    """
    check_seed(config.get("seed"))
    seed_everything(config["seed"], workers=True, verbose=False)
    checked = check_config(config)
    allowed = checked.parts.allowed
    check_loggers(config, allowed)
    beginning = beginning_of(config)
    if data is None:
        with isolate_rng():  # data of one's own may draw from the generators that the net's weights are drawn from
            data = open_data(config, allowed, encoder=None if beginning is None else beginning.encoder)
    _check_limits(config["trainer"], data, checked.ranks)
    task = _fitting_task(config, checked.parts, data)
    if beginning is not None:
        beginning.give(task, data)
    if not config.get("model"):
        with quiet_lightning(), determinism_kept():
            rehearse(config, allowed, task, data, checked.ranks)
    afterwards = make_afterwards(config, task, allowed)
    check_compile(config, task)
    identity = run_identity(config, data.fingerprint + code_fingerprint(config["code"]))
    return Prepared(config, allowed, data, task, checked.callbacks, identity, checked.ranks, afterwards, beginning)


def prepare_like(config: dict[str, Any], data: DataModule) -> Prepared:
    """As :func:`prepare`, of a config that needs no more checks, for data that are set up.

    Args:
        config: differs from one that was prepared in what its parts say themselves: seed, strategy, loss, penalty,
            numbers of the optimizer.
        data: as its config has them.

    Raises:
        UserMistake: a part does not fit the data.
    """
    seed_everything(config["seed"], workers=True, verbose=False)
    allowed = (*ALLOWED, *add_code(config["code"]))
    task = Parts.of(config, allowed).task(data)
    callbacks = list(build(config["callbacks"], "callbacks", allowed=allowed).values())
    afterwards = make_afterwards(config, task, allowed)
    identity = run_identity(config, data.fingerprint + code_fingerprint(config["code"]))
    return Prepared(config, allowed, data, task, callbacks, identity, 1, afterwards)


def check_fit(config: dict[str, Any], data: DataModule) -> None:
    """Find whether a run's parts fit data that are set up, as ``prepare`` does, of many configs for the same data.

    Raises:
        UserMistake: something in the config is wrong, or does not fit the data.
    """
    checked = check_config(config)
    make_afterwards(config, _fitting_task(config, checked.parts, data), checked.parts.allowed)


def _fitting_task(config: Mapping[str, Any], parts: Parts, data: DataModule) -> Task:
    task = parts.task(data)
    _check_monitors(config, task.monitored)
    _check_output(task, data)
    return task


def check_seed(seed: Any) -> None:
    """Refuse what numpy and torch would not take as a seed."""
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise UserMistake(f"seed = {seed!r}: expected an integer in [0, 4294967295]")


@contextlib.contextmanager
def determinism_kept() -> Iterator[None]:
    """Put back what a Trainer with ``deterministic`` sets for the whole process."""
    before = torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _check_groups(config: Mapping[str, Any]) -> None:
    """Refuse a config from which a part was taken out."""
    for name in (*GROUPS, *(("model",) if "model" in config else ())):  # configs of before there were models have none
        if not isinstance(config.get(name), Mapping):
            raise UserMistake(f"{name} = {config.get(name)!r}: expected one of its options (see smoothlab --help)")
    check_groups(config)
    for name in ("name", "output_root"):
        if not isinstance(config.get(name), str) or not config[name].strip():
            raise UserMistake(f"{name} = {config.get(name)!r}: expected a text that is not empty")


def _check_end(trainer: Mapping[str, Any], parts: Parts) -> None:
    """Refuse what changes with its progress, or needs an end, in a training without one."""
    if trainer.get("max_epochs") != -1:
        return
    for name, part in {"smoothing": parts.smoother, "loss": parts.loss, "penalty": parts.penalties}.items():
        follower = following_progress(part)
        if follower is not None:
            what = f"{name} that changes with progress ({type(follower).__name__})"
            raise UserMistake(f"trainer.max_epochs = -1: {what} needs an end; give a number")
    if trainer.get("max_steps", -1) == -1 and parts.schedule is not None and parts.schedule.needs_end:
        raise UserMistake("trainer.max_epochs = -1: a schedule needs an end; give a number, or scheduler=none")


def _check_model(config: Mapping[str, Any], parts: Parts) -> None:
    """Refuse what a model in the net's place would not look at, and ranks, of which one alone would fit it."""
    if not config.get("model"):
        return
    name = target_of(config).rsplit(".", 1)[-1]
    model = resolve_target(target_of(config), parts.allowed, key="model._target_")
    if isinstance(model, type) and issubclass(model, OtherBoosting):
        model.check_installed()
    strength = getattr(parts.smoother, "strength", None)
    smooths = not (type(parts.smoother) is Smoother and isinstance(strength, Constant) and strength.epsilon == 0)
    given = {"smoothing": smooths, "loss": parts.loss, "penalty": parts.penalties, "mixing": config["mixing"]}
    for key, there in given.items():
        if there:
            off = "cross_entropy" if key == "loss" else "none"
            raise UserMistake(f"{key}: {name} is fitted to the labels as they are; take {key}={off}, or model=net")
    launched = found_ranks(os.environ)
    if launched is not None and launched.ranks > 1:
        raise UserMistake(f"model: {name} is fitted by one process, {launched.starter} has started {launched.ranks}")


def _check_validation(trainer: Mapping[str, Any], smoother: Any) -> None:
    """Refuse smoothing that learns from validation where there is none: it would stay at its start."""
    learning = [learner for learner in learners_in(smoother) if getattr(learner, "source", None) == "validation"]
    if not learning:
        return
    reason = f"smoothing learns from validation ({type(learning[0]).__name__})"
    if trainer.get("limit_val_batches") == 0:
        raise UserMistake(f"trainer.limit_val_batches = 0: {reason}")
    every, epochs = trainer.get("check_val_every_n_epoch") or 1, trainer.get("max_epochs") or 0
    if every > epochs > 0:
        raise UserMistake(
            f"trainer.check_val_every_n_epoch = {every}: more than trainer.max_epochs = {epochs}, and {reason}"
        )


def _check_limits(trainer: Mapping[str, Any], data: DataModule, ranks: int) -> None:
    """Refuse a share of the batches that is less than one batch."""
    loaders = {"limit_train_batches": data.train_dataloader(), "limit_val_batches": data.val_dataloader()}
    for name, loader in loaders.items():
        limit = trainer.get(name, 1.0)
        if name == "limit_val_batches" and limit == 0:
            continue  # no validation, on purpose
        # no group is there yet: the loader is that of one process
        shares = ranks * (data.batch_size_of(ranks) / data.batch_size if name == "limit_train_batches" else 1)
        batches = math.ceil(len(loader) / shares)
        if limit is not None and (limit if isinstance(limit, int) else int(limit * batches)) < 1:
            raise UserMistake(f"trainer.{name} = {limit}: less than one of the {batches} batches")


def _check_output(task: Task, data: DataModule) -> None:
    """Try net, smoother, loss and penalties on two rows: what does not fit is found before a directory is made."""
    batch, classes = data.first(2), len(data.class_names)
    if task.slices is not None and task.slices not in (columns := data.slice_columns):
        known = ", ".join(columns) or "none"
        raise UserMistake(f"task.slices = {task.slices!r}: expected a metadata column of the data; they have {known}")
    task.eval()
    try:
        with torch.no_grad():
            logits = task.net(batch.features)
    except Exception as error:
        reason = reason_of(error)
        raise UserMistake(f"net: fails on features of shape {tuple(batch.features.shape)} ({reason})") from error
    finally:
        task.train()
    if not isinstance(logits, torch.Tensor) or logits.shape != (len(batch), classes):
        shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise UserMistake(
            f"net: gives {shape} for {len(batch)} rows; expected ({len(batch)}, {classes}), a logit a class"
        )
    random = torch.get_rng_state()
    task.eval()  # learners learn nothing from it
    try:
        with torch.no_grad():
            task.terms(batch)
    except InvalidArgument as error:
        raise UserMistake(f"smoothing, loss, penalty or mixing does not fit the data: {error}") from None
    finally:
        task.train()
        torch.set_rng_state(random)


def _check_monitors(config: Mapping[str, Any], known: Mapping[str, str]) -> None:
    """Find a misspelt metric, or one that is sought in the wrong direction, before the first epoch is over."""
    for name in ("best", "last"):
        node = config["callbacks"].get(f"{name}_checkpoint")
        if node is not None and (node.get("filename") != name or node.get("dirpath")):
            raise UserMistake(f"callbacks.{name}_checkpoint: its file is checkpoints/{name}.ckpt, always")
    nodes = {f"callbacks.{name}": node for name, node in config["callbacks"].items()}
    for name, node in (nodes | {"scheduler": config["scheduler"]}).items():
        monitor = node.get("monitor")
        if monitor is None:
            continue
        if monitor not in known:
            near = difflib.get_close_matches(str(monitor), known, n=1)
            hint = f"nearest: {near[0]}; " if near else ""
            raise UserMistake(f"{name}.monitor = {monitor!r}: {hint}one of {', '.join(known)}")
        mode, better = node.get("mode", "min"), known[monitor]
        if mode != better:
            raise UserMistake(f"{name}.mode = {mode!r}: of {monitor} the best is the {better}")
        every, epochs = config["trainer"].get("check_val_every_n_epoch") or 1, config["trainer"].get("max_epochs") or 0
        if every > epochs > 0:
            raise UserMistake(f"trainer.check_val_every_n_epoch = {every}: more than trainer.max_epochs = {epochs}")
        if config["trainer"].get("limit_val_batches") == 0:
            raise UserMistake(f"trainer.limit_val_batches = 0: {name} monitors {monitor}, which needs validation")
