"""What losses beside the cross-entropy are made of: the dense target, and the model's probabilities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from smoothlab.losses.shapes import check_shapes
from smoothlab.losses.weights import accumulator

if TYPE_CHECKING:
    from torch import Tensor

    from smoothlab.targets import SoftTarget


class Probabilities(NamedTuple):
    """Each ``(..., K)``, in float32 or wider."""

    q: Tensor  # the target
    p: Tensor  # the model's
    log_p: Tensor  # 0, and not -inf, at a masked class without mass, so that it adds nothing to a sum over q


def probabilities(logits: Tensor, target: SoftTarget) -> Probabilities:
    """Target and model's probabilities of logits ``(..., K)``.

    A class whose logit is -inf gets no smoothing mass. Rows whose label is outside [0, K), such as ignored ones,
    have no label; the caller leaves them out.

    Raises:
        InvalidArgument: where target and logits do not fit each other.
    """
    check_shapes(logits, target, None, None)
    z = logits.to(accumulator(logits.dtype))
    q = target.dense(z.shape[-1], z, dtype=z.dtype)
    log_p = torch.log_softmax(z, -1)
    return Probabilities(q, log_p.exp(), log_p.masked_fill((z == -math.inf) & (q == 0), 0))
