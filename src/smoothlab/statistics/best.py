"""How likely each arm is to be the best one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothlab.errors import InvalidArgument


def probability_of_best(
    means: ArrayLike,
    parts: Sequence[tuple[ArrayLike, float]],
    *,
    towards_zero: bool = False,
    draws: int = 4000,
    seed: int = 0,
) -> NDArray[np.float64]:
    """The chance that an arm's expected value is the lowest of all, given what was seen and nothing known before.

    The arms' means are drawn from the joint t distributions that their intervals are from. Errors that arms share,
    since they share seeds and test samples, are drawn together, so that they do not blur the order.

    Args:
        means: ``(k,)``, lower is better; an arm with NaN is left out and gets NaN.
        parts: sources of error, each ``(k, m)`` with its degrees of freedom: the error of the means is the product of
            these with m independent standard normal numbers, over the root of a chi-square number by its degrees.
        towards_zero: the one nearest to 0 is best, in place of the lowest.
        draws: how many.
        seed: of the draws.

    Returns:
        ``(k,)`` that sum to 1; arms that tie share.
    """
    given = np.asarray(means, dtype=np.float64)
    if given.ndim != 1 or not len(given):
        raise InvalidArgument("means", given.shape, "a number an arm")
    random = np.random.default_rng(seed)
    drawn = np.broadcast_to(given, (draws, len(given))).copy()
    for factors, freedom in parts:
        known = _fewer(np.asarray(factors, dtype=np.float64))
        scale = np.sqrt(random.chisquare(freedom, draws) / freedom) if np.isfinite(freedom) else np.ones(draws)
        drawn += random.standard_normal((draws, known.shape[1])) @ known.T / scale[:, None]
    if towards_zero:
        drawn = np.abs(drawn)
    counted = ~np.isnan(given)
    best = np.full(len(given), np.nan)
    if counted.any():
        lowest = drawn[:, counted] == drawn[:, counted].min(1, keepdims=True)
        best[counted] = (lowest / lowest.sum(1, keepdims=True)).mean(0)
    return best


def _fewer(factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Factors of errors with the same covariance, of at most as many sources as there are arms."""
    if factors.shape[1] <= factors.shape[0] or not np.isfinite(factors).all():
        return factors
    return np.asarray(np.linalg.qr(factors.T).R.T)
