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
from torch import Tensor
from torch.optim import Optimizer

from smoothlab.tasks.task import Task

NOTHING = contextlib.nullcontext()
BEFORE_STEP = "on_before_optimizer_step"
AROUND_BACKWARD = ("on_before_backward", "on_after_backward")
TRANSFER = ("transfer_batch_to_device", "on_after_batch_transfer")


class NoProfiler(PassThroughProfiler):
    """Profiles nothing, with one context for every action."""

    def profile(self, action_name: str) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        """A context that does nothing."""
        return NOTHING


class DirectSteps(SingleDeviceStrategy):
    """One CPU, on which a step goes straight to the backward pass and to the optimizer where nothing listens between.

    It does as Lightning's strategy for one device where a callback has a hook around the backward pass or before the
    optimizer's step, where a task or a data module of one's own has, where the precision mixes types, and where the
    optimizer is not torch's or calls its closure more than once.
    """

    def __init__(self) -> None:
        super().__init__("cpu")
        self._stays = self._goes_back = self._steps = False

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

    def batch_to_device(self, batch: Any, device: torch.device | None = None, dataloader_idx: int = 0) -> Any:
        """See the strategy of Lightning."""
        if not self._stays:
            return super().batch_to_device(batch, device, dataloader_idx)
        task = self.lightning_module
        assert task is not None
        return task.transfer_batch_to_device(batch, self.root_device, dataloader_idx)

    def backward(self, closure_loss: Tensor, optimizer: Optimizer | None, *args: Any, **kwargs: Any) -> Tensor:
        """See the strategy of Lightning."""
        if not self._goes_back or self._heard(AROUND_BACKWARD):
            return super().backward(closure_loss, optimizer, *args, **kwargs)
        closure_loss.backward(*args, **kwargs)
        return closure_loss.detach()

    def optimizer_step(self, optimizer: Optimizer, closure: Callable[[], Any], model: Any = None, **kwargs: Any) -> Any:
        """See the strategy of Lightning."""
        if not self._steps or self._heard((BEFORE_STEP,)):
            return super().optimizer_step(optimizer, closure, model, **kwargs)
        loss = closure()
        task = self.lightning_module
        assert isinstance(task, Task)
        task.on_before_optimizer_step(optimizer)
        trainer = task.trainer
        task.configure_gradient_clipping(optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm)
        optimizer.step(**kwargs)
        return loss

    def _heard(self, hooks: tuple[str, ...]) -> bool:
        """Whether a callback has one of the hooks."""
        assert self.lightning_module is not None
        callbacks: list[Callback] = self.lightning_module.trainer.callbacks  # type: ignore[attr-defined]
        return any(callable(getattr(callback, hook)) for callback in callbacks for hook in hooks)


def _has(instance: Any, base: type, *hooks: str) -> bool:
    """Whether an object has the hooks of a base as they are."""
    return all(getattr(type(instance), hook) is getattr(base, hook) for hook in hooks)


def _takes_no_closure(optimizer: Optimizer) -> bool:
    """Whether an optimizer of torch's calls a closure once, before its step, if it gets one at all."""
    kind = type(optimizer)
    closure = inspect.signature(kind.step).parameters.get("closure")
    return kind.__module__.startswith("torch.optim") and closure is not None and closure.default is None
