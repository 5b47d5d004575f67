"""Ordinal labels smoothed by a named family of distributions around the label."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from smoothlab.numbers import check_choice, check_number
from smoothlab.smoothing.priors.class_distance import ClassDistance, class_gaps

Family = Literal["gaussian", "exponential", "triangular", "binomial"]
FAMILIES = ("gaussian", "exponential", "triangular", "binomial")


class Ordinal(ClassDistance):
    """The mass of label y goes to class k by a family's weight at ``d = |k - y|``, normalised over the K classes.

    - ``gaussian``: ``exp(-d ** 2 / (2 scale ** 2))``
    - ``exponential``: ``exp(-d / scale)``
    - ``triangular``: ``max(0, 1 - d / scale)``; at a scale of 1 or less all mass returns to the label
    - ``binomial``: ``C(K - 1, k) p ** k (1 - p) ** (K - 1 - k)`` with ``p = (y + 1/2) / K``, without a scale

    Args:
        family: one of the four.
        scale: width in classes, above 0.
        num_classes: see :class:`~smoothlab.smoothing.priors.class_distance.ClassDistance`.

    Raises:
        InvalidArgument: for an argument outside its range.

    Source: Gaussian: Galdran et al., "Cost-Sensitive Regularization for Diabetic Retinopathy Grading from Eye Fundus
    Images", MICCAI 2020, whose rows are densities that do not sum to 1, so that classes at the border count for less;
    here they do. Exponential and binomial: Liu et al., "Unimodal regularized neuron stick-breaking for ordinal
    classification", Neurocomputing 2020; triangular: Vargas et al., "Soft labelling based on triangular distributions
    for ordinal classification", Information Fusion 2023, there with another parameter.
    """

    def __init__(self, family: Family, scale: float, num_classes: int | None = None) -> None:
        super().__init__(num_classes)
        self.family = check_choice("family", family, FAMILIES)
        self.scale = check_number("scale", scale, above=0)

    def matrix(self, num_classes: int) -> Tensor:
        """The rows ``(K, K)``."""
        if self.family == "binomial":
            return binomial_rows(num_classes)
        gaps = class_gaps(num_classes) / self.scale
        if self.family == "gaussian":
            return torch.softmax(-gaps.square() / 2, 1)
        if self.family == "exponential":
            return torch.softmax(-gaps, 1)
        weights = (1 - gaps).clamp_min(0)
        return weights / weights.sum(1, keepdim=True)

    def __repr__(self) -> str:
        return f"Ordinal(family={self.family!r}, scale={self.scale})"


def binomial_rows(num_classes: int) -> Tensor:
    """Binomial distributions over K - 1 trials with chance ``(y + 1/2) / K``, ``(K, K)`` in float64."""
    successes = torch.arange(num_classes, dtype=torch.float64)
    trials = num_classes - 1.0
    chance = ((successes + 0.5) / num_classes).unsqueeze(1)
    ways = torch.lgamma(torch.tensor(num_classes, dtype=torch.float64))
    ways = ways - torch.lgamma(successes + 1) - torch.lgamma(num_classes - successes)
    return torch.softmax(ways + successes * chance.log() + (trials - successes) * torch.log1p(-chance), 1)
