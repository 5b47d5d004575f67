"""The LightningModules: net, smoother, loss and metrics joined."""

from smoothlab.errors import TrainingDiverged
from smoothlab.tasks.classification import ClassificationTask
from smoothlab.tasks.loss_meter import LossMeter
from smoothlab.tasks.multilabel import MultilabelTask
from smoothlab.tasks.ordinal import OrdinalTask
from smoothlab.tasks.schedule import Schedule
from smoothlab.tasks.schedules import cosine, inverse_sqrt
from smoothlab.tasks.task import Task
from smoothlab.tasks.translation import TranslationTask

__all__ = [
    "ClassificationTask",
    "LossMeter",
    "MultilabelTask",
    "OrdinalTask",
    "Schedule",
    "Task",
    "TrainingDiverged",
    "TranslationTask",
    "cosine",
    "inverse_sqrt",
]
