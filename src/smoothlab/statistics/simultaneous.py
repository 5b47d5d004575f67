"""Several differences to one baseline whose intervals hold for all of them at once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from smoothlab.errors import InvalidArgument
from smoothlab.statistics.estimate import check_level

DRAWS = 20_000


def simultaneous_factor(errors: ArrayLike, *, level: float = 0.95, seed: int = 0) -> float:
    """How much wider intervals have to be for all of them to hold at once with probability ``level``.

    The quantile of the largest of m standard normal numbers that are correlated as the errors are, over that of one:
    the single-step max-t method. Errors that are alike cost little: of equal ones the factor is 1.

    Args:
        errors: ``(m, n)``, a row for each difference: what each of n samples adds to its error.
        level: of the intervals together.
        seed: of the draws.

    Returns:
        At least 1; 1 where fewer than two differences vary.

    Source: Hothorn, Bretz and Westfall, Simultaneous Inference in General Parametric Models, Biometrical Journal 2008.
    """
    given = np.asarray(errors, dtype=np.float64)
    check_level(level)
    if given.ndim != 2 or not np.isfinite(given).all():
        raise InvalidArgument("errors", given.shape, "finite numbers in two dimensions, a row for each difference")
    sizes = np.sqrt((given**2).sum(1))
    shown = given[sizes > 0] / sizes[sizes > 0, None]
    if len(shown) < 2:
        return 1.0
    values, vectors = np.linalg.eigh(shown @ shown.T)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn = root @ _normal(len(shown), seed)
    largest = float(np.quantile(np.abs(drawn).max(0), level))
    return max(1.0, largest / float(ndtri(0.5 + level / 2)))


def luck_of_trainings(values: ArrayLike, covariance: ArrayLike) -> NDArray[np.float64]:
    """What each training adds to the error of a mean over trainings by its luck, and what all else adds together.

    A lucky training does well on validation and test rows alike, so a choice by validation has seen this part of the
    error of a test metric, and no other. With s^2 the variance of the n values and o what the test rows do to a value
    in one training alone (the mean variance over resampled test rows, less c, the mean covariance), the variance of the
    luck is ``max(0, s^2 - o)``; the rest of the squared error, ``min(s^2, o) / n + c``, is the last number. As rows of
    ``simultaneous_factor``, arms are taken to be alike in the last number: what the choice has not seen needs no wider
    interval.

    Args:
        values: ``(n,)`` of a metric, or paired differences, a number a training; n at least 2.
        covariance: ``(n, n)`` of their errors over resampled test rows (``bootstrap_covariance``); zeros: all is luck.

    Returns:
        ``(n + 1,)`` whose squares sum to the squared error of the mean.
    """
    given, shared = np.asarray(values, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    n = len(given)
    if given.ndim != 1 or n < 2 or shared.shape != (n, n):
        raise InvalidArgument("values", given.shape, f"at least two numbers, and a covariance of ({n}, {n})")
    between = float(given.var(ddof=1))
    together = max(0.0, float(shared.sum() - np.trace(shared)) / (n * (n - 1)))
    alone = min(between, max(0.0, float(np.trace(shared)) / n - together))
    luck = 1.0 - alone / between if between > 0 else 0.0
    return np.append((given - given.mean()) * np.sqrt(luck / (n * (n - 1))), np.sqrt(alone / n + together))


@lru_cache(maxsize=4)
def _normal(count: int, seed: int) -> NDArray[np.float64]:
    """The same draws for all differences of as many arms."""
    return np.random.default_rng(seed).standard_normal((count, DRAWS))
