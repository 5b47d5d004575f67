"""smoothlab: train classifiers whose confidence can be trusted.

The names below are imported when they are first used, so that the command line answers without importing torch, and
the library is used without importing Hydra, Lightning or W&B.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from smoothlab.errors import framework_needed
from smoothlab.version import __version__

if TYPE_CHECKING:
    from smoothlab.api.describing import describe
    from smoothlab.api.estimator import SmoothClassifier
    from smoothlab.api.finished import evaluate, predict, report
    from smoothlab.api.training import compare, train
    from smoothlab.errors import InvalidArgument, RunFailed, UserMistake
    from smoothlab.loops import SmoothCrossEntropy, smooth_labels
    from smoothlab.losses import linear_soft_cross_entropy, soft_cross_entropy
    from smoothlab.models.loading import load
    from smoothlab.models.run import Run
    from smoothlab.smoothing import Smoother
    from smoothlab.targets import SoftTarget

__all__ = [
    "InvalidArgument",
    "Run",
    "RunFailed",
    "SmoothClassifier",
    "SmoothCrossEntropy",
    "Smoother",
    "SoftTarget",
    "UserMistake",
    "__version__",
    "compare",
    "describe",
    "evaluate",
    "linear_soft_cross_entropy",
    "load",
    "predict",
    "report",
    "smooth_labels",
    "soft_cross_entropy",
    "train",
]

_HOME = {
    "InvalidArgument": "smoothlab.errors",
    "Run": "smoothlab.models.run",
    "RunFailed": "smoothlab.errors",
    "SmoothClassifier": "smoothlab.api.estimator",
    "SmoothCrossEntropy": "smoothlab.loops",
    "Smoother": "smoothlab.smoothing",
    "SoftTarget": "smoothlab.targets",
    "UserMistake": "smoothlab.errors",
    "linear_soft_cross_entropy": "smoothlab.losses",
    "load": "smoothlab.models.loading",
    "smooth_labels": "smoothlab.loops",
    "soft_cross_entropy": "smoothlab.losses",
    "train": "smoothlab.api.training",
    "compare": "smoothlab.api.training",
    "describe": "smoothlab.api.describing",
    "evaluate": "smoothlab.api.finished",
    "predict": "smoothlab.api.finished",
    "report": "smoothlab.api.finished",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'smoothlab' has no attribute {name!r}")
    with framework_needed(f"smoothlab.{name}"):
        value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
