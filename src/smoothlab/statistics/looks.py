"""Several looks at data that grow: the share of alpha that each look may spend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, stdtrit

from smoothlab.errors import InvalidArgument
from smoothlab.statistics.estimate import check_level

Array = NDArray[np.float64]
POINTS, REACH = 241, 8.0  # of the grid of integration, in standard deviations


def spent(share: float, alpha: float) -> float:
    """Alpha that may be spent up to a share of the runs: ``alpha ln(1 + (e - 1) share)``.

    Args:
        share: of the information that the last look would have, in [0, 1].
        alpha: of all looks together.

    Source: Lan and DeMets, Discrete Sequential Boundaries for Clinical Trials, Biometrika 1983 (their form of Pocock's
    boundary, which is nearly the same at each look).
    """
    return alpha * math.log1p((math.e - 1.0) * min(share, 1.0))


@lru_cache(maxsize=32)
def levels_of_looks(shares: Sequence[float], *, level: float = 0.95) -> tuple[float, ...]:
    """The level of the interval at each look, so that the intervals of all looks hold together with ``level``.

    The boundary at a look is found by integration over the looks before it. The looks to come need not be known.

    Args:
        shares: of the information that the last look would have, at each look so far: the variance of the estimate then
            over that now, in (0, 1], rising; a tuple.
        level: of all looks together, in (0, 1).

    Returns:
        A level for each look, each above ``level`` where there are several.

    Source: Armitage, McPherson and Rowe, Repeated Significance Tests on Accumulating Data, JRSS A 1969 (the recursion);
    Jennison and Turnbull, Interim Analyses: The Repeated Confidence Interval Approach, JRSS B 1989.
    """
    check_level(level)
    if not shares or shares[-1] > 1 or any(b <= a for a, b in zip((0.0, *shares), shares, strict=False)):
        raise InvalidArgument("shares", shares, "rising numbers in (0, 1]")
    alpha = 1.0 - level
    bounds: list[float] = []
    at, mass, before = np.zeros(1), np.ones(1), 0.0  # sums that crossed no boundary yet, and how likely they are
    for share in shares:
        step = math.sqrt(share - before)
        wanted = spent(share, alpha) - spent(before, alpha)
        bound = brentq(_above, 0.0, REACH, args=(wanted, math.sqrt(share), step, at, mass))
        bounds.append(bound)
        grid = np.linspace(-bound, bound, POINTS) * math.sqrt(share)
        density = np.exp(-0.5 * ((grid[:, None] - at) / step) ** 2) / (step * math.sqrt(2 * math.pi)) @ mass
        weights = np.full(POINTS, grid[1] - grid[0])
        weights[[0, -1]] /= 2
        at, mass, before = grid, density * weights, share
    return tuple(float(2.0 * ndtr(bound) - 1.0) for bound in bounds)


def _above(bound: float, wanted: float, root: float, step: float, at: Array, mass: Array) -> float:
    """The chance of crossing a bound now and not before, less the one that is wanted."""
    end = bound * root
    return float(mass @ (ndtr((-end - at) / step) + ndtr((at - end) / step))) - wanted


def cannot_win(differences: Sequence[float], *, level: float = 0.95) -> bool:
    """Whether paired differences to the leader, positive where worse, are above 0 beyond noise: a one-sided t test.

    Args:
        differences: a number a run, of validation NLL.
        level: 1 - the share of arms as good as the leader that are dropped by chance.

    Source: the races of Maron and Moore (Hoeffding Races, NeurIPS 1993), with t in the place of Hoeffding's bound.
    """
    given = np.asarray(differences, dtype=np.float64)
    if len(given) < 2 or not np.isfinite(given).all() or given.mean() <= 0:
        return False
    error = float(given.std(ddof=1)) / math.sqrt(len(given))
    return bool(given.mean() > stdtrit(len(given) - 1, level) * error)
