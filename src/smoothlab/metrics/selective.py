"""Selective prediction: what is left wrong when a model may hand its least confident samples on."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch

from smoothlab.errors import InvalidArgument
from smoothlab.metrics.groups import ConfidenceGroups, group, scaled
from smoothlab.metrics.inputs import Array, reads, vector, weight_vector
from smoothlab.metrics.prediction import Prediction
from smoothlab.numbers import check_number

Rule = Literal["mean", "trapezoid", "origin"]


class RiskCoverage:
    """The risk-coverage curve: accept samples from the most to the least confident, and count errors.

    Where k of n samples are accepted, coverage is k / n and the (selective) risk r_k is errors / k. Samples
    of equal confidence are accepted in random order and the expected errors are counted, so that a run over
    the data in another order gives the same curve. Whole weights are numbers of copies. Build it with
    :meth:`of` or from any score by :meth:`from_scores`.
    """

    def __init__(self, groups: ConfidenceGroups) -> None:
        self.groups = groups
        self.weight, self.errors = groups.falling()
        self.total = groups.total

    @classmethod
    def of(
        cls, values: Any, labels: Any, *, from_logits: bool, sample_weight: Any = None, mask: Any = None
    ) -> RiskCoverage:
        """The curve of a classifier's own confidence (arguments as in :func:`aurc`)."""
        prediction = Prediction.of(values, labels, from_logits=from_logits, sample_weight=sample_weight, mask=mask)
        return cls(group(prediction.confidence, prediction.correct, prediction.weights))

    @classmethod
    def from_scores(cls, score: Any, correct: Any, sample_weight: Any = None) -> RiskCoverage:
        """The curve of any ``score`` (N,), higher is more certain, and ``correct`` (N,), 1 where right."""
        length = int(np.size(score) if not hasattr(score, "numel") else score.numel())
        if length == 0:
            raise InvalidArgument("score", "no sample", "at least one")
        right = vector("correct", correct, length)
        if right.min() < 0 or right.max() > 1:
            raise InvalidArgument("correct", float(right.min()), "numbers in [0, 1]")
        weights = weight_vector(sample_weight, length)
        scores = vector("score", score, length)
        if weights is not None:
            counted = weights > 0
            scores, right, weights = scores[counted], right[counted], weights[counted]
            if not len(scores):
                raise InvalidArgument("sample_weight", 0.0, "a positive weight somewhere")
        return cls(group(scores, right, None if weights is None else scaled(weights)))

    @cached_property
    def start(self) -> Array:
        """(G,) weight accepted before each group."""
        return np.concatenate(([0.0], np.cumsum(self.weight)[:-1]))

    @cached_property
    def errors_before(self) -> Array:
        """(G,) errors accepted before each group."""
        return np.concatenate(([0.0], np.cumsum(self.errors)[:-1]))

    @property
    def error_rate(self) -> float:
        """Risk at full coverage."""
        return float(self.errors.sum() / self.total)

    def errors_at(self, accepted: Array) -> Array:
        """Expected errors among the ``accepted`` most confident samples; linear inside a group of ties."""
        reached = np.append(self.start, self.total)
        return np.asarray(np.interp(accepted, reached, np.append(self.errors_before, self.errors.sum())))

    def curve(self, points: int | None = None) -> tuple[Array, Array]:
        """Coverages in (0, 1] and their risks: at each group's end, or at ``points`` even coverages."""
        if points is None:
            accepted = self.start + self.weight
        else:
            accepted = np.linspace(0.0, self.total, points + 1)[1:]
        return accepted / self.total, self.errors_at(accepted) / accepted

    def area(self, rule: Rule = "mean") -> float:
        """AURC by the named rule (see :func:`aurc`)."""
        # The closed form of sum_j (E + j e) / (W + j), j = 1..m: a group of m with error rate e after E in W.
        rate = self.errors / self.weight
        excess = self.errors_before - rate * self.start
        first, last = (torch.from_numpy(ends + 1.0) for ends in (self.start, self.start + self.weight))
        harmonic = (torch.digamma(last) - torch.digamma(first)).numpy()
        summed = float(self.errors.sum() + excess @ harmonic)
        return self._by_rule(summed, float(rate[0]), self.error_rate, rule)

    def bounds(self, rule: Rule = "mean") -> tuple[float, float]:
        """The area if each group's errors came last, and if first: any order of ties lies between."""
        groups = self.groups
        first, second = np.empty(2 * len(groups.weight)), np.empty(2 * len(groups.weight))
        areas = []
        for right_is in (1, 0):  # the right ones of a group are its more, or its less, confident half
            first[right_is::2], first[1 - right_is :: 2] = groups.correct, groups.weight - groups.correct
            second[right_is::2], second[1 - right_is :: 2] = groups.correct, 0.0
            held = first > 0
            rank = np.arange(len(first), dtype=np.float64)[held]
            ordered = ConfidenceGroups(rank, first[held], second[held], groups.integral)
            areas.append(RiskCoverage(ordered).area(rule))
        return areas[0], areas[1]

    def generalised_area(self, rule: Rule = "origin") -> float:
        """AUGRC by the named rule (see :func:`augrc`)."""
        rate = self.errors / self.weight
        summed = self.errors_before @ self.weight + (rate * self.weight) @ (self.weight + 1.0) / 2.0
        return self._by_rule(float(summed) / self.total, float(rate[0]) / self.total, self.error_rate, rule)

    def _by_rule(self, summed: float, first: float, last: float, rule: Rule) -> float:
        """Turn the sum of risks at k = 1..n into an area."""
        if rule == "mean":
            return summed / self.total
        if rule == "origin":
            return (summed - last / 2.0) / self.total
        if rule == "trapezoid":
            if self.total <= 1.0:
                return first
            return (summed - (first + last) / 2.0) / (self.total - 1.0)
        raise InvalidArgument("rule", rule, '"mean", "trapezoid" or "origin"')

    def oracle(self) -> RiskCoverage:
        """The curve of a score that ranks every error last."""
        wrong = float(self.errors.sum())
        masses = np.array([wrong, self.total - wrong])
        held = masses > 0
        rank, right = np.array([0.0, 1.0])[held], np.array([0.0, self.total - wrong])[held]
        return RiskCoverage(ConfidenceGroups(rank, masses[held], right, self.groups.integral))

    def risk_at(self, coverage: float) -> float:
        """Risk among the most confident share ``coverage`` (see :func:`risk_at_coverage`)."""
        check_number("coverage", coverage, above=0, at_most=1)
        accepted = coverage * self.total
        if self.groups.integral:
            accepted = max(1.0, float(np.ceil(accepted - 1e-9 * self.total)))
        return float(self.errors_at(np.array([accepted]))[0] / accepted)

    def coverage_at(self, risk: float) -> float:
        """Largest coverage whose risk is at most ``risk``, or 0.0 (see :func:`coverage_at_risk`)."""
        check_number("risk", risk, at_least=0, at_most=1)
        end = self.start + self.weight
        slack = 1e-12 * self.total
        fits = np.flatnonzero(self.errors_before + self.errors <= risk * end + slack)
        accepted = float(end[fits[-1]]) if len(fits) else 0.0
        # Inside the later groups the risk is monotone, so the last crossing lies in the group after the last
        # that fits, or in a later one whose start fits; the start of a group is the end of the one before.
        following = int(fits[-1]) + 1 if len(fits) else 0
        if 0 < following < len(end):
            rate = self.errors[following] / self.weight[following]
            excess = self.errors_before[following] - rate * self.start[following]
            if rate > risk:  # errors - risk * k = excess + (rate - risk) * k crosses zero here
                accepted = max(accepted, float((slack - excess) / (rate - risk)))
        if self.groups.integral:
            accepted = float(np.floor(accepted + 1e-9))
        return min(accepted, self.total) / self.total

    def auroc(self) -> float:
        """Chance that a right prediction is more confident than a wrong one, ties half; NaN without both."""
        right = self.weight - self.errors
        wrong_after = self.errors.sum() - self.errors_before - self.errors
        pairs = right.sum() * self.errors.sum()
        return float(right @ (wrong_after + self.errors / 2.0) / pairs) if pairs > 0 else float("nan")


