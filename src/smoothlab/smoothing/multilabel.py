"""The smoother of multi-label samples: each label present or absent on its own, or bound by a tree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor, nn

from smoothlab.classes.hierarchy import Hierarchy
from smoothlab.classes.info import ClassInfo, bind_part
from smoothlab.classes.tree_file import TreeSource
from smoothlab.errors import InvalidArgument
from smoothlab.learner import learners_in
from smoothlab.numbers import check_choice
from smoothlab.smoothing.priors.class_frequency import ClassFrequency
from smoothlab.smoothing.priors.vector import Vector
from smoothlab.smoothing.priors.zipf import Zipf
from smoothlab.smoothing.strengths.by_class import ByClass
from smoothlab.smoothing.strengths.schedules import Schedule
from smoothlab.smoothing.strengths.strength import Constant
from smoothlab.soft_labels import ANSWERS, SoftLabels, question_labels, question_logits
from smoothlab.step import Step
from smoothlab.targets import check_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from smoothlab.smoothing.strengths.strength import Strength

OF_ONE_LABEL = (ClassFrequency, Vector, Zipf)  # distributions over the classes, which the labels of a sample are not


class LabelPrior(Protocol):
    """What a multi-label smoother asks of a prior: one method."""

    def __call__(self, step: Step) -> float | Tensor:
        """What each label goes to, in [0, 1]: a number, one a label ``(K,)``, or one each ``(N, K)``."""


class MultilabelSmoother(nn.Module):
    """Makes soft labels from labels that are present or absent: ``q_k = (1 - epsilon) y_k + epsilon * prior_k``.

    Any strength of the family works but ``Negative``. Constants and schedules are the same for all labels; ``ByClass``
    has a number for each label. Every other one sees each label of each sample as a question with the classes "absent"
    and "present" and the logits (0, z), whose softmax is the sigmoid of z: by uncertainty is then by that of the
    answer, by a column is the same for all labels of a row, and what adapts to accuracy adapts to that of the answers
    ("per class": one epsilon for absent and one for present labels).

    With a tree the labels are closed upward first, so that a label implies those above it, and each soft label is at
    least as large as every one below it, exactly: the labels are closed, the priors ``Half``, ``Prevalence`` (of closed
    labels) and ``Flow`` are, and so is every mixture of two closed vectors; where epsilon is one a label, or rounding
    gets in between, a last pass raises each value to the largest below it. (``Flip`` up to an epsilon of 0.5.)

    Args:
        strength: gives epsilon, such as ``Constant(0.1)``.
        prior: gives what labels go to: ``Half()``, ``Flip()``, ``Prevalence(...)``, ``Flow(...)``, or your own.
        tree: of the labels: a :class:`Hierarchy`; or a tree, nested names, or a file of them, whose labels are then
            those that the smoother is bound to; or None: that of the prior or of the data, if one has one.
        unclosed: a label that is present below one that is absent: ``"close"`` makes the upper one present,
            ``"refuse"`` is an error (on a GPU an assertion of the device, since nothing waits for it).

    Raises:
        InvalidArgument: for a prior of single-label targets, or a strength that may be below 0 (``Negative``); on
            binding, for labels that are no nodes of the tree; in a step, for labels of another shape than ``(N, K)``, a
            tree without names, or unclosed labels.
    """

    def __init__(
        self,
        strength: Strength,
        prior: LabelPrior,
        tree: Hierarchy | TreeSource | None = None,
        unclosed: Literal["close", "refuse"] = "close",
    ) -> None:
        super().__init__()
        if isinstance(prior, OF_ONE_LABEL):
            raise InvalidArgument(
                "prior", type(prior).__name__, "Half, Flip, Prevalence or Flow: for multi-label targets"
            )
        if getattr(strength, "signed", False):
            raise InvalidArgument("strength", type(strength).__name__, "one of at least 0: soft labels are in [0, 1]")
        check_choice("unclosed", unclosed, ("close", "refuse"))
        self.strength = strength
        self.prior = prior
        self.tree = tree
        self.unclosed = unclosed
        self._hierarchy = tree if isinstance(tree, Hierarchy) else None
        self._asks = not isinstance(strength, Constant | Schedule | ByClass)
        self._strength_learners = learners_in(strength)
        self._prior_learners = learners_in(prior)

    @property
    def hierarchy(self) -> Hierarchy | None:
        """Labels and tree, if there is one.

        Raises:
            InvalidArgument: there is a tree, but nothing that says which nodes the labels are.
        """
        if self.tree is None:
            return getattr(self.prior, "hierarchy", None)
        if self._hierarchy is None:
            raise InvalidArgument("tree", self.tree, "a Hierarchy, or bind with the names of the labels")
        return self._hierarchy

    def forward(
        self,
        labels: Tensor,
        *,
        logits: Tensor | None = None,
        progress: float = 0.0,
        rows: Tensor | None = None,
        metadata: Mapping[str, Tensor] | None = None,
        features: Any = None,
    ) -> SoftLabels:
        """The soft labels of a batch.

        Args:
            labels: ``(N, K)`` of a number type: 1 present, 0 absent, shares in between, negative where unknown.
            logits: the model's output ``(N, K)``, for strengths and priors that look at it; detached here.
            progress: share of the training that is done, in [0, 1], for those that change with it.
            rows: the samples' numbers in the training data ``(N,)``.
            metadata: columns beside features and labels, by name, each ``(N,)``.
            features: what the net took, for those that ask another net.
        """
        if logits is not None:
            check_tensor("logits", logits, "None or a float tensor of shape (..., K)")
        detached = None if logits is None else logits.detach()
        return self.target(Step(labels, detached, progress, rows, metadata or {}, features))

    def target(self, step: Step) -> SoftLabels:
        """The soft labels of a step."""
        hierarchy = self.hierarchy
        labels = checked_labels(step)
        if hierarchy is not None:
            labels = self._closed(hierarchy, labels)
        step = replace(step, labels=labels)
        questions = questions_of(step) if self._asks else step
        if self.training and (self._strength_learners or self._prior_learners):
            with torch.no_grad():
                for learner in self._strength_learners:
                    learner.observe(questions)
                for learner in self._prior_learners:
                    learner.observe(step)
        epsilon, prior = self._epsilon(questions, labels), self._prior(step)
        values = (1 - epsilon) * labels + epsilon * prior
        if hierarchy is not None:
            values = hierarchy.close(values.where(labels >= 0, -1))
        return SoftLabels(values.where(labels >= 0, -1), epsilon)

    def _closed(self, hierarchy: Hierarchy, labels: Tensor) -> Tensor:
        closed = hierarchy.close(labels)
        if self.unclosed == "refuse":
            fits = ((labels < 0) | (closed == labels)).all()
            if labels.is_cuda:
                torch._assert_async(fits)
            elif labels.device.type != "meta" and not bool(fits):
                raise InvalidArgument("labels", "a label without one above it", "closed labels, or unclosed='close'")
        return closed

    def _epsilon(self, step: Step, labels: Tensor) -> float | Tensor:
        """A number, one a label ``(1, K)``, or one each ``(N, K)``."""
        if isinstance(self.strength, ByClass):
            numbers, num_labels = self.strength.epsilon, labels.shape[-1]
            if not isinstance(numbers, dict) and len(numbers) != num_labels:
                raise InvalidArgument("epsilon", f"{len(numbers)} numbers", f"{num_labels}, one a label")
            each_label = torch.arange(num_labels, device=labels.device)
            return self.strength(replace(step, labels=each_label)).unsqueeze(0).to(labels.dtype)
        epsilon = self.strength(step)
        if not isinstance(epsilon, Tensor):
            return epsilon
        return epsilon.to(labels.dtype).reshape(() if epsilon.numel() == 1 else labels.shape)

    def _prior(self, step: Step) -> float | Tensor:
        prior = self.prior(step)
        num_labels = step.labels.shape[-1]
        if isinstance(prior, Tensor):
            if prior.shape not in ((num_labels,), step.labels.shape):
                expected = f"shape ({num_labels},) or {tuple(step.labels.shape)}, one a label"
                raise InvalidArgument("prior", f"tensor of shape {tuple(prior.shape)}", expected)
            return prior.to(step.labels.dtype)
        if not isinstance(prior, float):
            shown = prior if isinstance(prior, str) else type(prior).__name__
            raise InvalidArgument("prior", shown, "one of multi-label targets: Half, Flip, Prevalence or Flow")
        return prior

    def bind(self, info: ClassInfo) -> None:
        """Tell the parts which labels the training data have, and how often.

        Raises:
            InvalidArgument: a part does not fit these labels.
        """
        self.tree = info.tree if self.tree is None else self.tree
        if self.tree is not None:
            self._hierarchy = bound_hierarchy(self.tree, info.class_names)
        bind_part("prior", self.prior, info)
        bind_part("strength", self.strength, info if isinstance(self.strength, ByClass) else answers_of(info))

    def extra_repr(self) -> str:
        """Strength, prior and tree; those that are modules torch shows by itself."""
        parts = {"strength": self.strength, "prior": self.prior}
        shown = [f"{name}={part!r}" for name, part in parts.items() if not isinstance(part, nn.Module)]
        return ", ".join([*shown, *([] if self.tree is None else [f"unclosed={self.unclosed!r}"])])


def checked_labels(step: Step) -> Tensor:
    """The labels ``(..., K)`` of a step in float32 or wider.

    Raises:
        InvalidArgument: they are truth values or class indices, or do not have the shape of the logits.
    """
    labels = step.labels
    if labels.ndim < 2 or labels.dtype is torch.bool:
        shown = f"{labels.dtype} of shape {tuple(labels.shape)}"
        raise InvalidArgument("labels", shown, "numbers of shape (N, K), one column a label")
    if step.logits is not None and step.logits.shape != labels.shape:
        raise InvalidArgument("labels", f"shape {tuple(labels.shape)}", f"shape {tuple(step.logits.shape)}, as logits")
    return labels if labels.dtype is torch.float64 else labels.float()


def questions_of(step: Step) -> Step:
    """A step of ``(N, K)`` labels as one of ``N * K`` questions: each label of each sample, absent or present."""
    labels, logits = step.labels, step.logits
    repeated = {name: column.unsqueeze(-1).expand(labels.shape).reshape(-1) for name, column in step.metadata.items()}
    return Step(
        question_labels(labels, logits),
        None if logits is None else question_logits(logits),
        step.progress,
        None,  # a question is no row of the data
        repeated,
        step.features,
    )


def answers_of(info: ClassInfo) -> ClassInfo:
    """The two classes of every question, for what learns about the classes of questions."""
    present = sum(info.class_counts)
    absent = max(info.num_samples * len(info.class_names) - present, 0)
    counts, samples = [absent, present], absent + present
    return replace(info, class_names=list(ANSWERS), class_counts=counts, num_samples=samples, num_rows=0)


def bound_hierarchy(tree: Hierarchy | TreeSource, names: Sequence[str]) -> Hierarchy:
    """The labels of the data in a tree; a hierarchy that knows them by other names keeps its order.

    Raises:
        InvalidArgument: a label is no node, or there are more or fewer labels than the hierarchy has.
    """
    if not isinstance(tree, Hierarchy):
        return Hierarchy(tree, names)
    if len(names) != len(tree):
        raise InvalidArgument("tree", f"{len(tree)} labels", f"{len(names)}: {', '.join(names)}")
    return Hierarchy(tree.tree, names) if set(names) == set(tree.names) else tree
