"""Everything that can be wrong with a run, found before its directory is made."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from pytorch_lightning import Callback, seed_everything

from smoothlab.classes import ClassInfo, NeedsClasses
from smoothlab.config.allowed import ALLOWED, add_code, check_targets, code_fingerprint, resolve_target
from smoothlab.config.build import build, call
from smoothlab.config.packages import check_packages
from smoothlab.config.progress import following_progress
from smoothlab.config.scheduling import make_schedule, try_schedule, without_timing
from smoothlab.config.trainer_arguments import check_trainer_arguments
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.learner import learners_in
from smoothlab.losses.loss import check_smoother
from smoothlab.models.kinds import check_task, check_task_class
from smoothlab.rundir.identity import run_identity
from smoothlab.scoring.calibrating import Afterwards, check_groups, make_afterwards
from smoothlab.smoothing import MultilabelSmoother
from smoothlab.smoothing.multilabel import answers_of
from smoothlab.tasks.schedule import Schedule
from smoothlab.tracking.console import quiet_lightning
from smoothlab.training.devices import check_compile, check_devices, count_ranks, make_trainer
from smoothlab.training.loggers import check_loggers
from smoothlab.training.rehearsal import check_callbacks, rehearse
from smoothlab.training.threads import check_threads

PARTS = (
    *("data", "net", "task", "smoothing", "loss", "penalty", "mixing"),
    *("optimizer", "scheduler", "trainer", "logger", "callbacks"),
)
MOST_COUNTED = 10_000  # classes whose training counts a checkpoint keeps
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
    ranks: int = 1  # processes that train
    afterwards: Afterwards = field(default_factory=Afterwards)


def check_config(config: dict[str, Any]) -> tuple[tuple[str, ...], list[Callback]]:
    """Check everything that needs no data; returns the allowed prefixes of targets and the run's callbacks.

    Raises:
        UserMistake: something in the config is wrong.
    """
    _check_parts(config)
    allowed = (*ALLOWED, *add_code(config["code"]))
    check_task_class(config, allowed)
    check_trainer_arguments(config["trainer"])
    check_targets({**config, "scheduler": without_timing(config["scheduler"])}, allowed)
    check_packages(config, allowed)
    check_seed(config["seed"])
    check_threads(config["threads"])
    smoother = build(config["smoothing"], "smoothing", allowed=allowed)
    if config["loss"]:
        loss = resolve_target(config["loss"]["_target_"], allowed, key="loss._target_")
        call(check_smoother, "smoothing", loss, smoother)
    epochs = config["trainer"].get("max_epochs")
    if epochs == -1:
        _check_without_end({"smoothing": smoother}, config, allowed)
    schedule = make_schedule(config["scheduler"], allowed)
    if epochs == -1 and config["trainer"].get("max_steps", -1) == -1 and schedule is not None and schedule.needs_end:
        raise UserMistake("trainer.max_epochs = -1: a schedule needs an end; give a number, or scheduler=none")
    _check_validation(config["trainer"], smoother)
    if config["progress"] not in PROGRESS:
        raise UserMistake(f"progress = {config['progress']!r}: expected one of {', '.join(PROGRESS)}")
    _try_optimizer(config, schedule, allowed)
    callbacks = build(config["callbacks"], "callbacks", allowed=allowed)
    check_callbacks(callbacks)
    with quiet_lightning(), determinism_kept():
        trainer = make_trainer(config, allowed, logger=False, callbacks=list(callbacks.values()))
    check_devices(config, trainer)
    return allowed, list(callbacks.values())


def prepare(config: dict[str, Any]) -> Prepared:
    """Check the whole config, read the data and make every object that can be wrong, without writing anything.

    Raises:
        UserMistake: something in the config or the data is wrong.
    """
    allowed, callbacks = check_config(config)
    check_loggers(config, allowed)
    data = build(config["data"], "data", allowed=allowed)
    call(data.setup, "data")
    with determinism_kept():
        ranks = count_ranks(config, allowed)
    _check_limits(config["trainer"], data, ranks)
    seed_everything(config["seed"], workers=True, verbose=False)
    task = make_task(config, data, allowed)
    _check_monitors(config, task.monitored)
    _check_output(task, data)
    with quiet_lightning(), determinism_kept():
        rehearse(config, allowed, task, data, ranks)
    afterwards = make_afterwards(config, task, allowed)
    check_compile(config, task)
    identity = run_identity(config, data.fingerprint + code_fingerprint(config["code"]))
    return Prepared(config, allowed, data, task, callbacks, identity, ranks, afterwards)


def check_fit(config: dict[str, Any], data: Any) -> None:
    """Find whether a run's parts fit data that are set up, as ``prepare`` does, of many configs for the same data.

    Raises:
        UserMistake: something in the config is wrong, or does not fit the data.
    """
    allowed, _ = check_config(config)
    task = make_task(config, data, allowed)
    _check_monitors(config, task.monitored)
    _check_output(task, data)
    make_afterwards(config, task, allowed)


def check_seed(seed: Any) -> None:
    """Refuse what numpy and torch would not take as a seed."""
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise UserMistake(f"seed = {seed!r}: expected an integer in [0, 4294967295]")


def make_parts(config: Mapping[str, Any], data: Any, allowed: tuple[str, ...]) -> dict[str, Any]:
    """Smoother, loss, penalties and mixing by their groups' names, told which classes the data have.

    Args:
        config: the resolved config.
        data: a data module that is set up.
        allowed: prefixes that targets may begin with.

    Raises:
        UserMistake: a part is refused, or does not fit the classes.
    """
    classes = data.class_names
    _check_label_kind(config["task"], data, allowed)
    _check_mixing(config["mixing"], data)
    parts = {name: build(config[name], name, allowed=allowed) for name in ("smoothing", "loss", "penalty")}
    parts["mixing"] = build(config["mixing"], "mixing", allowed=allowed, num_classes=len(classes))
    counts = {"num_rows": data.num_rows, "num_samples": data.num_samples}
    info = ClassInfo(
        classes,
        data.class_counts,
        **counts,
        encoder=data.encoder.state(),
        tree=data.class_tree,
        never=data.never,
        ordered=are_ordered(config["task"], data),
    )
    several = isinstance(parts["smoothing"], MultilabelSmoother)  # labels a sample: losses see questions about each
    named = {"loss": parts["loss"]} | {f"penalty.{name}": one for name, one in parts["penalty"].items()}
    for key, part in ({"smoothing": parts["smoothing"]} | named).items():
        if isinstance(part, NeedsClasses):
            call(part.bind, key, answers_of(info) if several and key in named else info)
    return parts


def are_ordered(task: Mapping[str, Any], data: Any) -> bool:
    """Whether the classes are in their ordinal order: as the task says, or else the data."""
    told = task.get("ordered")
    return bool(data.class_order if told is None else told)


def make_task(config: Mapping[str, Any], data: Any, allowed: tuple[str, ...]) -> Any:
    """The task with net, smoother, optimizer and scheduler, for data that are set up."""
    classes = data.class_names
    parts = make_parts(config, data, allowed)
    net = build(config["net"], "net", allowed=allowed, num_classes=len(classes), **data.net_arguments)
    of_data = {"tree": data.class_tree, "ordered": data.class_order, "slices": data.slice_column}
    told = {name: value for name, value in of_data.items() if value and config["task"].get(name) is None}
    task = build(
        config["task"],
        "task",
        allowed=allowed,
        net=net,
        smoother=parts["smoothing"],
        loss=parts["loss"] or None,
        penalties=parts["penalty"],
        mixing=parts["mixing"] or None,
        class_names=classes,
        optimizer=build(config["optimizer"], "optimizer", allowed=allowed),
        scheduler=make_schedule(config["scheduler"], allowed),
        encoder_state=data.encoder.state(),
        **told,
    )
    check_task(task, config["task"]["_target_"])
    if len(classes) <= MOST_COUNTED:
        task.class_counts = [int(count) for count in data.class_counts]
    return task


@contextlib.contextmanager
def determinism_kept() -> Iterator[None]:
    """Put back what a Trainer with ``deterministic`` sets for the whole process."""
    before = torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _check_parts(config: Mapping[str, Any]) -> None:
    """Refuse a config from which a part was taken out."""
    for name in PARTS:
        if not isinstance(config.get(name), Mapping):
            raise UserMistake(f"{name} = {config.get(name)!r}: expected one of its options (see smoothlab --help)")
    check_groups(config)
    for name in ("name", "output_root"):
        if not isinstance(config.get(name), str) or not config[name].strip():
            raise UserMistake(f"{name} = {config.get(name)!r}: expected a text that is not empty")


def _check_without_end(parts: dict[str, Any], config: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    """Refuse what changes with a progress that a run without an end does not make."""
    for name in ("loss", "penalty"):
        parts[name] = build(config[name], name, allowed=allowed)
    for name, part in parts.items():
        found = following_progress(part)
        if found is not None:
            what = f"{name} that changes with progress ({type(found).__name__})"
            raise UserMistake(f"trainer.max_epochs = -1: {what} needs an end; give a number")


def _check_label_kind(task: Mapping[str, Any], data: Any, allowed: tuple[str, ...]) -> None:
    """Refuse data with several labels a sample for a task with one, and the reverse."""
    kind = getattr(resolve_target(task["_target_"], allowed, key="task._target_"), "kind", None)
    if (kind == "translation") != (data.label_kind == "tokens"):
        what, better = (
            ("sentence pairs", "translation") if kind != "translation" else ("no sentence pairs", "classification")
        )
        raise UserMistake(f"task: {kind}, but the data are {what}; take task={better}")
    several = data.label_kind and data.label_kind == "multilabel"
    if data.label_kind is None:
        several = _several(data.first(64).labels)
    if kind == "classification" and several:
        raise UserMistake("task: classification, but the data have several labels a sample; take task=multilabel")
    if kind == "multilabel" and several is False:
        raise UserMistake("task: multilabel, but the data have one label a sample; take task=classification")


def _several(labels: torch.Tensor) -> bool | None:
    """Whether there are several labels a sample; None where it may as well be votes."""
    if labels.ndim == 1:
        return False
    rows = labels.double()
    return None if bool((rows >= 0).all()) and torch.allclose(rows.sum(1), rows.new_ones(()), atol=1e-3) else True


def _check_mixing(mixing: Mapping[str, Any], data: Any) -> None:
    """Refuse a mean of codes: that of the second and the fourth category is not the third."""
    if not mixing:
        return
    what = {"cardinalities": "category codes", "vocab_size": "token ids", "source_vocab_size": "token ids"}
    for name, codes in what.items():
        if data.net_arguments.get(name):
            better = "data.categories=one_hot or " if name == "cardinalities" else ""
            raise UserMistake(f"mixing: the features have {codes}, which have no mean; take {better}mixing=none")


def _check_validation(trainer: Mapping[str, Any], smoother: Any) -> None:
    """Refuse smoothing that learns from validation where there is none: it would stay at its start."""
    learning = [one for one in learners_in(smoother) if getattr(one, "source", None) == "validation"]
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


def _check_limits(trainer: Mapping[str, Any], data: Any, ranks: int) -> None:
    """Refuse a share of the batches that is less than one batch."""
    loaders = {"limit_train_batches": data.train_dataloader(), "limit_val_batches": data.val_dataloader()}
    for name, loader in loaders.items():
        limit = trainer.get(name, 1.0)
        if name == "limit_val_batches" and limit == 0:
            continue  # no validation, on purpose
        batches = -(-len(loader) // ranks)  # no group is there yet: the loader is that of one process
        if limit is not None and (limit if isinstance(limit, int) else int(limit * batches)) < 1:
            raise UserMistake(f"trainer.{name} = {limit}: less than one of the {batches} batches")


def _check_output(task: Any, data: Any) -> None:
    """Try net, smoother, loss and penalties on two rows: what does not fit is found before a directory is made."""
    batch, classes = data.first(2), len(data.class_names)
    columns = data.sentence_metadata("val") if data.label_kind == "tokens" else batch.metadata  # that slices can be of
    if task.slices is not None and task.slices not in columns:
        known = ", ".join(columns) or "none"
        raise UserMistake(f"task.slices = {task.slices!r}: expected a metadata column of the data; they have {known}")
    task.eval()
    try:
        with torch.no_grad():
            logits = task.net(batch.features)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
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


def _try_optimizer(config: Mapping[str, Any], schedule: Schedule | None, allowed: tuple[str, ...]) -> None:
    """Find a bad learning rate before any work: make both once, for one parameter."""
    optimizer = build(config["optimizer"], "optimizer", allowed=allowed)([torch.nn.Parameter(torch.zeros(1))])
    try_schedule(optimizer, schedule)
