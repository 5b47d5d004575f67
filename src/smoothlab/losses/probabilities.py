"""What losses beside the cross-entropy are made of: the dense target, and the model's probabilities."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from smoothlab.losses.weights import accumulator
from smoothlab.targets import SoftTarget


class Probabilities(NamedTuple):
    """Each ``(..., K)``, in float32 or wider."""

    q: Tensor  # the target
    p: Tensor  # the model's
    log_p: Tensor  # 0, and not -inf, at a masked class without mass, so that it adds nothing to a sum over q


def probabilities(logits: Tensor, target: SoftTarget) -> Probabilities:
    """Target and model's probabilities of logits ``(..., K)``.

    A class whose logit is -inf gets no smoothing mass. Target and logits fit each other, labels are in [0, K).
    """
    z = logits.to(accumulator(logits.dtype))
    q = target.dense(z.shape[-1], z, dtype=z.dtype)
    log_p = torch.log_softmax(z, -1)
    return Probabilities(q, log_p.exp(), log_p.masked_fill((z == -math.inf) & (q == 0), 0))
