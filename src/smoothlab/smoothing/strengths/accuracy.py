"""Strength by accuracy: less smoothing as the model gets better."""

from __future__ import annotations

import torch
from torch import Tensor

from smoothlab.numbers import check_number, check_share
from smoothlab.smoothing.strengths.feedback import Feedback, Scope, Source


class Accuracy(Feedback):
    """Epsilon falls from ``high`` to ``low`` as accuracy rises: ``low + (high - low) * (1 - a) ** power``.

    a is the accuracy on its way from chance to 1, ``clip((accuracy - 1/K) / (1 - 1/K), 0, 1)``, as it was in the last
    epoch of training steps or in the last validation. It is measured against the label, for votes against their mode;
    ignored labels do not count. Per class it is the share of the class's samples that are recognised; a class without
    samples has the accuracy of all.

    The accuracy of training steps is measured while the weights change, and it nears 1 where a model overfits: then the
    validation is the better source.

    No publication: the rule is this project's own.

    Args:
        low: epsilon at accuracy 1, in [0, 1).
        high: epsilon at chance and below, in [0, 1), at least ``low``.
        power: above 0; 1 is a straight line, 2 falls sooner, 0.5 later.
        start: epsilon of the first epoch, in [0, 1).
        scope: ``"global"`` or ``"per_class"``; see :class:`smoothlab.smoothing.strengths.feedback.Feedback`.
        source: ``"running"`` (training steps) or ``"validation"``.

    Raises:
        InvalidArgument: for an argument outside its range; on binding and in a step, for another K than before; in a
            training step without logits, for the source ``"running"``.
    """

    sums = ("correct", "count")

    def __init__(self, low: float, high: float, power: float, start: float, scope: Scope, source: Source) -> None:
        super().__init__(start, scope, source)
        self.low = check_share("low", low)
        self.high = check_number("high", check_share("high", high), f"at least low, {self.low:g}", at_least=self.low)
        self.power = check_number("power", power, above=0)

    def count(self, sums: dict[str, Tensor], logits: Tensor, labels: Tensor) -> None:
        """Count samples and right predictions by label."""
        num_classes = logits.shape[1]
        counted = ((labels >= 0) & (labels < num_classes)).double()
        label = labels.clamp(0, num_classes - 1)
        sums["count"].index_add_(0, label, counted)
        sums["correct"].index_add_(0, label, counted * (logits.argmax(1) == labels))

    def allocate(self, num_classes: int) -> dict[str, Tensor]:
        """Epsilon, and the accuracy of all samples, which is not known yet."""
        unknown = torch.full((), torch.nan, dtype=torch.float64)
        return super().allocate(num_classes) | {"accuracy": unknown}

    def learn(self, sums: dict[str, Tensor]) -> None:
        """The formula above; without samples all stays as it was."""
        correct, count = sums["correct"], sums["count"]
        if not count.sum() > 0:
            return
        overall = correct.sum() / count.sum()
        accuracy = torch.where(count > 0, correct / count, overall) if self.scope == "per_class" else overall
        chance = 1 / len(count)
        share = ((accuracy - chance) / (1 - chance)).clamp(0, 1) if len(count) > 1 else accuracy
        self.settle(self.low + (self.high - self.low) * (1 - share) ** self.power, accuracy=overall)

    def record(self) -> dict[str, float]:
        """The accuracy that it goes by."""
        accuracy = float(self.kept.get("accuracy", torch.nan))
        return {} if accuracy != accuracy else {"accuracy": accuracy}

    def extra_repr(self) -> str:
        """Its arguments."""
        return (
            f"low={self.low}, high={self.high}, power={self.power}, start={self.start}, "
            f"scope={self.scope}, source={self.source}"
        )
