"""A number with its uncertainty, and what it is an estimate of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

from smoothlab.numbers import check_number

SMALLEST = 1e-12  # probability of a tail that is told apart from less


@dataclass(frozen=True)
class Estimate:
    """A mean or a mean difference.

    Args:
        mean: the estimate.
        low: lower end of its interval; NaN where there is nothing to tell it from.
        high: upper end.
        error: standard error.
        freedom: degrees of freedom of the error; of a sum of variances those of Satterthwaite.
        p: two-sided p-value of its being 0.
        estimand: what it is an estimate of, in words.
        of_runs: the part of the squared error that more runs on the same rows make smaller; the rest needs more rows.
        parts: variances whose sum is the squared error, each with its degrees of freedom; empty where it has none.
        shares: of the critical value that each part's own has; empty: those of the variances.
        tails: times 1 - level at which each part's own critical value is taken; empty: once.
    """

    mean: float
    low: float
    high: float
    error: float
    freedom: float
    p: float
    estimand: str
    of_runs: float = 0.0
    parts: tuple[tuple[float, float], ...] = ()
    shares: tuple[float, ...] = ()
    tails: tuple[float, ...] = ()

    def widened(self, factor: float, level: float) -> Estimate:
        """With an interval of ``level`` that is so many times as wide, and the p-value that goes with it."""
        if math.isnan(self.low) or not self.parts:
            return self
        p = t_estimate(self.mean / factor, self.parts, level, self.estimand, shares=self.shares, tails=self.tails).p
        low, high = (self.mean + factor * (end - self.mean) for end in (self.low, self.high))
        return replace(self, low=low, high=high, p=p)

    def detectable(self, *, power: float = 0.8, runs: float = 1.0, rows: float = 1.0) -> float:
        """The smallest true difference whose interval would leave out 0 with a chance of ``power``.

        ``error * (half width / error + t quantile of power)``; with more runs, or more test rows, the parts of the
        squared error shrink in proportion. NaN without an interval.

        Args:
            power: chance in (0, 1).
            runs: times as many runs.
            rows: times as many test rows.
        """
        if math.isnan(self.low) or self.error == 0:
            return math.nan if math.isnan(self.low) else 0.0
        of_runs = min(self.of_runs, self.error**2)
        shrunk = math.sqrt(of_runs / runs + (self.error**2 - of_runs) / rows)
        return shrunk * ((self.high - self.mean) / self.error + _quantile(self.freedom, 1 - power))


def t_estimate(
    mean: float,
    parts: Sequence[tuple[float, float]],
    level: float,
    estimand: str,
    *,
    shares: Sequence[float] = (),
    tails: Sequence[float] = (),
) -> Estimate:
    """The estimate whose error has the sum of some variances, each known with its own degrees of freedom.

    The critical value is a weighted mean of the t distributions' own. Weighted by the variances (Cochran) it never
    covers less than ``level``, where the usual single number of degrees of freedom (Satterthwaite's, which is what
    ``freedom`` tells) makes of a 95% interval over 3 seeds one of 92%, and of a 98.75% interval one of 96%: a variance
    that is small by chance gets the degrees of freedom of the other one.

    Without a variance (NaN) there is no interval. A variance of 0 says that nothing varied: p is then 1 for a
    mean of 0, and otherwise 0.

    Args:
        mean: the estimate.
        parts: variances and their degrees of freedom.
        level: of the interval.
        estimand: what it is of.
        shares: weights of the parts' own critical values, which sum to 1; empty: those of the variances.
        tails: times 1 - level at which each part's own critical value is taken; empty: once.

    Source: Cochran, Approximate Significance Levels of the Behrens-Fisher Test, Biometrics 1964.
    """
    total = sum(variance for variance, _ in parts)
    if math.isnan(total) or min(freedom for _, freedom in parts) <= 0:
        return Estimate(mean, math.nan, math.nan, math.nan, 0.0, math.nan, estimand)
    if total == 0:
        freedom = min(freedom for _, freedom in parts)
        return Estimate(mean, mean, mean, 0.0, freedom, float(mean == 0), estimand, parts=tuple(parts))
    weights = [variance / total for variance, _ in parts]
    inverse = sum(weight**2 / freedom for weight, (_, freedom) in zip(weights, parts, strict=True))
    freedom = 1.0 / inverse if inverse > 0 else math.inf
    weights, times = list(shares) or weights, list(tails) or [1.0] * len(parts)

    def critical(tail: float) -> float:
        own = (_quantile(freedom, min(0.5, tail * more)) for more, (_, freedom) in zip(times, parts, strict=True))
        return sum(weight * value for weight, value in zip(weights, own, strict=True) if weight > 0)

    error = math.sqrt(total)
    half = error * critical(0.5 - level / 2)
    reached = abs(mean) / error
    if reached == 0:
        p = 1.0
    elif reached >= critical(SMALLEST):
        p = 2 * SMALLEST
    else:
        p = 2 * math.exp(brentq(lambda tail: critical(math.exp(tail)) - reached, math.log(SMALLEST), math.log(0.5)))
    low, high, of = mean - half, mean + half, tuple(parts)
    return Estimate(mean, low, high, error, freedom, p, estimand, parts=of, shares=tuple(shares), tails=tuple(tails))


def _quantile(freedom: float, tail: float) -> float:
    """What a t number exceeds with probability ``tail``."""
    return -float(ndtri(tail) if math.isinf(freedom) else stdtrit(freedom, tail))


def check_level(level: float) -> None:
    """Raise unless ``level`` is in (0, 1)."""
    check_number("level", level, above=0, below=1)
