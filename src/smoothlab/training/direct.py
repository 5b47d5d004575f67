"""Training steps on one CPU without the detours of Lightning that change nothing there.

A step of a small net is shorter than the hooks around it: each enters a context of the profiler, and each batch passes
three hooks on its way to the device where it is. Lightning's own interfaces leave them out: a profiler, a strategy.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from pytorch_lightning.plugins.precision import DoublePrecision, Precision
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.strategies import SingleDeviceStrategy
from pytorch_lightning.trainer.states import RunningStage
from torch import Tensor
from torch.optim import Optimizer

from smoothlab.tasks.task import Task
from smoothlab.training.fused_step import FusedStep

NOTHING = contextlib.nullcontext()
BEFORE_STEP = "on_before_optimizer_step"
AROUND_BACKWARD = ("on_before_backward", "on_after_backward")
TRANSFER = ("transfer_batch_to_device", "on_after_batch_transfer")


class NoProfiler(PassThroughProfiler):
    """Profiles nothing, with one context for every action."""

    def profile(self, action_name: str) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        """A context that does nothing."""
        return NOTHING


class DirectTrainer(Trainer):
    """Lightning's Trainer, which asks itself a dozen times a step whether it trains."""

    @property
    def training(self) -> bool:
        """See the Trainer, which compares the names of the stages."""
        return self.state.stage is RunningStage.TRAINING

    @training.setter
    def training(self, val: bool) -> None:
        Trainer.training.fset(self, val)  # type: ignore[attr-defined]


class DirectSteps(SingleDeviceStrategy):
    """One CPU, on which a step goes straight to the backward pass and to the optimizer where nothing listens between.

    It does as Lightning's strategy for one device where a callback has a hook around the backward pass or before the
    optimizer's step, where a task or a data module of one's own has, where the precision mixes types, and where the
    optimizer is not torch's or calls its closure more than once.
    """

    def __init__(self) -> None:
        super().__init__("cpu")
        self._stays = self._goes_back = self._steps = False
        self._loss: Tensor | None = None  # of the step, with its graph
        self._fused: FusedStep | None = None
        self._callbacks: list[Callback] = []
        self._heard: frozenset[str] = frozenset()

    def setup(self, trainer: Trainer) -> None:
        """Set up net and optimizer, and find out who listens."""
        super().setup(trainer)
        task, data = self.lightning_module, trainer.datamodule  # type: ignore[attr-defined]
        plain = isinstance(task, Task) and type(self.precision_plugin) in (Precision, DoublePrecision)
        self._stays = (
            plain and _has(task, Task, *TRANSFER) and (data is None or _has(data, LightningDataModule, *TRANSFER))
        )
        self._goes_back = plain and _has(task, LightningModule, "backward", *AROUND_BACKWARD)
        self._steps = (
            plain
            and _has(task, Task, BEFORE_STEP, "configure_gradient_clipping")
            and all(_takes_no_closure(optimizer) for optimizer in self.optimizers)
        )
        self._fused = FusedStep(self.optimizers[0]) if len(self.optimizers) == 1 else None

    def batch_to_device(self, batch: Any, device: torch.device | None = None, dataloader_idx: int = 0) -> Any:
        """See the strategy of Lightning."""
        if not self._stays:
            return super().batch_to_device(batch, device, dataloader_idx)
        task = self.lightning_module
        assert task is not None
        return task.transfer_batch_to_device(batch, self.root_device, dataloader_idx)

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """See the strategy of Lightning; its loss has no graph, so that what it does to it costs no gradient."""
        self._loss = None
        loss = super().training_step(*args, **kwargs)
        trainer = self.lightning_module.trainer  # type: ignore[union-attr]
        # of several micro-batches the loss is divided by their number
        if trainer.accumulate_grad_batches != 1 or not isinstance(loss, Tensor) or not self._goes_straight_back():
            return loss
        self._loss = loss
        return loss.detach()

    def backward(self, closure_loss: Tensor, optimizer: Optimizer | None, *args: Any, **kwargs: Any) -> Tensor:
        """See the strategy of Lightning."""
        if not self._goes_straight_back():
            return super().backward(closure_loss, optimizer, *args, **kwargs)
        loss, self._loss = closure_loss if self._loss is None else self._loss, None
        loss.backward(*args, **kwargs)
        return closure_loss.detach()

    def _goes_straight_back(self) -> bool:
        """Whether nobody listens around the backward pass."""
        return self._goes_back and self._listeners().isdisjoint(AROUND_BACKWARD)

    def optimizer_step(self, optimizer: Optimizer, closure: Callable[[], Any], model: Any = None, **kwargs: Any) -> Any:
        """See the strategy of Lightning."""
        if not self._steps or BEFORE_STEP in self._listeners():
            return super().optimizer_step(optimizer, closure, model, **kwargs)
        loss = closure()
        task = self.lightning_module
        assert isinstance(task, Task)
        task.on_before_optimizer_step(optimizer)
        trainer = task.trainer
        task.configure_gradient_clipping(optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm)
        if self._fused is not None and not kwargs:
            self._fused()
        else:
            optimizer.step(**kwargs)
        return loss

    def _listeners(self) -> frozenset[str]:
        """The hooks between batch and step that a callback has; looked up again where the callbacks are others."""
        assert self.lightning_module is not None
        callbacks: list[Callback] = self.lightning_module.trainer.callbacks  # type: ignore[attr-defined]
        if callbacks != self._callbacks:
            self._callbacks = list(callbacks)
            self._heard = frozenset(
                hook
                for hook in (BEFORE_STEP, *AROUND_BACKWARD)
                if any(callable(getattr(callback, hook)) for callback in callbacks)
            )
        return self._heard


def _has(instance: Any, base: type, *hooks: str) -> bool:
    """Whether an object has the hooks of a base as they are."""
    return all(getattr(type(instance), hook) is getattr(base, hook) for hook in hooks)


def _takes_no_closure(optimizer: Optimizer) -> bool:
    """Whether an optimizer of torch's calls a closure once, before its step, if it gets one at all."""
    kind = type(optimizer)
    closure = inspect.signature(kind.step).parameters.get("closure")
    return kind.__module__.startswith("torch.optim") and closure is not None and closure.default is None
