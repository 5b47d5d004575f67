"""Folds and repeated splits of one data set: trainings that share rows are not independent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number
from smoothlab.statistics.estimate import Estimate, check_level, t_estimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

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
    return t_estimate(float(given.mean()), [(variance, n - 1)], level, OVER_SPLITS)
