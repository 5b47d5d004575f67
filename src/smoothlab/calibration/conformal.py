"""Sets of classes that hold the true one with a chosen probability, whatever the model."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from smoothlab.calibration.observed import Observed
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number, check_whole

FORMAT = 2  # 1 had scores that tie where a probability rounds to 1
ROUNDING = 1e-9  # scores that differ by less are equal; counts such as 10 * 0.9 are meant as whole


class ConformalSets(nn.Module):
    """Split conformal prediction: a class is in the set whose score is not above a quantile of those of true labels.

    For a new sample that is exchangeable with the n it is fitted to, the set holds the label with probability at least
    ``1 - alpha`` (on average over both), whatever the model: the quantile is the ``ceil((n + 1) * (1 - alpha))``-th
    smallest score, and with n too small for one every class is in the set. Scores are not randomised: the same sample
    gets the same set, a little larger than a randomised one. A set always holds the most probable class.

    Where a model is over-confident the scores of many classes round to one number, such as 1 - p to 1, and a set that
    needs one of them would hold every one. So a score comes with the logarithm of what its rounding loses, and equal
    scores are told apart by that.

    Args:
        alpha: the accepted share of sets without the label, in (0, 1).
        class_conditional: a quantile for each class, from the samples of it, so that the promise holds class by class
            (a class with fewer than ``1/alpha - 1`` samples is in every set).

    Raises:
        InvalidArgument: alpha outside (0, 1).

    Source: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; of classes, Vovk, ACML 2012.
    """

    kind: ClassVar[str] = ""
    thresholds: Tensor  # (K, 2), the same score for all or one a class

    def __init__(self, alpha: float, class_conditional: bool = False) -> None:
        super().__init__()
        self.alpha = check_number("alpha", alpha, above=0, below=1)
        self.class_conditional = bool(class_conditional)
        self.register_buffer("thresholds", torch.empty(0, 2, dtype=torch.float64))

    def scores(self, log_probabilities: Tensor) -> Tensor:
        """How strange each class would be as the label, ``(N, K, 2)``, from ``(N, K)`` log-probabilities.

        The score, and the number that tells scores apart which differ by rounding alone; it rises with the score.
        """
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
        scores = self.scores(torch.log_softmax(observed.logits, 1))[torch.arange(len(truth)), truth]
        if self.class_conditional:
            parts = [_threshold(scores[truth == k], self.alpha) for k in range(observed.num_classes)]
        else:
            parts = [_threshold(scores, self.alpha)] * observed.num_classes
        self.thresholds = torch.stack(parts)
        return self

    def sets(self, logits: Tensor) -> Tensor:
        """Which classes are in the set of each sample: bools ``(N, K)``.

        Raises:
            InvalidArgument: not fitted, or logits of another number of classes.
        """
        if logits.shape[-1] != len(self.thresholds):
            expected = f"{len(self.thresholds)} classes, as fitted" if len(self.thresholds) else "fit() before sets()"
            raise InvalidArgument("logits", tuple(logits.shape), expected)
        log_probabilities = torch.log_softmax(logits.double(), -1)
        score, finer = self.scores(log_probabilities).unbind(-1)
        most, finest = self.thresholds.unbind(-1)
        equal = (score - most).abs() <= ROUNDING
        inside = (score < most) & ~equal | equal & (finer <= finest + ROUNDING)
        return inside.scatter(-1, log_probabilities.argmax(-1, keepdim=True), True)

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
    """Scores ``1 - p_k``, equal ones by ``-log p_k``: the smallest sets on average, uneven between samples.

    Source: Sadinle, Lei and Wasserman, "Least Ambiguous Set-Valued Classifiers with Bounded Error Levels", JASA 2019.
    """

    kind = "split"

    def scores(self, log_probabilities: Tensor) -> Tensor:
        """See :class:`ConformalSets`."""
        return torch.stack([-torch.expm1(log_probabilities), -log_probabilities], -1)


class APS(ConformalSets):
    """Adaptive sets: the score is the mass of all classes down to this one, the most probable first.

    Equal scores by minus the logarithm of the mass that is left after this class.

    Source: Romano, Sesia and Candès, "Classification with Valid and Adaptive Coverage", NeurIPS 2020.
    """

    kind = "aps"

    def scores(self, log_probabilities: Tensor) -> Tensor:
        """See :class:`ConformalSets`."""
        ordered = torch.sort(log_probabilities, dim=-1, descending=True, stable=True)
        left = _log_mass_after(ordered.values)
        of_rank = torch.stack([self.prices(left.shape[-1]).to(left) - torch.expm1(left), -left], -1)
        return torch.empty_like(of_rank).scatter(-2, ordered.indices.unsqueeze(-1).expand_as(of_rank), of_rank)

    def prices(self, num_classes: int) -> Tensor:
        """What is added to the score of each rank, ``(K,)``, the most probable class first: nothing."""
        return torch.zeros(num_classes)


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
        self.penalty = check_number("penalty", penalty, at_least=0)
        self.free = check_whole("free", free, 0)

    def prices(self, num_classes: int) -> Tensor:
        """See :class:`APS`."""
        return self.penalty * (torch.arange(num_classes) + 1 - self.free).clamp(min=0).double()

    def settings(self) -> dict[str, Any]:
        """See :class:`ConformalSets`."""
        return {**super().settings(), "penalty": self.penalty, "free": self.free}


SETS: dict[str, type[ConformalSets]] = {sets.kind: sets for sets in (Split, APS, RAPS)}


def conformal_quantile(scores: Tensor, alpha: float) -> float:
    """The ``ceil((n + 1) * (1 - alpha))``-th smallest of n scores; infinite where there are too few."""
    rank = math.ceil((len(scores) + 1) * (1 - alpha) - ROUNDING)
    return float(scores.sort().values[max(rank, 1) - 1]) if rank <= len(scores) else math.inf


def _threshold(scores: Tensor, alpha: float) -> Tensor:
    """The same of scores ``(n, 2)``, by their second number where the first is the same."""
    place = conformal_quantile(torch.arange(len(scores), dtype=torch.float64), alpha)
    if math.isinf(place):
        return torch.full((2,), math.inf, dtype=torch.float64)
    by_finer = scores[:, 1].argsort(stable=True)
    return scores[by_finer][scores[by_finer, 0].argsort(stable=True)][int(place)]


def _log_mass_after(falling: Tensor) -> Tensor:
    """Logarithms of the mass of all classes after each, ``(N, K)`` of falling log-probabilities; -inf of the last."""
    below = torch.logcumsumexp(falling.flip(-1), -1).flip(-1)[..., 1:]
    return torch.cat([below, torch.full_like(falling[..., :1], -torch.inf)], -1)


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
