"""Classification: one label a sample, or one distribution over the classes."""

from __future__ import annotations

from torch import Tensor
from torchmetrics import Metric

from smoothlab.errors import InvalidArgument
from smoothlab.losses import soft_cross_entropy
from smoothlab.metrics import (
    NAMES,
    ClassificationMetrics,
    CostMetrics,
    HierarchicalMetrics,
    OrdinalMetrics,
    ScaledNLL,
    costs,
    hierarchical_names,
    ordinal,
    scaled,
)
from smoothlab.smoothing import MultilabelSmoother
from smoothlab.step import Step
from smoothlab.targets import SoftTarget
from smoothlab.tasks.task import WEIGHT, Task


class ClassificationTask(Task):
    """One label a sample, or votes: the cross-entropy of a softmax; arguments as of :class:`Task`.

    Validation and test report ``nll_scaled`` too, the NLL after the best temperature (see
    :class:`smoothlab.metrics.ScaledNLL`). With a tree they report ``mistake_severity``, ``hierarchical_distance`` and
    ``accuracy_level_<n>`` (see :func:`smoothlab.metrics.hierarchical_metrics`); with ordered classes ``ordinal_mae``
    and ``quadratic_kappa`` (see :func:`smoothlab.metrics.ordinal_metrics`); with costs ``expected_cost`` and
    ``expected_cost_of_argmax`` (see :func:`smoothlab.metrics.cost_metrics`).
    """

    kind = "classification"

    @property
    def monitored(self) -> dict[str, str]:
        """See :class:`Task`."""
        names = [*(name for name in NAMES if name != "confidence_gap"), scaled.NAME]
        names += [] if self.hierarchy is None else hierarchical_names(self.hierarchy)
        names += ordinal.NAMES if self.ordered else ()
        names += costs.NAMES if self.costs is not None else ()
        more = ("accuracy", "macro_f1", "quadratic_kappa")
        return {f"val/{name}": "max" if name.startswith(more) else "min" for name in names}

    def make_metrics(self) -> list[Metric]:
        """See :class:`Task`."""
        if isinstance(self.smoother, MultilabelSmoother):
            raise InvalidArgument("smoother", "MultilabelSmoother", "a Smoother, or the multi-label task")
        main = ClassificationMetrics(len(self.class_names), num_bins=self.num_bins, from_logits=True)
        return [main, *self.more_metrics()]

    def more_metrics(self) -> list[Metric]:
        """See :class:`Task`."""
        metrics: list[Metric] = [ScaledNLL()]
        if self.hierarchy is not None:
            metrics.append(HierarchicalMetrics(self.hierarchy))
        if self.ordered:
            metrics.append(OrdinalMetrics())
        if self.costs is not None:
            metrics.append(CostMetrics(self.costs))
        return metrics

    def count(self, metrics: list[Metric], logits: Tensor, labels: Tensor) -> None:
        """See :class:`Task`."""
        for metric in metrics:
            metric.update(logits, labels)

    def losses(self, logits: Tensor, target: SoftTarget, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        """See :class:`Task`."""
        weight = step.metadata.get(WEIGHT)

        def total(rows: Tensor) -> Tensor:
            return rows.sum() if weight is None else (rows * weight).sum()

        if self.loss is None:
            loss = soft_cross_entropy(logits, target, sample_weight=weight, reduction="sum")
        else:
            loss = total(self.loss(logits, target, step))
        return loss, {name: total(penalty(logits, target, step)) for name, penalty in self.penalties.items()}
