"""Many arms against one baseline: p-values that hold for all of them at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values: those at or below a are at most a likely to have a false one among them.

    The i-th smallest of m is multiplied by m - i + 1, and none falls below a smaller one's. NaN counts as no test and
    stays NaN.

    Args:
        p_values: ``(m,)``.

    Source: Holm, Scandinavian Journal of Statistics 1979.
    """
    given = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(given.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(given))
    order = tested[np.argsort(given[tested], kind="stable")]
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(given[order] * np.arange(len(order), 0, -1)))
    return adjusted
