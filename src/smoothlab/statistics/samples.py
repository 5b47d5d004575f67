"""Test samples drawn anew: the bootstrap within one training."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothlab.errors import InvalidArgument
from smoothlab.statistics.estimate import Estimate, check_level

OVER_SAMPLES = "the difference of these two trainings, over test samples drawn anew"


def bootstrap_covariance(influence: ArrayLike) -> NDArray[np.float64]:
    """The covariance of n means over the same samples, as a bootstrap with endless resamples has it.

    For means that is known without a draw: the covariance of the samples over their number (less one, so that it is
    unbiased). A metric that is no mean comes as its influence, what one sample more of each kind would add to it
    (the infinitesimal jackknife); one that is not smooth comes as draws instead, which is what
    ``draws - mean`` over ``sqrt(draws)`` makes of them.

    Args:
        influence: ``(n, N)``, a row for each value: what each of the N samples adds.

    Returns:
        ``(n, n)``.

    Source: Efron, The Jackknife, the Bootstrap and Other Resampling Plans, 1982.
    """
    given = np.atleast_2d(np.asarray(influence, dtype=np.float64))
    count = given.shape[1]
    if count < 2:
        raise InvalidArgument("influence", given.shape, "at least two samples")
    centred = given - given.mean(1, keepdims=True)
    return np.asarray(centred @ centred.T / (count * (count - 1)))


def bootstrap_variance(per_sample: ArrayLike) -> float:
    """The variance of the mean of ``(N,)`` numbers over resampled samples."""
    return float(bootstrap_covariance(np.asarray(per_sample)[None])[0, 0])


def paired_bootstrap(
    first: ArrayLike, second: ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """The percentile interval of the mean difference of two models on the same samples, which are drawn together.

    Args:
        first: ``(N,)`` what the first model scores on each sample.
        second: ``(N,)`` what the second one does.
        level: of the interval.
        resamples: how many.
        seed: of the draws.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993.
    """
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    check_level(level)
    if difference.ndim != 1 or len(difference) < 2:
        raise InvalidArgument("first, second", difference.shape, "two equally long rows of at least two samples")
    drawn = resample_counts(len(difference), resamples, seed) @ difference / len(difference)
    low, high = np.quantile(drawn, (0.5 - level / 2, 0.5 + level / 2))
    tail = (1.0 + min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))) / (1.0 + resamples)
    return Estimate(
        float(difference.mean()),
        float(low),
        float(high),
        float(drawn.std(ddof=1)),
        len(difference) - 1,
        min(1.0, 2 * tail),
        OVER_SAMPLES,
    )


def resample_counts(samples: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """(resamples, samples) how often each sample comes in each resample; rows sum to ``samples``."""
    random = np.random.default_rng(seed)
    picked = random.integers(0, samples, (resamples, samples)) + np.arange(resamples)[:, None] * samples
    return np.bincount(picked.ravel(), minlength=resamples * samples).reshape(resamples, samples).astype(np.float64)
