"""Sets of classes that hold the true one with a chosen probability, whatever the model."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from smoothlab.calibration.observed import Observed
from smoothlab.errors import InvalidArgument

FORMAT = 1
ROUNDING = 1e-9  # scores that differ by less are equal; counts such as 10 * 0.9 are meant as whole


class ConformalSets(nn.Module):
    """Split conformal prediction: a class is in the set whose score is not above a quantile of those of true labels.

    For a new sample that is exchangeable with the n it is fitted to, the set holds the label with probability at least
    ``1 - alpha`` (on average over both), whatever the model: the quantile is the ``ceil((n + 1) * (1 - alpha))``-th
    smallest score, and with n too small for one every class is in the set. Scores are not randomised: the same sample
    gets the same set, a little larger than a randomised one. A set always holds the most probable class.

    Args:
        alpha: the accepted share of sets without the label, in (0, 1).
        class_conditional: a quantile for each class, from the samples of it, so that the promise holds class by class
            (a class with fewer than ``1/alpha - 1`` samples is in every set).

    Raises:
        InvalidArgument: alpha outside (0, 1).

    Source: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; of classes, Vovk, ACML 2012.
    """

    kind: ClassVar[str] = ""
    thresholds: Tensor  # (K,), one score or one a class

    def __init__(self, alpha: float, class_conditional: bool = False) -> None:
        super().__init__()
        number = isinstance(alpha, int | float) and not isinstance(alpha, bool)
        if not number or not 0 < alpha < 1:
            raise InvalidArgument("alpha", alpha, "a number in (0, 1)")
        self.alpha, self.class_conditional = float(alpha), bool(class_conditional)
        self.register_buffer("thresholds", torch.empty(0, dtype=torch.float64))

    def scores(self, probabilities: Tensor) -> Tensor:
        """How strange each class would be as the label, ``(N, K)``, from ``(N, K)`` probabilities."""
        raise NotImplementedError

    def fit(self, logits: Any, labels: Any) -> Self:
        """Take the quantile from samples that neither the model nor a calibrator before this one was fitted to.

        A calibrator with few numbers, such as a temperature, may be fitted to the same validation samples: what it
        takes from the promise is then not measurable. An isotonic one should not.

        Args:
            logits: ``(N, K)``, calibrated or not.
            labels: ``(N,)`` class indices, or ``(N, K)`` votes, which count by their mode.

        Raises:
            InvalidArgument: no logits and labels.
        """
        observed = Observed.of(logits, labels)
        truth = observed.labels if observed.labels.ndim == 1 else observed.labels.argmax(1)
        scores = self.scores(torch.softmax(observed.logits, 1)).gather(1, truth.unsqueeze(1)).squeeze(1)
        if self.class_conditional:
            parts = [conformal_quantile(scores[truth == k], self.alpha) for k in range(observed.num_classes)]
        else:
            parts = [conformal_quantile(scores, self.alpha)] * observed.num_classes
        self.thresholds = torch.tensor(parts, dtype=torch.float64)
        return self

    def sets(self, logits: Tensor) -> Tensor:
        """Which classes are in the set of each sample: bools ``(N, K)``.

        Raises:
            InvalidArgument: not fitted, or logits of another number of classes.
        """
        if logits.shape[-1] != len(self.thresholds):
            expected = f"{len(self.thresholds)} classes, as fitted" if len(self.thresholds) else "fit() before sets()"
            raise InvalidArgument("logits", tuple(logits.shape), expected)
        probabilities = torch.softmax(logits.double(), -1)
        inside = self.scores(probabilities) <= self.thresholds + ROUNDING
        return inside.scatter(-1, probabilities.argmax(-1, keepdim=True), True)

    def forward(self, logits: Tensor) -> Tensor:
        """The same as ``sets``."""
        return self.sets(logits)

    def settings(self) -> dict[str, Any]:
        """The arguments that it was made with, plain values."""
        return {"alpha": self.alpha, "class_conditional": self.class_conditional}

    def to_state(self) -> dict[str, Any]:
        """Kind, settings and thresholds, as plain values and a tensor."""
        thresholds = self.thresholds.detach().cpu().clone()
        return {"format": FORMAT, "kind": self.kind, "settings": self.settings(), "thresholds": thresholds}


class Split(ConformalSets):
    """Scores ``1 - p_k``: the smallest sets on average, uneven between easy and hard samples.

    Source: Sadinle, Lei and Wasserman, "Least Ambiguous Set-Valued Classifiers with Bounded Error Levels", JASA 2019.
    """

    kind = "split"

    def scores(self, probabilities: Tensor) -> Tensor:
        """See :class:`ConformalSets`."""
        return 1 - probabilities


class APS(ConformalSets):
    """Adaptive sets: the score is the mass of all classes down to this one, the most probable first.

    Source: Romano, Sesia and Candès, "Classification with Valid and Adaptive Coverage", NeurIPS 2020.
    """

    kind = "aps"

    def scores(self, probabilities: Tensor) -> Tensor:
        """See :class:`ConformalSets`."""
        ordered = torch.sort(probabilities, dim=-1, descending=True, stable=True)
        return torch.empty_like(probabilities).scatter(-1, ordered.indices, ordered.values.cumsum(-1))


class RAPS(APS):
    """APS with a price on the classes beyond the first few, for small sets where classes are many.

    Args:
        alpha: as of :class:`ConformalSets`.
        class_conditional: as of :class:`ConformalSets`.
        penalty: added for each class beyond ``free``, >= 0.
        free: classes without a price, an integer >= 0.

    Raises:
        InvalidArgument: arguments outside their range.

    Source: Angelopoulos, Bates, Malik and Jordan, "Uncertainty Sets for Image Classifiers using Conformal Prediction",
        ICLR 2021.
    """

    kind = "raps"

    def __init__(self, alpha: float, class_conditional: bool = False, *, penalty: float = 0.01, free: int = 1) -> None:
        super().__init__(alpha, class_conditional)
        number = isinstance(penalty, int | float) and not isinstance(penalty, bool)
        if not number or not 0 <= penalty < math.inf:
            raise InvalidArgument("penalty", penalty, "a finite number >= 0")
        if isinstance(free, bool) or not isinstance(free, int) or free < 0:
            raise InvalidArgument("free", free, "an integer >= 0")
        self.penalty, self.free = float(penalty), free

    def scores(self, probabilities: Tensor) -> Tensor:
        """See :class:`ConformalSets`."""
        order = torch.sort(probabilities, dim=-1, descending=True, stable=True).indices
        rank = torch.argsort(order, -1)  # 0 for the most probable
        return super().scores(probabilities) + self.penalty * (rank + 1 - self.free).clamp(min=0)

    def settings(self) -> dict[str, Any]:
        """See :class:`ConformalSets`."""
        return {**super().settings(), "penalty": self.penalty, "free": self.free}


SETS: dict[str, type[ConformalSets]] = {one.kind: one for one in (Split, APS, RAPS)}


def conformal_quantile(scores: Tensor, alpha: float) -> float:
    """The ``ceil((n + 1) * (1 - alpha))``-th smallest of n scores; infinite where there are too few."""
    rank = math.ceil((len(scores) + 1) * (1 - alpha) - ROUNDING)
    return float(scores.sort().values[max(rank, 1) - 1]) if rank <= len(scores) else math.inf


def sets_from_state(state: dict[str, Any]) -> ConformalSets:
    """The sets whose ``to_state`` this is.

    Raises:
        InvalidArgument: a kind or format that this version does not know, or no thresholds.
    """
    kind = SETS.get(str(state.get("kind")))
    if kind is None or state.get("format") != FORMAT:
        raise InvalidArgument("conformal.kind", state.get("kind"), f"one of {', '.join(SETS)}, format {FORMAT}")
    thresholds = state.get("thresholds")
    if not isinstance(thresholds, Tensor):
        raise InvalidArgument("conformal.thresholds", type(thresholds).__name__, "a tensor")
    made = kind(**state["settings"])
    made.thresholds = thresholds.detach().clone()
    return made
