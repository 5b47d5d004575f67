"""Take hooks that do nothing out of Lightning's way."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule
from pytorch_lightning.callbacks import ModelCheckpoint

# Called in every training step, for each callback and for the module.
STEP_HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)


def skip_empty_step_hooks(callbacks: list[Callback], module: LightningModule) -> None:
    """Make Lightning pass over the step hooks that a callback or the module does not override.

    Lightning enters a profiler context for every hook of every callback, empty or not, which on a small net costs as
    much as the net. It does not call a hook that is not callable.
    """
    for callback in callbacks:
        _hide(callback, Callback)
        if _saves_by_epochs(callback):
            callback.on_train_batch_end = None  # type: ignore[method-assign, assignment]
    _hide(module, LightningModule)


def _saves_by_epochs(callback: Callback) -> bool:
    """Whether a callback writes checkpoints and looks at no step, of which its state tells."""
    kind = type(callback)
    if not isinstance(callback, ModelCheckpoint) or kind.on_train_batch_end is not ModelCheckpoint.on_train_batch_end:
        return False
    return callback._every_n_train_steps < 1 and callback._train_time_interval is None


def _hide(instance: Any, base: type) -> None:
    for name in STEP_HOOKS:
        if getattr(type(instance), name) is getattr(base, name):
            setattr(instance, name, None)
