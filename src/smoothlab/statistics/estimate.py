"""A number with its uncertainty, and what it is an estimate of."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

from smoothlab.errors import InvalidArgument


@dataclass(frozen=True)
class Estimate:
    """A mean or a mean difference.

    Args:
        mean: the estimate.
        low: lower end of its interval; NaN where there is nothing to tell it from.
        high: upper end.
        error: standard error.
        freedom: degrees of freedom of the t distribution that the interval is from.
        p: two-sided p-value of its being 0.
        estimand: what it is an estimate of, in words.
    """

    mean: float
    low: float
    high: float
    error: float
    freedom: float
    p: float
    estimand: str


def t_estimate(mean: float, variance: float, freedom: float, level: float, estimand: str) -> Estimate:
    """The estimate whose error has ``variance``, known with ``freedom`` degrees of freedom.

    Without a variance (NaN) there is no interval. A variance of 0 says that nothing varied, a difference of exactly
    0 among them: p is then 1, and otherwise 0.
    """
    if math.isnan(variance) or not freedom > 0:
        return Estimate(mean, math.nan, math.nan, math.nan, freedom, math.nan, estimand)
    error = math.sqrt(variance)
    half = error * float(stdtrit(freedom, 0.5 + level / 2))
    p = 2 * float(stdtr(freedom, -abs(mean) / error)) if error > 0 else float(mean == 0)
    return Estimate(mean, mean - half, mean + half, error, freedom, p, estimand)


def check_level(level: float) -> None:
    """Raise unless ``level`` is in (0, 1)."""
    if not 0.0 < level < 1.0:
        raise InvalidArgument("level", level, "a number in (0, 1)")
