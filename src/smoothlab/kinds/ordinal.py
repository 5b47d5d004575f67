"""Classes in their order: K - 1 outputs are thresholds between them, of which the logits follow."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from smoothlab.kinds.classification import Classification


class Thresholds(nn.Module):
    """A net whose K - 1 outputs say how probable it is to lie above each threshold between neighbouring classes.

    The first output is the mean of the cumulative logits ``c_k`` of ``P(class > k)``; softplus of each other one is the
    distance from a cumulative logit down to the next, so that they fall in the order of the classes for every sample.
    A class between two thresholds has ``sigmoid(c_k-1) - sigmoid(c_k)``, the product of ``sigmoid(c_k-1)``,
    ``sigmoid(-c_k)`` and ``1 - exp(-distance)``, which is ``sigmoid`` of the output itself: the logarithm is a sum of
    three logarithms, none of which cancels. Constants are added to the outputs so that zeros give the uniform
    distribution.

    Args:
        net: from features to ``(N, K - 1)``.

    Source: McCullagh, "Regression Models for Ordinal Data", JRSS B 1980, for cumulative logits; there all samples share
    the distances.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, features: Tensor) -> Tensor:
        """Log-probabilities ``(N, K)``."""
        outputs = self.net(features)
        steps = torch.arange(1, outputs.shape[-1] + 1, dtype=outputs.dtype, device=outputs.device)
        even = torch.logit(steps / (outputs.shape[-1] + 1)).diff()  # distances of classes of equal probability
        mean, distances = outputs[:, :1], outputs[:, 1:] + torch.expm1(even).log()
        below = functional.pad(functional.softplus(distances).cumsum(-1), (1, 0))
        cumulative = mean + below.mean(-1, keepdim=True) - below
        above_lower = functional.pad(functional.logsigmoid(cumulative), (1, 0))
        below_upper = functional.pad(functional.logsigmoid(-cumulative), (0, 1))
        log_probabilities = above_lower + below_upper
        if distances.shape[-1]:
            log_probabilities = log_probabilities + functional.pad(functional.logsigmoid(distances), (1, 1))
        return torch.log_softmax(log_probabilities, -1)  # takes off what rounding leaves; they sum to 1 already


class Ordinal(Classification):
    """One label a sample, of classes in their order."""

    name = "ordinal"

    def outputs(self, classes: int) -> int:
        """See :class:`Kind`."""
        return classes - 1

    def whole(self, net: nn.Module) -> nn.Module:
        """See :class:`Kind`."""
        return Thresholds(net)
