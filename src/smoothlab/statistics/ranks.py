"""Arms over several data sets: whether their ranks differ, and by how much they have to."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothlab.errors import InvalidArgument


@dataclass(frozen=True)
class RankComparison:
    """Average ranks and what a difference between them has to exceed.

    Args:
        ranks: ``(k,)`` average rank of each arm over the data sets; 1 is best.
        critical_difference: arms whose ranks differ by more are told apart.
        p: of Friedman's test that no arm differs.
        groups: arms that are not told apart, as index pairs (first, last) into ``order``; only the largest ones.
        order: ``(k,)`` arms from the best average rank to the worst.
        estimand: what the ranks are an estimate of.
    """

    ranks: tuple[float, ...]
    critical_difference: float
    p: float
    groups: tuple[tuple[int, int], ...]
    order: tuple[int, ...]
    estimand: str = "the expected rank over data sets drawn from such as these"


def friedman_nemenyi(scores: ArrayLike, *, level: float = 0.95) -> RankComparison:
    """Friedman's test and the critical difference of Nemenyi.

    CD = q sqrt(k (k + 1) / (6 D)), q the quantile of the studentised range of k over sqrt(2), for D data sets.

    Args:
        scores: ``(D, k)``, a row a data set, lower is better; equals share their rank. At least two of each.
        level: 1 less the chance of telling any equal arms apart.

    Source: Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 2006.
    """
    from scipy import stats

    given = np.asarray(scores, dtype=np.float64)
    if given.ndim != 2 or min(given.shape) < 2 or not np.isfinite(given).all():
        raise InvalidArgument("scores", given.shape, "finite numbers (data sets, arms), two of each at least")
    sets, arms = given.shape
    each: NDArray[np.float64] = stats.rankdata(given, axis=1)
    ranks = each.mean(0)
    quantile = float(stats.studentized_range.ppf(level, arms, math.inf)) / math.sqrt(2)
    critical = quantile * math.sqrt(arms * (arms + 1) / (6 * sets))
    order = np.argsort(ranks, kind="stable")
    return RankComparison(
        ranks=tuple(float(number) for number in ranks),
        critical_difference=critical,
        p=_friedman(given),
        groups=_groups(ranks[order], critical),
        order=tuple(int(number) for number in order),
    )


def _friedman(scores: NDArray[np.float64]) -> float:
    """The p-value of Friedman's test, which of two arms is the chi-square test of how often each is the better one."""
    from scipy import stats

    if (scores == scores[:, :1]).all():
        return 1.0
    if scores.shape[1] > 2:
        return float(stats.friedmanchisquare(*scores.T).pvalue)
    first, second = scores.T
    return float(stats.chisquare([(first < second).sum(), (second < first).sum()]).pvalue)


def _groups(ranks: NDArray[np.float64], critical: float) -> tuple[tuple[int, int], ...]:
    """Largest stretches of ascending ranks that span no more than the critical difference."""
    groups: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = int(np.searchsorted(ranks, ranks[first] + critical, side="right")) - 1
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((first, last))
    return tuple(groups)
