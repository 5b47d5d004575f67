"""Classification: one label a sample, or one distribution over the classes."""

from __future__ import annotations

from torch import Tensor
from torchmetrics import Metric

from smoothlab.errors import InvalidArgument
from smoothlab.losses import soft_cross_entropy
from smoothlab.metrics import NAMES, ClassificationMetrics, HierarchicalMetrics, hierarchical_names
from smoothlab.smoothing import MultilabelSmoother
from smoothlab.step import Step
from smoothlab.targets import SoftTarget
from smoothlab.tasks.task import Task


class ClassificationTask(Task):
    """One label a sample, or votes: the cross-entropy of a softmax; arguments as of :class:`Task`.

    With a tree, validation and test report ``mistake_severity``, ``hierarchical_distance`` and ``accuracy_level_<n>``
    too (see :func:`smoothlab.metrics.hierarchical_metrics`).
    """

    kind = "classification"

    @property
    def monitored(self) -> dict[str, str]:
        """See :class:`Task`."""
        more = ("accuracy", "macro_f1")
        names = {f"val/{name}": "max" if name in more else "min" for name in NAMES if name != "confidence_gap"}
        of_tree = [] if self.hierarchy is None else hierarchical_names(self.hierarchy)
        return names | {f"val/{name}": "max" if name.startswith("accuracy") else "min" for name in of_tree}

    def make_metrics(self) -> list[Metric]:
        """See :class:`Task`."""
        if isinstance(self.smoother, MultilabelSmoother):
            raise InvalidArgument("smoother", "MultilabelSmoother", "a Smoother, or the multi-label task")
        metrics: list[Metric] = [ClassificationMetrics(len(self.class_names), num_bins=self.num_bins, from_logits=True)]
        return metrics if self.hierarchy is None else [*metrics, HierarchicalMetrics(self.hierarchy)]

    def count(self, metrics: list[Metric], logits: Tensor, labels: Tensor) -> None:
        """See :class:`Task`."""
        for one in metrics:
            one.update(logits, labels)

    def losses(self, logits: Tensor, target: SoftTarget, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        """See :class:`Task`."""
        if self.loss is None:
            loss = soft_cross_entropy(logits, target, reduction="sum")
        else:
            loss = self.loss(logits, target, step).sum()
        return loss, {name: penalty(logits, target, step).sum() for name, penalty in self.penalties.items()}
