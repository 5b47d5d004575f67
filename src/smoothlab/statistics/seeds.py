"""Trainings with several seeds: what another seed, and another test set, would change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothlab.errors import InvalidArgument
from smoothlab.statistics.estimate import Estimate, check_level, t_estimate

OVER_SEEDS = "the expected value over seeds, with training data and test samples as they are"
OVER_BOTH = "the expected value over seeds and over test samples drawn anew"
OVER_SAMPLES = "the value of this one training, over test samples drawn anew"


def paired_t(values: ArrayLike, *, level: float = 0.95) -> Estimate:
    """The t interval of the mean of independent values: differences of arms that share a seed, one each.

    A percentile bootstrap over so few values covers too little: 74%, 82% and 90% instead of 95% at 3, 5 and 10.

    Args:
        values: ``(n,)``; of a single one there is no interval.
        level: of the interval.

    Source: Student, Biometrika 1908.
    """
    given = _values(values)
    check_level(level)
    n = len(given)
    variance = float(given.var(ddof=1)) / n if n > 1 else math.nan
    return replace(t_estimate(float(given.mean()), [(variance, n - 1)], level, OVER_SEEDS), of_runs=variance)


def variances_added(
    values: ArrayLike, covariance: ArrayLike, *, samples: float = math.inf, level: float = 0.95
) -> Estimate:
    """The interval of a mean over seeds that holds for new seeds and for new test samples.

    Seeds that are judged on the same test samples err together, which their scatter cannot show: with s^2 the variance
    of the n values and c the mean covariance between two of them over resampled test samples, the variance of the mean
    is s^2/n + c. (What a sample does differently in each training is in s^2 already: c has only what the trainings
    share. Values of different test sets have a covariance of 0, and what is left is the paired t interval.) The first
    one is known with n - 1 degrees of freedom, the second one with ``samples`` - 1. Of one seed there is the variance
    over test samples alone, and the estimand says so.

    The critical value is the mean of both ones' own, weighted by the share of the first in the variance to the power
    ``1.5 - 0.5 / sqrt(n - 1)``. The share itself (Cochran's rule) covers up to 96.4% of 95% at n = 5, since the share
    varies with s^2, and its square (the first term of Welch's series) 94.5%; in between, 95% intervals cover 95.0% to
    95.9% at n = 5, and 94.8% to 96.7% at n = 3, whatever the ratio of the variances (integrated over chi-squared
    numbers).

    Args:
        values: ``(n,)`` of a metric, or paired differences, a number a seed.
        covariance: ``(n, n)`` of the errors of the values over resampled test samples (``bootstrap_covariance``).
        samples: how many test samples there are.
        level: of the interval.

    Source: two crossed random effects, as in Bouthillier et al., Accounting for Variance in Machine Learning
    Benchmarks, MLSys 2021; the weight between the two rules is ours.
    """
    given, shared = _values(values), np.asarray(covariance, dtype=np.float64)
    n = len(given)
    if shared.shape != (n, n):
        raise InvalidArgument("covariance", shared.shape, f"a matrix ({n}, {n})")
    return _added(given, float(shared.sum()), float(np.trace(shared)), samples, level)


def errors_added(
    values: ArrayLike, errors: Sequence[ArrayLike], *, samples: float = math.inf, level: float = 0.95
) -> Estimate:
    """The same as :func:`variances_added`, from the errors that the covariance is of; it is never made.

    Args:
        values: ``(n,)`` of a metric, or paired differences, a number a seed.
        errors: ``(m, B)`` for each test set, a row for each of the m values on it, of all n: what each of B samples, or
            blocks of them, adds to its error. The covariance of two values of one test set is the product of their
            rows; two values of different ones have none.
        samples: how many test samples there are.
        level: of the interval.
    """
    given, known = _values(values), [np.asarray(part, dtype=np.float64) for part in errors]
    if sum(len(part) for part in known) != len(given):
        raise InvalidArgument("errors", [part.shape for part in known], f"{len(given)} rows in all")
    total = math.fsum(float(np.square(part.sum(0)).sum()) for part in known)
    own = math.fsum(float(np.square(part).sum()) for part in known)
    return _added(given, total, own, samples, level)


def _added(given: NDArray[np.float64], total: float, own: float, samples: float, level: float) -> Estimate:
    """From the sum of all covariances, and of those of each value with itself."""
    check_level(level)
    n, mean = len(given), float(given.mean())
    if n == 1:
        return t_estimate(mean, [(own, samples - 1)], level, OVER_SAMPLES)
    between = float(given.var(ddof=1)) / n
    together = max(0.0, (total - own) / (n * (n - 1)))
    share = between / (between + together) if between > 0 else 0.0
    share **= 1.5 - 0.5 / math.sqrt(n - 1)
    parts = [(between, n - 1), (together, samples - 1)]
    return replace(t_estimate(mean, parts, level, OVER_BOTH, shares=(share, 1.0 - share)), of_runs=between)


def _values(values: Any) -> NDArray[np.float64]:
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1 or not len(given) or not np.isfinite(given).all():
        raise InvalidArgument("values", values, "at least one finite number, in one dimension")
    return given
