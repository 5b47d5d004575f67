"""What a config is built into: each object once, made before the data are read and told of them afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from smoothlab.classes import ClassInfo, NeedsClasses
from smoothlab.config.allowed import resolve_target
from smoothlab.config.build import build, call
from smoothlab.config.scheduling import make_schedule
from smoothlab.data.module import DataModule
from smoothlab.errors import UserMistake
from smoothlab.kinds import KINDS, Kind
from smoothlab.losses.loss import check_smoother
from smoothlab.models.kinds import check_task
from smoothlab.models.making import make_net
from smoothlab.smoothing import MultilabelSmoother
from smoothlab.smoothing.multilabel import answers_of
from smoothlab.tasks.schedule import Schedule
from smoothlab.tasks.task import Task

MOST_COUNTED = 10_000  # classes whose training counts a checkpoint keeps


@dataclass(frozen=True)
class Parts:
    """The objects of one training that need no data; a second training makes its own.

    Args:
        config: the resolved config.
        allowed: prefixes that targets may begin with.
        smoother: makes soft targets.
        loss: in the place of the cross-entropy; None: the cross-entropy.
        penalties: by the names of the config's group.
        optimizer: makes the optimizer of given parameters.
        schedule: of the learning rate; None: a constant one.
    """

    config: Mapping[str, Any]
    allowed: tuple[str, ...]
    smoother: Any  # Smoother, MultilabelSmoother, or one's own of their kind
    loss: Any | None
    penalties: dict[str, Any]
    optimizer: Callable[..., torch.optim.Optimizer]
    schedule: Schedule | None

    @classmethod
    def of(cls, config: Mapping[str, Any], allowed: tuple[str, ...]) -> Parts:
        """Make them.

        Raises:
            UserMistake: a target or an argument is refused, or the loss does not take the smoother's targets.
        """
        smoother, loss, penalties, optimizer = (
            build(config[key], key, allowed=allowed) for key in ("smoothing", "loss", "penalty", "optimizer")
        )
        if loss:
            call(check_smoother, "smoothing", loss, smoother)
        schedule = make_schedule(config["scheduler"], allowed)
        return cls(config, allowed, smoother, loss or None, penalties, optimizer, schedule)

    @property
    def losses(self) -> dict[str, Any]:
        """Loss and penalties, by their keys in the config."""
        named = {} if self.loss is None else {"loss": self.loss}
        return named | {f"penalty.{name}": penalty for name, penalty in self.penalties.items()}

    def tell_classes(self, data: DataModule) -> None:
        """Tell smoother, loss and penalties which classes the data have.

        Args:
            data: a data module that is set up.

        Raises:
            UserMistake: one of them, or the task, does not fit the classes.
        """
        _check_label_kind(self.config["task"], data, self.allowed)
        assert data.encoder is not None
        info = ClassInfo(
            data.class_names,
            data.class_counts,
            num_rows=data.num_rows,
            num_samples=data.num_samples,
            encoder=data.encoder.state(),
            tree=data.class_tree,
            never=data.never,
            ordered=are_ordered(self.config["task"], data),
        )
        if isinstance(self.smoother, NeedsClasses):
            call(self.smoother.bind, "smoothing", info)
        if isinstance(self.smoother, MultilabelSmoother):  # the losses see questions about each label
            info = answers_of(info)
        for key, part in self.losses.items():
            if isinstance(part, NeedsClasses):
                call(part.bind, key, info)

    def mixing(self, data: DataModule) -> Any | None:
        """What mixes samples of these data; None where nothing does.

        Raises:
            UserMistake: the samples have no mean.
        """
        node = self.config["mixing"]
        _check_mixing(node, data)
        return build(node, "mixing", allowed=self.allowed, num_classes=len(data.class_names)) or None

    def task(self, data: DataModule) -> Task:
        """The task with its net, for data that are set up; the net's weights are drawn from torch's generator.

        Raises:
            UserMistake: a part does not fit the data.
        """
        self.tell_classes(data)
        mixing = self.mixing(data)
        config, classes = self.config, data.class_names
        kind = _kind_of(config["task"], self.allowed)
        net = make_net(config, kind, len(classes), data.net_arguments, self.allowed)
        of_data = {"tree": data.class_tree, "ordered": data.class_order, "slices": data.slice_column}
        assert data.encoder is not None
        task = build(
            config["task"],
            "task",
            allowed=self.allowed,
            net=net,
            smoother=self.smoother,
            loss=self.loss,
            penalties=self.penalties,
            mixing=mixing,
            class_names=classes,
            optimizer=self.optimizer,
            scheduler=self.schedule,
            encoder_state=data.encoder.state(),
            **{name: value for name, value in of_data.items() if value and config["task"].get(name) is None},
        )
        check_task(task, config["task"]["_target_"])
        assert isinstance(task, Task)
        if len(classes) <= MOST_COUNTED:
            task.class_counts = [int(count) for count in data.class_counts]
        return task


def are_ordered(task: Mapping[str, Any], data: DataModule) -> bool:
    """Whether the classes are in their ordinal order: as the task says, or else the data."""
    ordered = task.get("ordered")
    return bool(data.class_order if ordered is None else ordered)


def _kind_of(task: Mapping[str, Any], allowed: tuple[str, ...]) -> Kind | None:
    """The kind of a config's task; None where a function makes the task, which only then says its kind."""
    return KINDS.get(getattr(resolve_target(task["_target_"], allowed, key="task._target_"), "kind", ""))


def _check_label_kind(task: Mapping[str, Any], data: DataModule, allowed: tuple[str, ...]) -> None:
    """Refuse data whose labels are not those of the task's kind."""
    kind, labels = _kind_of(task, allowed), data.label_kind
    if labels is None:
        labels = _labels_seen(data.first(64).labels)
    elif labels not in [known.labels for known in KINDS.values()]:
        labels = "single"  # votes and ordered classes
    if kind is None or labels in ("", kind.labels):
        return
    words, better = next((known.data_words, known.name) for known in KINDS.values() if known.labels == labels)
    if kind.decodes:
        words, better = "are no sentence pairs", "classification"
    several = ", or data.labels=multilabel with columns of 0 and 1 or a data.label_separator"
    more = several if (kind.labels, labels) == ("multilabel", "single") else ""
    raise UserMistake(f"task: {kind.name}, but the data {words}; take task={better}{more}")


def _labels_seen(labels: torch.Tensor) -> str:
    """Whether there are several labels a sample; empty where it may as well be votes."""
    if labels.ndim == 1:
        return "single"
    rows = labels.double()
    votes = bool((rows >= 0).all()) and torch.allclose(rows.sum(1), rows.new_ones(()), atol=1e-3)
    return "" if votes else "multilabel"


def _check_mixing(mixing: Mapping[str, Any], data: DataModule) -> None:
    """Refuse a mean of codes: that of the second and the fourth category is not the third."""
    if not mixing:
        return
    what = {"cardinalities": "category codes", "vocab_size": "token ids", "source_vocab_size": "token ids"}
    for name, codes in what.items():
        if data.net_arguments.get(name):
            better = "data.categories=one_hot or " if name == "cardinalities" else ""
            raise UserMistake(f"mixing: the features have {codes}, which have no mean; take {better}mixing=none")
