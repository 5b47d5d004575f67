"""Cross-entropies for labels that were mistaken with known probabilities."""

from __future__ import annotations

import math

from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.losses.by_row import by_row
from smoothlab.losses.probabilities import probabilities
from smoothlab.losses.transition import Noise, transition_of
from smoothlab.step import Step
from smoothlab.targets import SoftTarget


class ForwardCorrection:
    """``-sum_k q_k log((p T)_k)``: the model predicts the true label, and is judged by the label that was observed.

    T[i, j] is the probability that j is observed where the true label is i. For a plain label it is ``-log sum_i p_i
    T[i, y]``; a soft target is one of the observed label. The distribution of the true labels has the least loss.

    Args:
        noise: ``"symmetric"``: a label is mistaken with the probability ``rate``, for any other alike; ``"pair"``: for
            the next class, the last one for the first; or K rows of K probabilities in the order of the logits, each
            row summing to 1, or a file of them (.csv without a header, .json, .npy).
        rate: in [0, 1), with a name; None with a matrix.

    A class whose logit is -inf takes no part, and gets no smoothing mass; a masked label has the loss inf. Symmetric
    noise is then that among the classes that are left, any other stays as it is.

    Nothing is clipped: the published codes hold probabilities above 1e-7, and so have no gradient where a prediction is
    worst. With a matrix, probabilities that are moved are summed in float64.

    Raises:
        InvalidArgument: for another name, a rate that is missing, superfluous or out of range, a file that cannot be
            read, rows that are no distributions, a class that is never observed; on binding, or in a step, for a
            matrix of another size.

    Source: Patrini, Rozza, Menon, Nock and Qu, "Making Deep Neural Networks Robust to Label Noise: a Loss Correction
    Approach", CVPR 2017.
    """

    def __init__(self, noise: Noise = "symmetric", rate: float | None = None) -> None:
        self.transition = transition_of(noise, rate)

    def bind(self, info: ClassInfo) -> None:
        """Check the number of classes."""
        self.transition.check(len(info.class_names), invertible=False)

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The loss of each row, ``(...)`` in float32 or wider, from logits ``(..., K)``."""
        q, _, log_p = probabilities(logits, target)
        masked = logits == -math.inf
        observed = self.transition.log_observed(log_p.masked_fill(masked, -math.inf), masked)
        rows = -(q * observed.masked_fill(q == 0, 0)).sum(-1)
        return rows.masked_fill(((q > 0) & masked).any(-1), math.inf)


class BackwardCorrection:
    """``-sum_k (q T^-1)_k log p_k``: the loss is changed so that its mean over mistaken labels is that over true ones.

    With symmetric noise ``q T^-1`` is a negative smoothing of q: of a plain label with the uniform prior and
    ``epsilon = -r / (1 - r)``, where r is ``rate K / (K - 1)`` (Lukasik et al., "Does Label Smoothing Mitigate Label
    Noise?", ICML 2020). Weights of classes may be negative, so that the loss of a row has no lower bound: its mean over
    many rows has, and small sets with strong noise diverge. Prefer :class:`ForwardCorrection`.

    Args:
        noise: as of :class:`ForwardCorrection`; its matrix needs an inverse.
        rate: as there; (K - 1)/K of symmetric noise has no inverse, nor has 1/2 of pair noise with an even K.

    A class whose logit is -inf takes no part, and gets no smoothing mass; a masked label has the loss inf. Symmetric
    noise is then that among the classes that are left; of any other the masked class's term is left out.

    The published codes clip the probabilities at 1e-7; here nothing is.

    Raises:
        InvalidArgument: as :class:`ForwardCorrection`; on binding, or in a step, for noise without an inverse.

    Source: Patrini, Rozza, Menon, Nock and Qu, "Making Deep Neural Networks Robust to Label Noise: a Loss Correction
    Approach", CVPR 2017.
    """

    def __init__(self, noise: Noise = "symmetric", rate: float | None = None) -> None:
        self.transition = transition_of(noise, rate)
        self._checked: set[int] = set()

    def bind(self, info: ClassInfo) -> None:
        """Check the number of classes, and that there is an inverse."""
        self._check(len(info.class_names))

    def _check(self, num_classes: int) -> None:
        if num_classes not in self._checked:
            self.transition.check(num_classes, invertible=True)
            self._checked.add(num_classes)

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The loss of each row, ``(...)`` in float32 or wider, from logits ``(..., K)``."""
        q, _, log_p = probabilities(logits, target)
        self._check(q.shape[-1])
        masked = logits == -math.inf
        rows = -(self.transition.corrected(q, masked) * log_p.masked_fill(masked, 0)).sum(-1)
        return rows.masked_fill(((q > 0) & masked).any(-1), math.inf)
