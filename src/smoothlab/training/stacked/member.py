"""One run of a stack: what its own Trainer and callbacks would know and do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytorch_lightning
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor
from torch.optim import Optimizer

from smoothlab.learner import Learner, learners_in
from smoothlab.models.checkpoint import RunState
from smoothlab.rundir.directory import RunDirectory
from smoothlab.tasks.schedule import Schedule
from smoothlab.training.preparing import Prepared
from smoothlab.training.stacked.optimizers import Settings


class Rows:
    """A logger that keeps rows until the run's own loggers start."""

    def __init__(self) -> None:
        self.rows: list[tuple[dict[str, float], int]] = []

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Keep a row."""
        self.rows.append((dict(metrics), step))


class Member:
    """A run that trains in a stack.

    Args:
        prepared: the run; its net's weights are those of the start.
        run: its directory.
        batches: of an epoch.
        random: the state of torch's generator in which its own training would begin.
    """

    def __init__(self, prepared: Prepared, run: RunDirectory, batches: int, random: Tensor) -> None:
        self.prepared, self.run, self.task = prepared, run, prepared.task
        self.random = random
        self.batches = batches
        self.rows = Rows()
        self.best: dict[str, Any] | None = None  # what the best checkpoint has beside the weights
        self.best_value = math.nan
        self._better = False  # whether the epoch that is on has the best weights so far
        self.error: BaseException | None = None
        node = prepared.config["trainer"]
        self.max_epochs = int(node["max_epochs"])
        self.trainer: Any = SimpleNamespace(
            max_epochs=self.max_epochs,
            num_training_batches=batches,
            estimated_stepping_batches=batches * self.max_epochs,
            accumulate_grad_batches=1,
            world_size=1,
            global_rank=0,
            is_global_zero=True,
            current_epoch=0,
            global_step=0,
            precision=str(node.get("precision", "32-true")),
            state=SimpleNamespace(fn=TrainerFn.FITTING),
            sanity_checking=False,
            fast_dev_run=False,
            should_stop=False,
            val_check_interval=1.0,
            check_val_every_n_epoch=1,
            callback_metrics={},
            loggers=[self.rows],
            callbacks=prepared.callbacks,
            strategy=SimpleNamespace(reduce_boolean_decision=lambda decision, all=True: decision),
            optimizers=[],
            lr_scheduler_configs=[],
        )
        if self.trainer.precision.startswith("64"):
            self.task.double()
        self.task.trainer = self.trainer  # type: ignore[assignment]
        self.learners: list[Learner] = [*learners_in(self.task.smoother, self.task.loss, *self.task.penalties.values())]
        self._choosing = next(each for each in prepared.callbacks if isinstance(each, ModelCheckpoint) and each.monitor)
        self._stopping = [each for each in prepared.callbacks if isinstance(each, EarlyStopping)]
        self._state = RunState(prepared.config, prepared.identity)

    # Settings ---------------------------------------------------------------------------------------------------------

    def settings(self, alone: str) -> Settings:
        """How its weights are optimized.

        Args:
            alone: what tells it from all others, for a schedule that follows its own validation.
        """
        made = self.task.configure_optimizers()
        self.optimizer: Optimizer = made["optimizer"] if isinstance(made, dict) else made
        self.scheduler = made["lr_scheduler"]["scheduler"] if isinstance(made, dict) else None
        self.optimizer.step(lambda: 0.0)  # without gradients: nothing moves, and its schedule may begin
        self.trainer.optimizers = [self.optimizer]
        if self.scheduler is not None:
            self.trainer.lr_scheduler_configs = [SimpleNamespace(scheduler=self.scheduler)]
        schedule: Schedule | None = self.task.schedule
        config = self.prepared.config
        alike = f"{config['optimizer']} {config['scheduler']}"
        if schedule is not None:
            alike += alone if schedule.watches else f" {self.max_epochs}"
        return Settings(self.task.make_optimizer, self.optimizer, alike)

    # The course of the training ---------------------------------------------------------------------------------------

    def begin(self) -> None:
        """What Lightning calls before the first step."""
        self.task.train()
        self.task.on_train_start()
        for callback in self._stopping:
            callback.setup(self.trainer, self.task, stage="fit")

    def stepped(self) -> None:
        """After an optimizer step."""
        self.trainer.global_step += 1
        if self.scheduler is not None and self.task.schedule.by_step:  # type: ignore[union-attr]
            self.task.lr_scheduler_step(self.scheduler, None)

    def validated(self, metrics: dict[str, float]) -> bool:
        """Take an epoch's validation metrics, ``val/...``; returns whether its weights are the best so far.

        Raises:
            RuntimeError: the training has left the finite numbers.
        """
        self.task.validated(metrics)
        self.trainer.callback_metrics = {name: torch.tensor(value) for name, value in metrics.items()}
        for callback in self._stopping:
            callback.on_validation_end(self.trainer, self.task)
        current = torch.tensor(metrics[str(self._choosing.monitor)])
        if current.isnan():
            current = torch.tensor(math.inf if self._choosing.mode == "min" else -math.inf)
        before = torch.tensor(self.best_value)
        better = torch.lt if self._choosing.mode == "min" else torch.gt
        self._better = self.best is None or bool(better(current, before))
        if self._better:
            self.best_value = float(current)
        return self._better

    def end_epoch(self) -> None:
        """Close the epoch, as Lightning does."""
        self.task.on_train_epoch_end()
        if self._better:
            self.best = {**self._about(), "others": self._others()}
        for callback in self._stopping:
            callback.on_train_epoch_end(self.trainer, self.task)
        if self.scheduler is not None and not self.task.schedule.by_step:  # type: ignore[union-attr]
            self.task.lr_scheduler_step(self.scheduler, None)
        self.trainer.current_epoch += 1

    @property
    def finished(self) -> bool:
        """Whether it trains no further."""
        return bool(self.trainer.should_stop) or self.trainer.current_epoch >= self.max_epochs

    # Checkpoints ------------------------------------------------------------------------------------------------------

    def _about(self) -> dict[str, Any]:
        """What a checkpoint has beside weights and optimizer."""
        content: dict[str, Any] = {
            "epoch": self.trainer.current_epoch,
            "global_step": self.trainer.global_step,
            "pytorch-lightning_version": pytorch_lightning.__version__,
        }
        self.task.on_save_checkpoint(content)
        return content

    def _others(self) -> dict[str, Any]:
        """The state of all but the net: of what learns."""
        if not self.learners:
            return {}
        state = {name: value for name, value in self.task.state_dict().items() if not name.startswith("net.")}
        return {name: _copied(value) for name, value in state.items()}

    def checkpoint(
        self, weights: Mapping[str, Tensor], *, best: bool, optimizer: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The content of a checkpoint, as Lightning would write it for this run.

        Args:
            weights: of the net, by name.
            best: of the best epoch, else of the last.
            optimizer: the optimizer's state.
        """
        content = dict(self.best) if best and self.best is not None else self._about()
        others = content.pop("others", None)
        self.task.net.load_state_dict(dict(weights), strict=False)
        state = self.task.state_dict()
        content["state_dict"] = state | (others or {}) if best else state
        content["optimizer_states"] = [] if optimizer is None else [optimizer]
        content["lr_schedulers"] = []
        if not best:
            content["epoch"] = self.trainer.current_epoch - 1
        loggers = self.trainer.loggers
        self.trainer.loggers = []
        self._state.on_save_checkpoint(self.trainer, self.task, content)
        self.trainer.loggers = loggers
        return content

    def tell_best(self) -> None:
        """Let the callback know what it would have chosen: the run's objective is read from it."""
        self._choosing.best_model_score = torch.tensor(self.best_value)


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    return {name: _copied(inner) for name, inner in value.items()} if isinstance(value, dict) else value