@reads(RiskCoverage.of)
def aurc(curve: RiskCoverage, *, rule: Rule = "mean") -> float:
    """Area under the risk-coverage curve of the confidence, in [0, 1]; 0 is best. Ties are averaged.

    With r_k the expected error rate among the k most confident of n samples, the area is by ``rule``:

    - ``"mean"``: (1/n) sum_k r_k (Geifman), what smoothlab reports;
    - ``"trapezoid"``: trapezoids over coverages 1/n..1, divided by 1 - 1/n (torch-uncertainty);
    - ``"origin"``: trapezoids from the point (0, 0) on, (1/n) (sum_k r_k - r_n / 2) (lfpc, ENSTA).

    Args:
        values: ``(..., K)`` probabilities or logits.
        labels: ``(...)`` class indices, or ``(..., K)`` votes, whose mode is the label.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0, read as numbers of copies: the area depends a little on their
            scale, as it does on duplicating the data.
        mask: ``(...)`` bools, False where a position does not count.
        rule: which area.

    Others: all sort once and take ties in the order of the sort, so that the order of the data (or an
    unstable sort) changes the value: with saturated confidences by as much as 0.012 of 0.03.

    Source: El-Yaniv and Wiener, JMLR 2010; Geifman, Uziel and El-Yaniv, ICLR 2019.
    """
    return curve.area(rule)


