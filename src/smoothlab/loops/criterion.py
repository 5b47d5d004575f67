"""A criterion for any training loop: logits and labels in, one loss out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from smoothlab.classes.info import ClassInfo
from smoothlab.errors import InvalidArgument
from smoothlab.learner import learners_in
from smoothlab.losses import Loss, soft_cross_entropy
from smoothlab.progress import following_progress
from smoothlab.smoothing.smoother import Smoother
from smoothlab.step import Step
from smoothlab.targets import SoftTarget


class SmoothCrossEntropy(nn.Module):
    """The cross-entropy against what a smoother makes of the labels; in evaluation mode against the labels themselves.

        criterion = SmoothCrossEntropy(0.1)                     # as nn.CrossEntropyLoss(label_smoothing=0.1)
        criterion = SmoothCrossEntropy(Smoother(Cosine(0.0, 0.2), Uniform()), total_steps=1000)
        loss = criterion(logits, labels)                        # in each step, then criterion.step()

    A strategy that changes with the training's progress needs ``total_steps`` and ``step()`` after each optimizer step;
    one that learns needs ``end_epoch()`` and, if from validation, ``validate(logits, labels)`` for each batch and
    ``end_validation()`` after the last; one that asks for the classes needs ``bind(class_names, class_counts)``. Others
    need none of it. What is learned stands in ``state_dict()``, progress too.

    Args:
        smoother: a number is the epsilon of uniform smoothing, in [0, 1); or a :class:`smoothlab.Smoother`.
        loss: in the cross-entropy's place, such as ``Focal()``; None: the cross-entropy.
        total_steps: optimizer steps of the whole training; None: of a strategy that does not change with progress, or
            known later, by :meth:`at_step`.
        ignore_index: rows with this label do not count, such as padding.
        reduction: ``mean`` (by the rows that count), ``sum``, or ``none``.

    Raises:
        InvalidArgument: an epsilon outside [0, 1), no smoother, no steps, or another reduction.
    """

    steps: Tensor

    def __init__(
        self,
        smoother: Smoother | float = 0.1,
        *,
        loss: Loss | None = None,
        total_steps: int | None = None,
        ignore_index: int = -100,
        reduction: Literal["mean", "sum", "none"] = "mean",
    ) -> None:
        super().__init__()
        if isinstance(smoother, int | float):
            from smoothlab.smoothing import Constant, Uniform

            smoother = Smoother(Constant(smoother), Uniform())
        if not callable(getattr(smoother, "target", None)):
            raise InvalidArgument("smoother", smoother, "a number in [0, 1), or a smoothlab.Smoother")
        if total_steps is not None and total_steps < 1:
            raise InvalidArgument("total_steps", total_steps, "an integer of at least 1, or None")
        if reduction not in ("mean", "sum", "none"):
            raise InvalidArgument("reduction", reduction, "mean, sum or none")
        self.smoother = smoother
        self.loss = loss
        self.total_steps = total_steps
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self._done = 0
        follower = following_progress([smoother, loss])
        self._follower = "" if follower is None else type(follower).__name__

    @property
    def progress(self) -> float:
        """Share of the training that is done, in [0, 1]."""
        return min(1.0, self._done / self.total_steps) if self.total_steps else 0.0

    def forward(
        self,
        logits: Tensor,
        labels: Tensor,
        *,
        rows: Tensor | None = None,
        metadata: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """The loss of a batch, in float32 or wider.

        Args:
            logits: ``(..., K)``.
            labels: class indices ``(...,)``, or distributions ``(..., K)`` as of voters or mixup.
            rows: numbers of the samples ``(...,)``, for strategies that remember samples.
            metadata: columns ``(...,)`` by name, for strategies that look at them.

        Raises:
            InvalidArgument: other shapes, labels outside the classes, or a strategy that changes with progress while
                nobody has said how many steps there are.
        """
        for name, value in (("logits", logits), ("labels", labels)):
            if not isinstance(value, Tensor):
                raise InvalidArgument(name, type(value).__name__, "a tensor")
        if self.ignore_index != -100 and not labels.is_floating_point():
            labels = labels.masked_fill(labels == self.ignore_index, -100)
        reduction: Any = self.reduction
        if not self.training:
            return soft_cross_entropy(logits, SoftTarget(labels), reduction=reduction)
        if self._follower and self.total_steps is None:
            raise InvalidArgument(
                "total_steps", None, f"a number: {self._follower} changes with the training's progress"
            )
        step = Step(labels, logits.detach(), self.progress, rows, metadata)
        target = self.smoother.target(step)
        if self.loss is None:
            return soft_cross_entropy(logits, target, reduction=reduction)
        each: Tensor = self.loss(logits, target, step)
        if reduction == "none":
            return each
        counted = each.numel() if labels.is_floating_point() else (labels != -100).sum().clamp_min(1)
        return each.sum() if reduction == "sum" else each.sum() / counted

    # What a loop tells it ---------------------------------------------------------------------------------------------

    def bind(self, class_names: Sequence[str], class_counts: Sequence[int] | None = None, **about: Any) -> None:
        """Tell the smoother which classes there are, and how often in training; ``about``: of :class:`ClassInfo`."""
        names = [str(name) for name in class_names]
        self.smoother.bind(ClassInfo(names, list(class_counts or [1] * len(names)), **about))

    def step(self) -> None:
        """Count an optimizer step."""
        self.at_step(self._done + 1)

    def at_step(self, done: int, total_steps: int | None = None) -> None:
        """Say how many optimizer steps are done, and of how many."""
        self._done = done
        self.steps.fill_(done)
        self.total_steps = total_steps or self.total_steps

    def end_epoch(self) -> None:
        """Let strategies learn from the epoch's steps."""
        for learner in learners_in(self.smoother, self.loss):
            learner.end_epoch()

    def validate(self, logits: Tensor, labels: Tensor) -> None:
        """Show a validation batch to strategies that learn from validation."""
        for learner in learners_in(self.smoother, self.loss):
            learner.validate(logits.detach(), labels)

    def end_validation(self) -> None:
        """Let strategies learn from the validation."""
        for learner in learners_in(self.smoother, self.loss):
            learner.end_validation()

    def _load_from_state_dict(self, *arguments: Any, **options: Any) -> None:
        super()._load_from_state_dict(*arguments, **options)
        self._done = int(self.steps)
