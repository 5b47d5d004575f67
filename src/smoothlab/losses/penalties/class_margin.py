"""CALS-HR: the margin penalty with a weight a class, that follows the penalty's own course."""

from __future__ import annotations

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.learner import Learner
from smoothlab.losses.by_row import by_row
from smoothlab.losses.penalties.class_sums import add_to_classes, check_classes, class_zeros, means
from smoothlab.losses.penalties.penalty import number_of, taking_part
from smoothlab.numbers import check_number, check_whole
from smoothlab.step import Step
from smoothlab.targets import SoftTarget, check_tensor


class ClassMargin(Learner):
    """``mean_k weight_k max(0, max_j z_j - z_k - margin)``: the margin penalty, its weight a class learned by a rule.

    A class's score is the mean of its term over the validation samples, its weight included. After every ``every``-th
    validation but the first, a weight is multiplied by ``growth`` where the score is above ``tolerance`` times that of
    the validation before, divided by it where it is below that score divided by ``tolerance``, and clipped. While the
    scores before are all 0, nothing changes.

    Args:
        weight: of every class at the start, a finite number >= 0; the authors take 0.1.
        margin: a distance of logits, a finite number >= 0; the authors take 10.
        growth: at least 1; the authors' gamma, 1.1.
        tolerance: at least 1; the authors' tao, 1.1.
        every: validations between updates, at least 1.
        weight_min: the least a weight can become, >= 0.
        weight_max: the most, at least ``weight_min``.

    A class whose logit is -inf takes no part: it has the gradient 0, and counts neither in the mean over the classes
    nor in those over the samples. In the original the weights are in no checkpoint, and ranks are averaged whatever
    the number of their samples.

    Raises:
        InvalidArgument: for an argument outside its range; for logits of another number of classes than was learned.

    Source: Liu, Rony, Galdran, Dolz and Ben Ayed, "Class Adaptive Network Calibration", CVPR 2023, its heuristic rule.
    """

    def __init__(
        self,
        weight: float = 0.1,
        margin: float = 10.0,
        growth: float = 1.1,
        tolerance: float = 1.1,
        every: int = 1,
        weight_min: float = 1e-6,
        weight_max: float = 1e6,
    ) -> None:
        super().__init__()
        for name, value in (("weight", weight), ("margin", margin), ("weight_min", weight_min)):
            check_number(name, value, at_least=0)
        check_number("growth", growth, at_least=1)
        check_number("tolerance", tolerance, at_least=1)
        check_whole("every", every, 1)
        check_number("weight_max", weight_max, at_least=weight_min)
        self.weight = weight
        self.margin = margin
        self.growth = growth
        self.tolerance = tolerance
        self.every = every
        self.weight_min = weight_min
        self.weight_max = weight_max

    def bind(self, info: ClassInfo) -> None:
        """Make room for the data's classes, if there is none yet."""
        self._make_room(len(info.class_names), torch.device("cpu"))

    def _make_room(self, num_classes: int, device: torch.device) -> None:
        check_classes(self.kept.get("weights"), num_classes)
        if self.kept:
            return
        zeros = class_zeros(num_classes, device)
        self.kept["weights"] = zeros + self.weight
        self.kept["scores"] = zeros.clone()  # of the last validation
        self.kept["validations"] = zeros.new_zeros(())
        self.validated |= {name: zeros.clone() for name in ("scores", "count")}

    @by_row
    def forward(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The penalty of each row, ``(...)``, from logits ``(..., K)``; the target is not looked at."""
        terms, masked = self._terms(logits)
        return terms.sum(-1) / number_of(masked)

    def _terms(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Each class's term ``(..., K)``, and which are masked."""
        check_classes(self.kept.get("weights"), logits.shape[-1])
        z, masked = taking_part(logits)
        distances = (z.max(-1, keepdim=True).values - z).masked_fill(masked, 0)
        weights = self.kept["weights"].to(z.device, z.dtype) if self.kept else self.weight
        return weights * (distances - self.margin).relu(), masked

    def validate(self, logits: Tensor, labels: Tensor) -> None:
        """Add the terms of logits ``(..., K)``; the labels are not looked at."""
        check_tensor("logits", logits, "a float tensor of shape (..., K)")
        self._make_room(logits.shape[-1], logits.device)
        terms, masked = self._terms(logits)
        add_to_classes(self.validated, masked, scores=terms)

    def learn_from_validation(self) -> None:
        """New weights; those of a class without samples stay."""
        if not self.kept:
            return
        weights, before = self.kept["weights"], self.kept["scores"]
        scores = means(self.validated, "scores", otherwise=before)
        number = self.kept["validations"] + 1
        if int(number) % self.every == 0 and bool(before.any()):
            weights = torch.where(scores > before * self.tolerance, weights * self.growth, weights)
            weights = torch.where(scores < before / self.tolerance, weights / self.growth, weights)
            self.kept["weights"] = weights.clamp(self.weight_min, self.weight_max)
        self.kept["scores"] = scores
        self.kept["validations"] = number

    def record(self) -> dict[str, float]:
        """Mean and largest weight."""
        if not self.kept:
            return {}
        weights = self.kept["weights"].cpu()
        return {"class_weight_mean": weights.mean().item(), "class_weight_max": weights.max().item()}

    def extra_repr(self) -> str:
        """The settings."""
        names = ("weight", "margin", "growth", "tolerance", "every", "weight_min", "weight_max")
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