@reads(RiskCoverage.of)
def excess_aurc(curve: RiskCoverage, *, rule: Rule = "mean") -> float:
    """AURC less that of an oracle that ranks all errors last, in [0, 1): what better ranking could gain.

    Arguments as in :func:`aurc`. The oracle is that of the same n samples and rule.

    Others: e + (1 - e) ln(1 - e), the oracle's area for infinitely many samples, leaves something even for a
    perfect ranking (0.0835 against 0.0643 at n = 7 in one case).

    Source: Geifman, Uziel and El-Yaniv, ICLR 2019.
    """
    return max(0.0, curve.area(rule) - curve.oracle().area(rule))


@reads(RiskCoverage.of)
def augrc(curve: RiskCoverage, *, rule: Rule = "origin") -> float:
    """Area under the generalised risk-coverage curve, in [0, 0.5]; 0 is best. Ties are averaged.

    The generalised risk of k accepted samples is errors / n: the chance that a sample is accepted and wrong.
    With the default rule the area is (1 - AUROC) acc (1 - acc) + (1 - acc)^2 / 2 exactly.

    Arguments as in :func:`aurc`; ``rule="trapezoid"`` is torch-uncertainty's, over coverages 1/n..1.

    Source: Traub et al., NeurIPS 2024.
    """
    return curve.generalised_area(rule)


@reads(RiskCoverage.of)
def risk_at_coverage(curve: RiskCoverage, *, coverage: float) -> float:
    """Error rate among the ceil(coverage * n) most confident samples, in [0, 1]; ties in part.

    Arguments as in :func:`aurc`; ``coverage`` in (0, 1]. Weights that are no whole numbers are not rounded
    up.
    """
    return curve.risk_at(coverage)


@reads(RiskCoverage.of)
def coverage_at_risk(curve: RiskCoverage, *, risk: float) -> float:
    """Largest share of the samples that can be accepted at an error rate of at most ``risk``, in [0, 1].

    Arguments as in :func:`aurc`; ``risk`` in [0, 1]. 0.0 where not even the most confident sample meets it
    (others return NaN there, which no mean over runs survives). A group of ties is accepted in part, in
    random order.
    """
    return curve.coverage_at(risk)


@reads(RiskCoverage.of)
def confidence_auroc(curve: RiskCoverage) -> float:
    """AUROC of the confidence as a detector of right predictions, in [0, 1]; 0.5 is chance, ties count half.

    Arguments as in :func:`aurc`. NaN where all predictions are right, or all are wrong.

    Source: Hendrycks and Gimpel, ICLR 2017.
    """
    return curve.auroc()
