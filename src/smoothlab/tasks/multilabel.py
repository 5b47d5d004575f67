"""Multi-label classification: every label of a sample is present or absent."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from smoothlab.errors import InvalidArgument
from smoothlab.learner import Learner, learners_in
from smoothlab.losses import soft_binary_cross_entropy
from smoothlab.metrics import MultilabelHierarchicalMetrics, MultilabelMetrics, RankingMetrics, ScaledNLL
from smoothlab.metrics.hierarchical import LABEL_SET_NAMES
from smoothlab.metrics.multilabel import NAMES
from smoothlab.metrics.ranking import RANKING_NAMES
from smoothlab.metrics.scaled import NAME
from smoothlab.smoothing import Constant, Half, MultilabelSmoother, Smoother
from smoothlab.smoothing.multilabel import questions_of
from smoothlab.soft_labels import SoftLabels, question_labels, question_logits
from smoothlab.step import Step
from smoothlab.targets import SoftTarget
from smoothlab.tasks.task import WEIGHT, Task

LESS = (
    *("nll", NAME, "ece", "ece_equal_mass", "ece_labelwise", "smece", "mce", "brier"),
    *("ranking_loss", "coverage_error", "hierarchy_violations"),
)


class MultilabelTask(Task):
    """Any number of labels a sample: the binary cross-entropy of each known label, its mean over them.

    Labels are ``(N, K)``: 1 present, 0 absent, shares of votes in between, negative where unknown. Losses in its place
    and penalties see each label of each sample as a question with two answers, the logits (0, z) and the soft target
    (1 - q, q), so that the focal loss is the binary focal loss, and the confidence penalty the entropy of each answer;
    those that learn by class learn of the classes "absent" and "present". Their rows are averaged likewise.

    Beside the metrics of decisions, validation and test report mean average precision and ranking metrics (see
    :func:`smoothlab.metrics.ranking_metrics`); with a tree h-precision, h-recall, h-F1 and the share of
    ``hierarchy_violations`` too (see :func:`smoothlab.metrics.multilabel_hierarchical_metrics`). Arguments as of
    :class:`Task`; the smoother is a :class:`MultilabelSmoother`.
    """

    kind = "multilabel"

    @property
    def monitored(self) -> dict[str, str]:
        """See :class:`Task`."""
        names = [name for name in (*NAMES, NAME, *RANKING_NAMES) if name != "confidence_gap"]
        names += LABEL_SET_NAMES if self.hierarchy is not None else ()
        return {f"val/{name}": "min" if name in LESS else "max" for name in names}

    def own_smoother(self, smoother: Smoother | MultilabelSmoother) -> Smoother | MultilabelSmoother:
        """See :class:`Task`: no smoothing is no smoothing of each label."""
        if isinstance(smoother, Smoother) and smoother.strength == Constant(0.0):
            return MultilabelSmoother(Constant(0.0), Half())
        return smoother

    def make_metrics(self) -> list[Metric]:
        """See :class:`Task`."""
        if not isinstance(self.smoother, MultilabelSmoother):
            expected = "a MultilabelSmoother, such as smoothing=multilabel makes"
            raise InvalidArgument("smoother", type(self.smoother).__name__, expected)
        for name, value in (("ordered", self.ordered), ("costs", self.costs is not None)):
            if value:
                raise InvalidArgument(name, value, "nothing: it is for one label a sample, task=classification")
        size = len(self.class_names)
        main = MultilabelMetrics(size, num_bins=self.num_bins, from_logits=True)
        return [main, RankingMetrics(size), *self.more_metrics()]

    def more_metrics(self) -> list[Metric]:
        """See :class:`Task`."""
        scaled = ScaledNLL(several=True)
        return [scaled] if self.hierarchy is None else [scaled, MultilabelHierarchicalMetrics(self.hierarchy)]

    def count(self, metrics: list[Metric], logits: Tensor, labels: Tensor) -> None:
        """See :class:`Task`."""
        for metric in metrics:
            metric.update(logits, labels, mask=labels >= 0)

    def mixed(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mixed as ever; a label that is unknown in one of two samples is unknown in their mixture."""
        unknown = labels < 0
        wide = labels if labels.dtype is torch.float64 else labels.float()
        features, labels = super().mixed(features, wide.masked_fill(unknown, torch.nan))  # nan survives every sum
        return features, labels.nan_to_num(nan=-1.0)

    def losses(self, logits: Tensor, target: SoftLabels, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        """See :class:`Task`."""
        weight = step.metadata.get(WEIGHT)
        if self.loss is None:
            loss = soft_binary_cross_entropy(logits, target, sample_weight=weight, reduction="sum")
            if not self.penalties:
                return loss, {}
        known = (target.values >= 0) & (logits != -torch.inf)
        share = known / known.sum(-1, keepdim=True).clamp_min(1)  # of each label in its row's mean
        if weight is not None:
            share = share * weight.unsqueeze(-1)
        present = target.values.where(known, 0).reshape(-1)
        asked, questions = question_logits(logits), questions_of(step)
        answers = SoftTarget(torch.stack([1 - present, present], -1))

        def total(rows: Tensor) -> Tensor:
            return (rows.masked_fill(~known.reshape(-1), 0) * share.reshape(-1)).sum()

        if self.loss is not None:
            loss = total(self.loss(asked, answers, questions))
        return loss, {name: total(penalty(asked, answers, questions)) for name, penalty in self.penalties.items()}

    def show(self, learner: Learner, logits: Tensor, labels: Tensor) -> None:
        """A learner in the prior sees logits and labels, every other one the questions."""
        if any(learner is other for other in learners_in(self.smoother.prior)):
            learner.validate(logits, labels)
        else:
            learner.validate(question_logits(logits), question_labels(labels, logits))
