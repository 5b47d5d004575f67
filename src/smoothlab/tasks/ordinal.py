"""Ordinal classification: one label a sample, of classes in their order."""

from __future__ import annotations

from torchmetrics import Metric

from smoothlab.errors import InvalidArgument
from smoothlab.tasks.classification import ClassificationTask


class OrdinalTask(ClassificationTask):
    """One label of ordered classes a sample, or votes; arguments as of :class:`smoothlab.tasks.task.Task`.

    The net gives log-probabilities ``(N, K)``, as :class:`smoothlab.kinds.Thresholds` makes them of K - 1 outputs. The
    loss is their cross-entropy against the soft target: unlike a sum of binary cross-entropies, one for each threshold,
    it is the likelihood of the distribution that is scored and calibrated, and every other loss and penalty takes the
    same logits.
    """

    kind = "ordinal"

    def make_metrics(self) -> list[Metric]:
        """See :class:`Task`."""
        if not self.ordered:
            raise InvalidArgument("ordered", self.ordered, "true, of classes in their order (data.labels=ordinal)")
        return super().make_metrics()
