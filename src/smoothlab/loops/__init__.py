"""Strategies and metrics for training loops of others: plain ones, Lightning, Hugging Face, timm, skorch.

Importing this package needs torch and NumPy only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from smoothlab.errors import framework_needed
from smoothlab.loops.arrays import smooth_labels
from smoothlab.loops.criterion import SmoothCrossEntropy

if TYPE_CHECKING:
    from smoothlab.loops.hugging_face import SmoothTrainerMixin, calibration_metrics
    from smoothlab.loops.lightning import SmoothingCallback

__all__ = ["SmoothCrossEntropy", "SmoothTrainerMixin", "SmoothingCallback", "calibration_metrics", "smooth_labels"]

_HOME = {
    "SmoothTrainerMixin": "hugging_face",
    "SmoothingCallback": "lightning",
    "calibration_metrics": "hugging_face",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'smoothlab.loops' has no attribute {name!r}")
    with framework_needed(f"smoothlab.loops.{name}"):
        return getattr(importlib.import_module(f"smoothlab.loops.{_HOME[name]}"), name)
