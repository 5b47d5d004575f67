"""The LightningModules: net, smoother, loss and metrics joined."""

from smoothlab.tasks.classification import ClassificationTask
from smoothlab.tasks.loss_meter import LossMeter, TrainingDiverged
from smoothlab.tasks.schedules import cosine

__all__ = ["ClassificationTask", "LossMeter", "TrainingDiverged", "cosine"]
