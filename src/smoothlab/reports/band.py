"""Where the accuracies of a calibrated model would fall."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr, bdtrik

if TYPE_CHECKING:
    from smoothlab.metrics.inputs import Array

LEVEL = 0.95


def calibrated_band(confidence: Array, count: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """Lowest and highest accuracy that chance gives a bin of a calibrated model, ``level`` of the time.

    Args:
        confidence: (B,) mean confidence of each bin, in [0, 1].
        count: (B,) samples in it; what is not whole is rounded, to one at least.
        level: share of test sets of this size.

    Source: Bröcker and Smith, Weather and Forecasting 2007.
    """
    whole = np.maximum(1.0, np.round(count))
    tail = (1 - level) / 2
    share = np.clip(confidence, 0, 1)
    low, high = (_quantile(level, whole, share) / whole for level in (tail, 1 - tail))
    return low, high


def _quantile(level: float, count: Array, share: Array) -> Array:
    """The smallest number of hits that a binomial number reaches with probability ``level``.

    scipy.stats has it as ``binom.ppf``; to import that package takes longer than all reports' numbers.
    """
    above = np.ceil(np.nan_to_num(bdtrik(level, count, share)))
    below = np.maximum(above - 1, 0)
    return np.asarray(np.where(bdtr(below, count.astype(np.int64), share) >= level, below, above))
