"""Strength by feedback: over-confidence on the validation data raises it, under-confidence lowers it."""

from __future__ import annotations

import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number, check_share
from smoothlab.smoothing.strengths.feedback import Feedback, Scope


class Controller(Feedback):
    """Epsilon is moved after each validation against the signed gap, mean confidence - accuracy, until that is 0:

        gap     <- damping * gap + (1 - damping) * (mean confidence - accuracy)
        epsilon <- clip(epsilon + gain * gap, 0, maximum)

    The gap starts at 0. Where confidence falls by s for each unit of epsilon (about 1 - 1/K for the uniform prior),
    epsilon comes to rest without swinging if ``gain * s <= (1 - sqrt(damping)) / (1 + sqrt(damping))``; a net that
    takes several epochs to follow wants a smaller gain still.

    Per class, the gap is that of the samples *predicted* as the class: a confidence is a claim about the predicted
    class, and so the classes' gaps, weighed by their samples, add up to that of all. Epsilon is taken by the *label*,
    whose target bounds how confident the net becomes of that class. A class that is never predicted follows the gap of
    all. Classes of a few dozen validation samples give a gap of mostly noise.

    Votes count by their mode, ignored labels not at all.

    Source: this project's own, in the spirit of the multipliers by class of Liu et al., "Class Adaptive Network
    Calibration", CVPR 2023, which weigh a penalty on margins and are raised by its violation on the validation data.

    Args:
        gain: change of epsilon for a gap of 1, above 0.
        damping: share of the former gap that stays, in [0, 1); 0 follows each validation, noise and all.
        maximum: epsilon goes no higher, in [0, 1).
        start: epsilon until the first validation is over, in [0, maximum].
        scope: ``"global"`` or ``"per_class"``; see :class:`smoothlab.smoothing.strengths.feedback.Feedback`.

    Raises:
        InvalidArgument: for an argument outside its range; on binding and in a validation, for another K than before.
    """

    sums = ("confidence", "correct", "count")

    def __init__(self, gain: float, damping: float, maximum: float, start: float, scope: Scope) -> None:
        super().__init__(start, scope, "validation")
        self.gain = check_number("gain", gain, above=0)
        self.damping = check_share("damping", damping)
        self.maximum = check_share("maximum", maximum)
        if self.start > self.maximum:
            raise InvalidArgument("start", start, f"at most maximum, {self.maximum:g}")

    def count(self, sums: dict[str, Tensor], logits: Tensor, labels: Tensor) -> None:
        """Count samples, right predictions and confidence by predicted class."""
        counted = ((labels >= 0) & (labels < logits.shape[1])).double()
        wide = torch.promote_types(logits.dtype, torch.float32)
        confidence, predicted = torch.softmax(logits, 1, wide).max(1)
        sums["count"].index_add_(0, predicted, counted)
        sums["correct"].index_add_(0, predicted, counted * (predicted == labels))
        sums["confidence"].index_add_(0, predicted, counted * confidence)

    def allocate(self, num_classes: int) -> dict[str, Tensor]:
        """Epsilon and gap, each a number or one a class."""
        state = super().allocate(num_classes)
        return state | {"gap": torch.zeros_like(state["epsilon"])}

    def learn(self, sums: dict[str, Tensor]) -> None:
        """The rule above; without samples all stays as it was."""
        count, excess = sums["count"], sums["confidence"] - sums["correct"]
        if not count.sum() > 0:
            return
        overall = excess.sum() / count.sum()
        gap = torch.where(count > 0, excess / count, overall) if self.scope == "per_class" else overall
        gap = self.damping * self.kept["gap"] + (1 - self.damping) * gap
        self.settle((self.kept["epsilon"] + self.gain * gap).clamp(0, self.maximum), gap=gap)

    def record(self) -> dict[str, float]:
        """The damped gap, the mean over the classes where each has its own."""
        return {"gap": float(self.kept["gap"].mean())} if self.kept else {}

    def extra_repr(self) -> str:
        """Its arguments."""
        return (
            f"gain={self.gain}, damping={self.damping}, maximum={self.maximum}, start={self.start}, scope={self.scope}"
        )
