"""A prior by the rank of the classes in the model's own prediction: Zipf's law for each sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from smoothlab.classes.ranks import zipf_weights
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number
from smoothlab.step import Step
from smoothlab.targets import PerSample


@dataclass(frozen=True)
class ZipfOfPredictions:
    """The mass goes to the classes but the label by the rank of their logits: ``pi_k ∝ 1 / rank_k ** power``.

    The ranks are those among all K classes, the label's own too; equal logits share the best of theirs. A class with
    the logit -inf gets nothing; where no other class is left, the label keeps the mass. For votes the prior is that of
    each class, mixed as the votes are.

    The published loss takes a divergence over the other classes alone instead, whose gradient leaves the label's logit
    as it is: that is the penalty :class:`~smoothlab.losses.penalties.ZipfPenalty`, with the same ranks.

    Args:
        power: above 0; the authors take 1.

    Raises:
        InvalidArgument: for another power, and in a step without logits.

    Source: Liang et al., "Efficient One Pass Self-distillation with Zipf's Label Smoothing", ECCV 2022.
    """

    power: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "power", check_number("power", self.power, above=0))

    def __call__(self, step: Step) -> PerSample:
        """The distributions ``(..., K)`` of logits ``(..., K)``."""
        if step.logits is None:
            raise InvalidArgument("logits", None, "the model's output: the prior ranks it")
        weights = zipf_weights(step.logits, self.power).masked_fill(step.logits == -math.inf, 0)
        if step.labels.is_floating_point():
            return PerSample(_mixed(weights, step.labels.to(weights.dtype)))
        label = step.labels.clamp(0, weights.shape[-1] - 1).unsqueeze(-1)
        others = weights.scatter(-1, label, 0.0)
        sums = others.sum(-1, keepdim=True)
        others.scatter_(-1, label, (sums == 0).to(weights.dtype))
        return PerSample(others.div_(sums.where(sums > 0, 1)))


def _mixed(weights: Tensor, votes: Tensor) -> Tensor:
    """The mean over labels y, as votes have it, of the weights without that of y, divided by their sum.

    That is ``w_k * sum_{y != k} v_y / (W - w_y)`` with W the sum of the weights; a y that leaves none keeps its share.
    """
    rest = weights.sum(-1, keepdim=True) - weights
    alone = (weights > 0).sum(-1, keepdim=True) - (weights > 0).to(torch.int64) == 0  # a sum may miss 0 by rounding
    shares = (votes / rest.where(~alone, 1)).masked_fill(alone, 0)
    return weights * (shares.sum(-1, keepdim=True) - shares) + votes * alone
