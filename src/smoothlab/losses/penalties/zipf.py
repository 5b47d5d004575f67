"""Zipf's label smoothing: the classes beside the label are to follow Zipf's law in the order the model has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from smoothlab.classes.ranks import integrated_zipf_weights, zipf_weights
from smoothlab.losses.by_row import by_row
from smoothlab.losses.penalties.penalty import Weight, check_weight, number_of, taking_part, weight_at
from smoothlab.numbers import check_choice, check_number
from smoothlab.step import Step
from smoothlab.targets import SoftTarget

Distribution = Literal["rank", "integral", "constant"]


@dataclass(frozen=True)
class ZipfPenalty:
    """``weight * KL(q || softmax(z without the label))``, with q by the rank of the classes in the row's own logits.

    - ``rank``: ``q_k ∝ 1 / rank_k ** power``, equal logits sharing the best of their ranks.
    - ``integral``: q_k in proportion to the integral of ``1 / r ** power`` over the k-th best of K equal parts of
      [0.01, 1], equal logits sharing their parts; the "unbiased Zipf" of the authors' code.
    - ``constant``: the same for all.

    Ranks are those among all classes, the label's own too, whose part is left out then. They are looked at, not
    learned: no gradient flows through q. For soft targets the label is the class of the largest base. With two classes
    the penalty is 0.

    Args:
        weight: a finite number >= 0, or a schedule; the lambda of the authors, 0.1 to 1.
        power: above 0.
        distribution: one of the three.
        only_correct: whether rows whose largest logit is not the label's have no penalty. The original then divides by
            the number of those that have one; here, as ever, the caller divides by all rows.

    A class whose logit is -inf takes no part: it has no share in q. In the original the loss is nan.

    Raises:
        InvalidArgument: for an argument outside its range.

    Source: Liang et al., "Efficient One Pass Self-distillation with Zipf's Label Smoothing", ECCV 2022.
    """

    weight: Weight = 0.1
    power: float = 1.0
    distribution: Distribution = "rank"
    only_correct: bool = False

    def __post_init__(self) -> None:
        check_weight("weight", self.weight)
        check_number("power", self.power, above=0)
        check_choice("distribution", self.distribution, ("rank", "integral", "constant"))

    @by_row
    def __call__(
        self, logits: Tensor, target: SoftTarget, step: Step | None = None, scores: Tensor | None = None
    ) -> Tensor:
        """The penalty of each row, ``(...)``, from logits ``(..., K)``.

        With ``scores`` ``(..., K)`` the classes are ranked by them and not by the logits: such as how many places of a
        feature map voted for each, the dense variant of the authors; see :func:`count_votes` in this module.
        """
        z, masked = taking_part(logits)
        label = (target.base if target.is_index else target.base.argmax(-1)).unsqueeze(-1)
        absent = masked.scatter(-1, label, True)
        q = self._shares(z.detach() if scores is None else scores, masked).to(z.dtype).masked_fill(absent, 0)
        sums = q.sum(-1, keepdim=True)
        q = q / sums.where(sums > 0, 1)
        log_p = torch.log_softmax(z.masked_fill(absent, torch.finfo(z.dtype).min), -1).masked_fill(absent, 0)
        rows = weight_at(step, "weight", self.weight) * (torch.xlogy(q, q) - q * log_p).sum(-1)
        if self.only_correct:
            rows = rows * (z.argmax(-1, keepdim=True) == label).squeeze(-1)
        return rows

    def _shares(self, scores: Tensor, masked: Tensor) -> Tensor:
        if self.distribution == "constant":
            return torch.ones_like(masked, dtype=torch.float64 if scores.dtype is torch.float64 else torch.float32)
        scores = scores.masked_fill(masked, -torch.inf)  # below all others
        if self.distribution == "rank":
            return zipf_weights(scores, self.power)
        return integrated_zipf_weights(scores, self.power, number_of(masked).unsqueeze(-1))


def count_votes(places: Tensor, num_classes: int) -> Tensor:
    """How many places voted for each class.

    Args:
        places: ``(..., P)``, the class that each of P places of a feature map holds for the likeliest.
        num_classes: K.

    Returns:
        ``(..., K)`` in float32.
    """
    votes = torch.zeros(*places.shape[:-1], num_classes, device=places.device)
    return votes.scatter_add_(-1, places, torch.ones_like(places, dtype=votes.dtype))
