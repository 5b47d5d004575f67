"""Folds and repeated splits of one data set: trainings that share rows are not independent."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number
from smoothlab.statistics.estimate import Estimate, check_level, t_estimate

OVER_FOLDS = "the expected value of models trained on as many of these rows, over seeds and over rows drawn anew"
OVER_SPLITS = "the expected value over training sets of this size drawn anew, seeds and test samples with them"


def nadeau_bengio(values: ArrayLike, ratio: float, *, level: float = 0.95) -> Estimate:
    """The corrected t interval of a mean over folds or over repeated splits of the same rows.

    The variance is s^2 (1/n + ratio) in place of s^2/n, since the training sets overlap: the correction takes the
    correlation of two values to be the share of rows that are tested. It is an approximation.

    Args:
        values: ``(n,)`` of a metric, or paired differences, a number a split.
        ratio: rows that are tested over the other rows: 1/(k - 1) of k folds.
        level: of the interval.

    Source: Nadeau and Bengio, Inference for the Generalization Error, Machine Learning 2003.
    """
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1 or not len(given) or not np.isfinite(given).all():
        raise InvalidArgument("values", values, "at least one finite number, in one dimension")
    check_number("ratio", ratio, "rows that are tested over the other rows, a number >= 0", at_least=0)
    check_level(level)
    n = len(given)
    variance = float(given.var(ddof=1)) * (1 / n + ratio) if n > 1 else math.nan
    return replace(t_estimate(float(given.mean()), [(variance, n - 1)], level, OVER_SPLITS), of_runs=variance)


def cross_validated(values: ArrayLike, within: ArrayLike, *, samples: float, level: float = 0.95) -> Estimate:
    """The interval of a mean over the folds of one data set, in which every row is a test row once.

    Where a training is little changed by a few rows, the rows' losses are as good as independent, whatever rows the
    trainings share: the variance of the mean is that of the rows within their folds, ``sum(within) / K^2``. What the
    folds differ by beyond their rows, the luck of their trainings, is added: ``max(0, s^2 - mean(within)) / K`` with
    s^2 the variance of the K values, known with K - 1 degrees of freedom.

    The critical value goes from that of the rows to that of the luck by the tenth root of the luck's share of the
    variance: where K values show little luck there may be much of it, and the share itself, which Cochran's rule takes,
    covers 92.4% where the truth is 95% (at K = 5 and three times the rows' variance). Since luck is never counted
    below 0, folds that show some by chance make their interval too wide; the critical value of the rows is therefore
    taken at 1.2 times 1 - level. With both, 95% intervals cover 94.0% to 96.3% at K = 5 and 94.6% to 96.1% at K = 10,
    for any luck (integrated over chi-squared numbers).

    Args:
        values: ``(K,)`` of a metric, or paired differences, a number a fold, the mean over its seeds.
        within: ``(K,)`` their variances over resampled test rows.
        samples: test rows of all folds.
        level: of the interval.

    Source: Bayle, Bayle, Janson and Mackey, Cross-validation Confidence Intervals for Test Error, NeurIPS 2020 (the
    within-fold variance); the term for luck and the critical value are ours.
    """
    given, rows = np.asarray(values, dtype=np.float64), np.asarray(within, dtype=np.float64)
    if given.ndim != 1 or len(given) < 2 or not np.isfinite(given).all():
        raise InvalidArgument("values", values, "at least two finite numbers, in one dimension")
    if rows.shape != given.shape or not (rows >= 0).all():
        raise InvalidArgument("within", within, f"{len(given)} variances, each at least 0")
    check_level(level)
    count = len(given)
    of_rows = float(rows.sum()) / count**2
    luck = max(0.0, float(given.var(ddof=1)) - float(rows.mean())) / count
    parts = [(of_rows, samples - count), (luck, count - 1)]
    share = (luck / (of_rows + luck)) ** 0.1 if luck > 0 else 0.0
    weighed = {"shares": (1.0 - share, share), "tails": (1.2, 1.0)}
    estimate = t_estimate(float(given.mean()), parts, level, OVER_FOLDS, **weighed)
    return replace(estimate, of_runs=luck)
