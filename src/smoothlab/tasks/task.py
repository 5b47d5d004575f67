"""What every task shares: a net trained against soft targets, judged against the labels as they are."""

from __future__ import annotations

import inspect
import math
import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.strategies import FSDPStrategy
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import Metric

from smoothlab.classes import Hierarchy
from smoothlab.classes.tree_file import TreeSource
from smoothlab.data.batch import TRUTH, Batch
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.learner import Learner, learners_in
from smoothlab.losses import Loss
from smoothlab.losses.penalties import Penalty
from smoothlab.metrics import cost_matrix
from smoothlab.nets.tabm import mean_of_members
from smoothlab.numbers import check_whole
from smoothlab.smoothing import MultilabelSmoother, Smoother
from smoothlab.soft_labels import SoftLabels
from smoothlab.step import Step
from smoothlab.targets import SoftTarget
from smoothlab.tasks.clipping import clip
from smoothlab.tasks.diverged import diverged
from smoothlab.tasks.loss_meter import LossMeter
from smoothlab.tasks.rates import RATE, by_rate
from smoothlab.tasks.schedule import Schedule, is_plateau

TINY = 1e-20  # a sum of weights that counts as none
PLAIN = frozenset((type(None), str, int, float))
Terms = tuple[SoftTarget | SoftLabels, Tensor, dict[str, Tensor]]  # target, losses and penalties of a batch
WEIGHT = "sample_weight"  # the metadata column of a row's weight in training


@dataclass(frozen=True)
class Validation:
    """What a validation in the course of a training gave.

    Args:
        epoch: from 0.
        step: optimizer steps before it.
        metrics: ``val/...``.
    """

    epoch: int
    step: int
    metrics: dict[str, float]


