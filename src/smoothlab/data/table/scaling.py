"""How a number becomes a feature: scaled by its training rows, far values drawn in or not."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np

Scaling = Literal["standard", "robust", "quantile"]

PARTS = 64  # of equally many training values, between whose ends the quantiles of a column are kept
MOST = 1 << 14  # values of a column that its quantiles are taken from; of fewer they are exact
STEP = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio
BOUND = 3.0  # of a number that is smoothly clipped
FAR = 1e6  # in quartile ranges; from here on a clipped number is the bound, to float32


class SampledValues:
    """Values of a stream, all of the first ``MOST``, later at least half as many, spread evenly over it.

    The value at place n is kept while ``n * STEP mod 2^64`` is below a limit, halved whenever there are too many.
    Multiples of the golden ratio are spread evenly over any run of places, and over every n-th place of a run, so that
    an order of the rows, or a period in it, does not matter. Without random numbers two readers keep the same values.
    """

    def __init__(self) -> None:
        self.values = np.empty(0)
        self._keys = np.empty(0, dtype=np.uint64)
        self._limit = np.uint64(0xFFFFFFFFFFFFFFFF)
        self._seen = 0

    def update(self, values: np.ndarray) -> None:
        """Take in numbers ``(N,)``, none of them nan."""
        keys = np.arange(self._seen, self._seen + len(values), dtype=np.uint64) * STEP
        self._seen += len(values)
        chosen = keys <= self._limit
        if not chosen.any():
            return
        self.values = np.concatenate([self.values, values[chosen]])
        self._keys = np.concatenate([self._keys, keys[chosen]])
        while len(self.values) > MOST:
            self._limit //= np.uint64(2)
            chosen = self._keys <= self._limit
            self.values, self._keys = self.values[chosen], self._keys[chosen]

    def quantiles(self) -> list[float]:
        """``PARTS + 1`` numbers, from the least value to the greatest; none where there was none."""
        if not len(self.values):
            return []
        with np.errstate(over="ignore", invalid="ignore"):
            numbers: list[float] = np.quantile(self.values, np.linspace(0, 1, PARTS + 1)).tolist()
        return numbers


def robust(quantiles: list[float]) -> tuple[float, float]:
    """Median and scale of a column: its quartile range, half of its whole range where that is 0.

    Source: Holzmueller, Grinsztajn and Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on
    Tabular Data", NeurIPS 2024.
    """
    if not quantiles:
        return 0.0, 0.0
    quarter = PARTS // 4
    quartile_range = quantiles[3 * quarter] - quantiles[quarter]
    return quantiles[2 * quarter], quartile_range or (quantiles[-1] - quantiles[0]) / 2


def smoothly_clipped(values: np.ndarray) -> np.ndarray:
    """``x / sqrt(1 + (x / 3)^2)``, in (-3, 3); nan stays nan. Source: as :func:`robust`."""
    near = np.clip(values, -FAR, FAR)
    return np.asarray(near / np.sqrt(1 + (near / BOUND) ** 2))


def normal_scores(quantiles: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """The different quantiles of a column, and where each stands in a normal distribution.

    The quantile of rank r stands at that of the normal distribution, the least and the greatest at ranks an eighth of a
    part from the ends (+-2.9); several quantiles with one value stand at their mean. Between them one interpolates, so
    that, unlike scikit-learn's QuantileTransformer, a value that many rows have is no jump, and the least value of the
    training rows is not put at -5.2.
    """
    values, places = np.unique(np.asarray(quantiles, dtype=np.float64), return_inverse=True)
    if len(values) < 2:
        return values, np.zeros(len(values))
    return values, np.bincount(places, weights=_scores()) / np.bincount(places)


@cache
def _scores() -> np.ndarray:
    from scipy.special import ndtri

    ranks = np.arange(PARTS + 1) / PARTS
    end = 1 / (8 * PARTS)
    return np.asarray(ndtri(np.clip(ranks, end, 1 - end)))
