"""Which predictions to keep so that their errors stay below a chosen share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number
from smoothlab.ties import ROUNDING, first_of_falling_ties

CANDIDATES = 20  # thresholds that are judged, at even shares of the samples


@dataclass(frozen=True)
class Abstention:
    """Keep a prediction where its confidence is at least ``threshold``.

    Args:
        threshold: of the confidence.
        risk: the share of errors among kept predictions that was asked for.
        delta: the chance that the true share is above it.
        coverage: share of the samples that it was fitted to which are kept.
        error: share of errors among these.
        bound: what the true share is below, with probability ``1 - delta``.
        rows: samples that it was fitted to.
    """

    threshold: float
    risk: float
    delta: float
    coverage: float
    error: float
    bound: float
    rows: int

    @classmethod
    def fit(cls, confidence: Any, correct: Any, risk: float, delta: float = 0.05) -> Abstention | None:
        """The threshold of the largest share kept whose risk is bounded; None where none is.

        The candidates keep 5%, 10%, ..., 100% of the samples, the most confident ones. Each is judged by the exact
        binomial upper bound of its error at level ``delta / 20``, so that all hold at once: for new samples drawn as
        these were, errors among kept predictions are at most ``risk``, with probability ``1 - delta`` over the samples
        that it was fitted to.

        Args:
            confidence: of each prediction ``(n,)``, of samples that the model was not trained on.
            correct: whether it was right ``(n,)``.
            risk: in (0, 1).
            delta: in (0, 1).

        Raises:
            InvalidArgument: risk or delta outside (0, 1), or no samples.

        Sources: Angelopoulos, Bates, Candès, Jordan and Lei, "Learn then Test: Calibrating Predictive Algorithms to
        Achieve Risk Control", 2021, with Bonferroni's correction; the bound as in Geifman and El-Yaniv, "Selective
        Classification for Deep Neural Networks", NeurIPS 2017.
        """
        for name, value in (("risk", risk), ("delta", delta)):
            check_number(name, value, above=0, below=1)
        confidence, wrong = np.asarray(confidence, dtype=np.float64), ~np.asarray(correct, dtype=bool)
        if confidence.ndim != 1 or confidence.shape != wrong.shape or not len(confidence):
            raise InvalidArgument("confidence", confidence.shape, "as many confidences as answers, at least one")
        order = np.argsort(-confidence, kind="stable")
        ordered, errors = confidence[order], wrong[order].cumsum()
        last = np.zeros(len(ordered), dtype=bool)  # ties are kept together
        last[np.append(first_of_falling_ties(ordered, ROUNDING)[1:], len(ordered)) - 1] = True
        for share in range(CANDIDATES, 0, -1):
            wanted = len(ordered) * share // CANDIDATES - 1
            ends = np.flatnonzero(last[: wanted + 1])
            if not len(ends):
                break
            end = int(ends[-1])
            answered, wrongs = end + 1, int(errors[end])
            bound = upper_bound(wrongs, answered, delta / CANDIDATES)
            if bound <= risk:
                return cls(
                    float(ordered[end]), risk, delta, answered / len(ordered), wrongs / answered, bound, len(ordered)
                )
        return None


def upper_bound(errors: int, count: int, delta: float) -> float:
    """What the share of errors is below with probability ``1 - delta``, by ``errors`` of ``count`` samples.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika, 1934.
    """
    from scipy.stats import beta

    return 1.0 if errors >= count else float(beta.ppf(1 - delta, errors + 1, count - errors))