class Task(LightningModule):
    """Train a net against soft targets, judge it against the labels as they are.

    A kind of task says what the loss of its targets is (``losses``), which metrics judge it (``make_metrics``,
    ``more_metrics``) and how they count a batch (``count``).

    Args:
        net: maps features ``(N, ...)`` to logits ``(N, K)``; an ensemble in one net in training to ``(N, members, K)``.
        smoother: makes the soft targets of a training step.
        class_names: K names, in the order of the logits.
        loss: maps logits, target and step to a loss for each row, or None: that of the kind of task.
        penalties: terms that are added to the loss of each row, by the name they are logged under.
        mixing: mixes features and labels of a batch (mixup, cutmix) before the net sees it, or None.
        optimizer: called with the parameters.
        scheduler: what makes a learning-rate scheduler and says when it steps, or a class or function alone.
        num_bins: bins of the calibration errors.
        tree: of the classes, for metrics on it: a ClassTree, nested names, or a file of them, or None. Every class is a
            node by name or path.
        ordered: whether the classes are in their ordinal order; None is False.
        costs: of each decision where each class is true (see :func:`smoothlab.metrics.cost_matrix`), or None.
        slices: the metadata column by which the final metrics are told apart too, or None.
        num_slices: how many slices of equally many samples a column of numbers is cut into.
        encoder_state: what the data's encoder of raw columns needs to be made again, plain values; stored in each
            checkpoint, since a model without it cannot read a row.

    Raises:
        InvalidArgument: no bins, no slices, a class that is no node of the tree, costs that do not fit the classes.
    """

    kind: ClassVar[str]  # in each checkpoint, for what reads the logits

    def __init__(
        self,
        net: nn.Module,
        smoother: Smoother | MultilabelSmoother,
        class_names: Sequence[str],
        *,
        optimizer: Callable[..., Optimizer],
        loss: Loss | None = None,
        penalties: Mapping[str, Penalty] | None = None,
        mixing: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
        scheduler: Schedule | Callable[..., Any] | None = None,
        num_bins: int = 15,
        tree: TreeSource | None = None,
        ordered: bool | None = None,
        costs: dict[str, Any] | list[Any] | None = None,
        slices: str | None = None,
        num_slices: int = 5,
        encoder_state: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_whole("num_bins", num_bins, 1)
        check_whole("num_slices", num_slices, 1)
        self.net = net
        self.smoother = self.own_smoother(smoother)
        self.class_names = list(class_names)
        self.loss = loss
        self.penalties = dict(penalties or {})
        # registered, so that those with a state are moved and saved
        self.penalty_modules = nn.ModuleDict(
            {k: penalty for k, penalty in self.penalties.items() if isinstance(penalty, nn.Module)}
        )
        self.mixing = mixing
        self.learners = {
            "smoothing": learners_in(smoother),
            "loss": learners_in(loss),
            "penalty": learners_in(*self.penalties.values()),
        }
        self.make_optimizer = optimizer
        self.schedule = Schedule.of(scheduler)
        self.num_bins = num_bins
        self.encoder_state = encoder_state
        self.class_counts: list[int] | None = None  # of the training rows, for those who compare later ones with them
        self.hierarchy = None if tree is None else Hierarchy(tree, self.class_names)
        self.ordered = bool(ordered)
        self.costs = None if costs is None else cost_matrix(costs, self.class_names)
        self.slices = slices
        self.num_slices = num_slices
        self.compiled: Callable[[Batch], Terms] | None = None  # gives the terms of what the net sees, in its place
        self.train_loss = LossMeter()
        self.val_metrics = self.make_metrics()
        self.test_metrics = self.make_metrics()
        self._total_steps = 0.0  # of the whole run; 0 until it starts, and for one without an end
        self._gathered: float | Tensor = 0  # samples, or their weights, since the last optimizer step
        self._validation: Validation | None = None  # the last one
        self._row: dict[str, float] = {}  # of the last validation, until it is written
        self._epoch_so_far: dict[str, Any] | None = None  # of a training that goes on within an epoch

    # What a kind of task says --------------------------------------------------------------------------------------

    def own_smoother(self, smoother: Smoother | MultilabelSmoother) -> Smoother | MultilabelSmoother:
        """The smoother that this kind of task takes for a given one."""
        return smoother

    @property
    @abstractmethod
    def monitored(self) -> dict[str, str]:
        """What a callback's ``monitor`` can be, and its ``mode``: whether less (``min``) or more is better."""

    @abstractmethod
    def make_metrics(self) -> list[Metric]:
        """The metrics of a split, each of which computes a dictionary."""

    def more_metrics(self) -> list[Metric]:
        """Those among the metrics that are exact however many samples there are, made anew."""
        return []

    @abstractmethod
    def count(self, metrics: list[Metric], logits: Tensor, labels: Tensor) -> None:
        """Count a batch of a split.

        Raises:
            InvalidArgument: the logits are no numbers.
        """

    @abstractmethod
    def losses(self, logits: Tensor, target: Any, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of a batch's losses, and the sums of its penalties by name; a row counts by its sample weight."""

    def mixed(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Features and labels of a batch mixed with itself."""
        assert self.mixing is not None
        return self.mixing(features, labels)

    def show(self, learner: Learner, logits: Tensor, labels: Tensor) -> None:
        """Show a validation batch to a learner."""
        learner.validate(logits, labels)

    # What they share ------------------------------------------------------------------------------------------------

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(N, K)``."""
        logits: Tensor = self.net(features)
        return logits

    # Training ---------------------------------------------------------------------------------------------------------

    def on_train_start(self) -> None:
        """Learn how long the run will be, for schedules on its progress."""
        self._total_steps = float(self.trainer.estimated_stepping_batches)
        self.train_loss.reset()
        if self._epoch_so_far is not None:
            self._take_up(self._epoch_so_far)
            self._epoch_so_far = None

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes the name of each hook that it enters: torch asks of each value whether it is a parameter.
        if type(value) in PLAIN and name in self.__dict__:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    @property
    def progress(self) -> float:
        """Share of the run's optimizer steps that are done, in [0, 1]; 0 for a run without an end."""
        return min(1.0, self.global_step / self._total_steps) if self._total_steps else 0.0

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch: net, smoother, loss, penalties, record."""
        if self._row and self._validation is not None and self._validation.step < self.global_step:
            self._write_row(self._row, self._validation.step)  # the validation was within the epoch
        if not len(batch):
            return self._without_samples(batch)
        return self.record(batch, *self.terms(batch))

    # Lightning asks for it in each step.
    training_step.__signature__ = inspect.signature(training_step)  # type: ignore[attr-defined]

    def record(self, batch: Batch, target: Any, loss: Tensor, penalties: Mapping[str, Tensor]) -> Tensor:
        """Note what ``terms`` gave of a training batch; returns its loss, a mean over its samples."""
        entropy, count = target.entropy(len(self.class_names)), len(batch)
        weight = batch.metadata.get(WEIGHT)
        if weight is not None and isinstance(entropy, Tensor) and entropy.ndim:
            entropy = entropy * weight.reshape(-1, *[1] * (entropy.ndim - 1))
        # Weights have the mean 1 over the training rows, so that an epoch's sums over its samples are weighted means.
        bad_step = self.train_loss.add(loss, count, entropy, target.epsilon, self.global_step, penalties)
        if bad_step is not None:
            raise diverged(self, bad_step)
        size = count if weight is None else weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)
        self._gathered = self._gathered + size
        return sum(penalties.values(), loss) / self._divisor(size)

    def _without_samples(self, batch: Batch) -> Tensor:
        """The loss of a rank to which no sample of a step falls: 0, with a gradient of zeros for every parameter."""
        bad_step = self.train_loss.add_nothing(self.device, self.global_step)
        if bad_step is not None:
            raise diverged(self, bad_step)
        if isinstance(self.trainer.strategy, FSDPStrategy):  # its parameters are whole within a forward pass alone
            logits: Tensor = self.net(batch.features)
            return logits.sum() * 0.0
        return torch.stack(
            [(weights * 0.0).sum().float() for weights in self.parameters() if weights.requires_grad]
        ).sum()

    def terms(self, batch: Batch) -> Terms:
        """A training batch's soft target, the sum of its losses, and the sums of its penalties by name."""
        seen = self.seen_of(batch)
        if self.compiled is not None:
            return self.compiled(seen)
        return self.terms_of(self.net(seen.features), seen)

    def seen_of(self, batch: Batch) -> Batch:
        """What the net sees of a training batch: a mixture of its samples, which are no rows of the data, or itself."""
        if self.mixing is None:
            return batch
        if WEIGHT in batch.metadata:
            raise InvalidArgument(
                "mixing", type(self.mixing).__name__, "none: a mixture of weighted rows has no weight"
            )
        features, labels = self.mixed(batch.features, batch.labels)
        return Batch(features, labels, batch.rows)

    def terms_of(self, logits: Tensor, seen: Batch) -> Terms:
        """``terms`` of the logits that the net gives for what it sees of a batch."""
        members: Sequence[Tensor] = (logits,)
        if logits.ndim == 3:  # (N, members, K): an ensemble in one net, each member with its own loss
            members, logits = logits.unbind(1), mean_of_members(logits)
        rows = seen.rows if self.mixing is None else None
        step = Step(seen.labels, logits.detach(), self.progress, rows, seen.metadata, seen.features)
        target = self.smoother.target(step)
        return target, *self.mean_losses(members, target, step)

    def mean_losses(self, members: Sequence[Tensor], target: Any, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        """:meth:`losses` of the members' logits ``(N, K)``, their mean."""
        if len(members) == 1:
            return self.losses(members[0], target, step)
        losses, penalties = zip(*(self.losses(logits, target, step) for logits in members), strict=True)
        means = {name: torch.stack([each[name] for each in penalties]).mean(0) for name in penalties[0]}
        return torch.stack(losses).mean(0), means

    def _divisor(self, count: float | Tensor) -> float | Tensor:
        # Lightning divides each micro-batch by their number, and DDP the sum over ranks by theirs; a fixed divisor,
        # undone in on_before_optimizer_step, makes the step a sum over all samples by their count (or the sum of their
        # weights), however the batch is cut.
        return count if self._parts == 1 else 1.0

    @property
    def _parts(self) -> int:
        """Micro-batches of a step, over all ranks."""
        return self.trainer.accumulate_grad_batches * self.trainer.world_size

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Divide gathered gradients by the samples gathered on all ranks, where a step has several micro-batches."""
        if self._parts > 1:
            gathered: Any = self._gathered
            if self.trainer.world_size > 1:
                gathered = torch.as_tensor(gathered, dtype=torch.float64, device=self.device).clone()
                torch.distributed.all_reduce(gathered)
            # not 0, whatever the weights
            gathered = gathered.clamp_min(TINY) if isinstance(gathered, Tensor) else max(gathered, TINY)
            factor = self._parts / gathered
            grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            torch._foreach_mul_(grads, factor)
        self._gathered = 0

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip the gradients, of a fused optimizer beside mixed precision too."""
        clip(self.trainer.precision_plugin, optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_train_epoch_end(self) -> None:
        """Close the epoch: refuse a loss that is no number, step a scheduler that watches, write the epoch's row.

        Written before the epoch's checkpoint, so that the one to resume from never runs ahead of the rows.
        """
        self._refuse_bad_steps()
        validation = self._validation
        validated_now = validation is not None and validation.step == self.global_step
        if not validated_now and not all(bool(weights.isfinite().all()) for weights in self.net.parameters()):
            raise diverged(self, self.global_step, "the weights")
        if self._row and validation is not None and not validated_now:
            self._write_row(self._row, validation.step)
        row = self.train_loss.summary() | self._row
        if self.loss is not None:
            row.pop("train/kl", None)  # the entropy of the targets is the floor of the cross-entropy alone
        self.train_loss.reset()
        self._step_plateau()
        for place, learners in self.learners.items():
            for learner in learners:
                learner.end_epoch()
                row |= {f"{place}/{name}": value for name, value in learner.record().items()}
        self._write_row(row | self._position(), self.global_step)

    def _refuse_bad_steps(self) -> None:
        """Raise TrainingDiverged where a loss since the last look was no number."""
        bad_step = self.train_loss.read()
        if bad_step is not None:
            raise diverged(self, bad_step)

    def _position(self) -> dict[str, float]:
        return {"lr": self.trainer.optimizers[0].param_groups[0]["lr"], "epoch": self.current_epoch}

    def _write_row(self, row: dict[str, float], step: int) -> None:
        """Send a row of metrics to the loggers: one a validation and one an epoch, or one for both at the same step."""
        self._row = {}
        for logger in self.trainer.loggers:
            logger.log_metrics(row, step=step)

    def _step_plateau(self) -> None:
        """Show a scheduler that watches a metric the epoch's last validation, if there was one."""
        schedule, validation = self.schedule, self._validation
        if schedule is None or schedule.monitor is None or validation is None or validation.epoch != self.current_epoch:
            return
        if (self.current_epoch + 1) % schedule.frequency == 0:
            scheduler: Any = self.lr_schedulers()
            scheduler.step(validation.metrics[schedule.monitor])

    def epoch_so_far(self) -> dict[str, Any]:
        """What a training that goes on within the epoch needs beside weights and optimizer: plain values and tensors.

        Of this rank, between two steps: its losses, a row that waits, and what its learners have seen.
        """
        several = self.trainer.world_size > 1  # of one rank the weights have their state
        learners = [learner.get_extra_state() for learner in self._all_learners] if several else []
        return {"losses": self.train_loss.get_state(), "row": self._row, "learners": learners}

    def _take_up(self, state: dict[str, Any]) -> None:
        """Go on with the epoch of :meth:`epoch_so_far`."""
        self.train_loss.set_state(state["losses"], self.device)
        self._row = state["row"]
        for learner, seen in zip(self._all_learners, state["learners"], strict=False):
            learner.set_extra_state(seen)

    @property
    def _all_learners(self) -> list[Learner]:
        return [learner for learners in self.learners.values() for learner in learners]

    # Evaluation: always against the labels as they are ----------------------------------------------------------------

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count a validation batch, and show it to what learns from validation."""
        if not len(batch):
            return  # this rank's share is over
        logits = self._count(self.val_metrics, batch)
        for learner in self._learning():
            self.show(learner, logits, batch.labels)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Count a test batch."""
        if len(batch):
            self._count(self.test_metrics, batch)

    def _count(self, metrics: list[Metric], batch: Batch) -> Tensor:
        logits: Tensor = self.net(batch.features)
        try:
            self.count(metrics, logits, batch.labels)
        except InvalidArgument as error:
            if self.trainer.state.fn != "fit" or not bool((logits.isnan() | (logits == torch.inf)).any()):
                raise
            raise diverged(self, self.global_step, "the logits of validation") from error
        return logits

    def _learning(self) -> list[Learner]:
        """The learners, while a training is going on."""
        if self.trainer.state.fn != "fit" or self.trainer.sanity_checking:
            return []
        return self._all_learners

    def on_validation_epoch_end(self) -> None:
        """Publish ``val/...``, for a row and for callbacks that monitor it; let learners learn from it."""
        for learner in self._learning():
            learner.end_validation()
        metrics = self._publish("val", self.val_metrics)  # Lightning keeps float32
        if self.trainer.state.fn != "fit" or self.trainer.sanity_checking:
            return
        self.validated(metrics)

    def validated(self, metrics: dict[str, float]) -> None:
        """Take what a validation of the training gave, ``val/...``, for the epoch's row and what monitors it."""
        self._refuse_bad_steps()  # before a checkpoint is written for what was validated
        self._validation = Validation(self.current_epoch, self.global_step, metrics)
        self._row = metrics | self._position()

    def on_test_epoch_end(self) -> None:
        """Publish ``test/...``."""
        self._publish("test", self.test_metrics)

    def _publish(self, split: str, metrics: list[Metric]) -> dict[str, float]:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message=".*was called before the ``update`` method"
            )  # a rank's share: none
            values = {f"{split}/{name}": float(value) for metric in metrics for name, value in metric.compute().items()}
        for metric in metrics:
            metric.reset()
        self.log_dict(values, logger=False)
        return values

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Logits ``(N, K)``, labels as they are and row numbers ``(N,)``, on the CPU; the true posterior if known.

        With ``slices`` that column ``(N,)`` too.
        """
        logits = self.net(batch.features)
        sliced = {"slices": batch.metadata[self.slices].cpu()} if self.slices in batch.metadata else {}
        truth = {name: batch.metadata[name].cpu() for name in TRUTH if name in batch.metadata}
        return {"logits": logits.cpu(), "labels": batch.labels.cpu(), "rows": batch.rows, **truth, **sliced}

    # Set-up -----------------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what turns raw rows into features and logits into names."""
        checkpoint["smoothlab"] = {
            **checkpoint.get("smoothlab", {}),
            "kind": self.kind,
            "encoder": self.encoder_state,
            "class_names": self.class_names,
            **({} if self._validation is None else {"validation": asdict(self._validation)}),
            **({} if self.class_counts is None else {"class_counts": self.class_counts}),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Know the last validation of a training that goes on, and what it had of an epoch.

        Raises:
            UserMistake: more or fewer ranks than those that were within the epoch.
        """
        ours = checkpoint.get("smoothlab", {})
        validation = ours.get("validation")
        self._validation = None if validation is None else Validation(**validation)
        of_ranks = ours.get("epoch_so_far")
        if of_ranks is None:
            return
        if len(of_ranks) != self.trainer.world_size:
            raise UserMistake(
                f"the checkpoint is from within an epoch of {len(of_ranks)} ranks; go on with as many, "
                f"not {self.trainer.world_size}"
            )
        self._epoch_so_far = of_ranks[self.global_rank]

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch, if it is not there already, and make features of what travels as bytes."""
        return batch.ready(device, self.dtype)  # type: ignore[arg-type]

    def configure_optimizers(self) -> Any:
        """The optimizer, and its scheduler where there is one.

        Raises:
            InvalidArgument: the scheduler ends before the run does.
        """
        optimizer = self.make_optimizer(by_rate(self))
        for group in optimizer.param_groups:
            group["lr"] *= group.get(RATE, 1.0)
        schedule = self.schedule
        if schedule is None:
            return optimizer
        total_steps = self._scheduler_steps(schedule)
        scheduler = schedule.make(optimizer, total_steps)
        length = getattr(scheduler, "total_steps", None)
        if isinstance(length, int) and length < total_steps:
            raise InvalidArgument("scheduler.total_steps", length, f"at least the {total_steps} steps that it takes")
        timing: dict[str, Any] = {"interval": "step" if schedule.by_step else "epoch"}
        if schedule.watches:
            # Lightning would step it after the epoch's checkpoint, and not at all in the first epoch after a resume.
            timing["reduce_on_plateau"] = False
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, **timing}}

    def _scheduler_steps(self, schedule: Schedule) -> int:
        """How many steps a scheduler takes in the whole run; 0 for a run without an end."""
        steps = float(self.trainer.estimated_stepping_batches)
        if not math.isfinite(steps):
            return 0
        if not schedule.by_step:
            steps /= math.ceil(self.trainer.num_training_batches / self.trainer.accumulate_grad_batches)
        return max(1, math.ceil(steps) // schedule.frequency)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Step a scheduler at every n-th step or epoch; ``on_train_epoch_end`` steps one that watches a metric.

        Lightning counts the batches of an epoch instead, and begins anew with each.
        """
        schedule = self.schedule
        assert schedule is not None
        done = self.global_step if schedule.by_step else self.current_epoch + 1
        if not is_plateau(scheduler) and done % schedule.frequency == 0:
            scheduler.step()
