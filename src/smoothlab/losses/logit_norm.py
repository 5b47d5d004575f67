"""LogitNorm: cross-entropy of logits whose length is taken away."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from smoothlab.losses.by_row import by_row
from smoothlab.losses.reference import reference_rows
from smoothlab.losses.weights import accumulator
from smoothlab.numbers import check_number
from smoothlab.step import Step
from smoothlab.targets import SoftTarget, check_tensor

SHORTEST = 1e-2


def normalized_logits(logits: Tensor, temperature: float) -> Tensor:
    """``z / (|z| + 1e-7) / temperature``, with the Euclidean length of each row; ``(..., K)`` in float32 or wider.

    Any loss or penalty can take them in place of the logits. A net is trained with them, and predicts with its
    raw logits. They change when a constant is added to all logits.

    A row shorter than 0.01 is divided by 0.01, so that the gradient is at most ``100 / temperature``; in the
    original it is 1e7 / temperature at z = 0, where a net whose last layer begins with zeros stands. A class whose
    logit is -inf takes no part in the length, and stays masked.
    """
    check_tensor("logits", logits, "a float tensor of shape (..., K)")
    z = logits.to(accumulator(logits.dtype))
    masked = z == -math.inf
    present = z.masked_fill(masked, 0)
    length: Tensor = torch.linalg.vector_norm(present, dim=-1, keepdim=True) + 1e-7
    return (present / (length.clamp_min(SHORTEST) * temperature)).masked_fill(masked, -math.inf)


@dataclass(frozen=True)
class LogitNorm:
    """Soft cross-entropy of :func:`normalized_logits`.

    Args:
        temperature: a finite number > 0. Logits of length ``1 / temperature`` bound the loss from below, so it is
            small: 0.04 for CIFAR-10 in the paper, 0.01 in the code's read-me (whose own default is 1).

    A class whose logit is -inf takes no part, and gets no smoothing mass; a masked label has the loss inf.

    Raises:
        InvalidArgument: for a temperature that is not positive, infinite or no number.

    Source: Wei et al., "Mitigating Neural Network Overconfidence with Logit Normalization", ICML 2022.
    """

    temperature: float = 0.04

    def __post_init__(self) -> None:
        check_number("temperature", self.temperature, above=0)

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The loss of each row, ``(...)`` in float32 or wider, from logits ``(..., K)``."""
        return reference_rows(normalized_logits(logits, self.temperature), target, None, None)
