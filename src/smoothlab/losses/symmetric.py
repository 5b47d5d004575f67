"""Cross-entropy in both directions, for targets that are trained themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from smoothlab.losses.by_row import by_row
from smoothlab.losses.probabilities import probabilities
from smoothlab.numbers import check_number
from smoothlab.step import Step
from smoothlab.targets import SoftTarget


@dataclass(frozen=True)
class SymmetricCrossEntropy:
    """``(CE(stop(q), p) + CE(stop(p), q)) / 2``; ``stop`` passes no gradient.

    The first term trains the model and the second the target, such as one with the prior
    :class:`smoothlab.smoothing.Learnable`. The model's gradient is half that of the cross-entropy, as published.

    Args:
        floor: above 0, added to q in the second term's logarithm, which is then finite where a target is 0; published:
            1e-6.

    The published code adds 1e-6 to p in the first term too, which takes away the gradient of a label that the model
    holds for impossible; here its logarithm is exact. A class whose logit is -inf takes no part; a masked label has the
    loss inf.

    Raises:
        InvalidArgument: for a floor that is not above 0; in a step, for a signed target with an epsilon below 0, which
            has no logarithm.

    Source: Chhabra et al., "Label Smoothing++", BMVC 2024.
    """

    floor: float = 1e-6

    needs_distributions: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number("floor", self.floor, above=0)

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The loss of each row, ``(...)`` in float32 or wider, from logits ``(..., K)``."""
        q, p, log_p = probabilities(logits, target)
        of_model = (q.detach() * log_p).sum(-1)
        of_target = (p.detach() * (q + self.floor).log()).sum(-1)
        return -(of_model + of_target) / 2
