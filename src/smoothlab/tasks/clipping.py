"""Gradients scaled down to a norm, with optimizers that Lightning refuses beside mixed precision."""

from __future__ import annotations

from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from pytorch_lightning.utilities.enums import GradClipAlgorithmType
from torch.optim import Optimizer


def clip(plugin: Precision, optimizer: Optimizer, value: float | None, algorithm: str | None) -> None:
    """Clip the gradients of an optimizer before its step.

    Lightning's mixed precision refuses fused optimizers here, since they divide gradients by the loss scale within the
    step. With bfloat16 there is no such scale; with float16 torch's scaler takes it out before, and its step then knows
    that it is done.

    Args:
        plugin: the trainer's precision.
        optimizer: of the gradients.
        value: the norm, or the largest absolute entry; None or 0: as they are.
        algorithm: ``"norm"`` or ``"value"``; None is ``"norm"``.
    """
    if not value:
        return
    chosen = GradClipAlgorithmType(algorithm or "norm")
    if not (isinstance(plugin, MixedPrecision) and getattr(optimizer, "_step_supports_amp_scaling", False)):
        plugin.clip_gradients(optimizer, value, chosen)
        return
    if plugin.scaler is not None:
        plugin.scaler.unscale_(optimizer)
    Precision.clip_gradients(plugin, optimizer, value, chosen)
