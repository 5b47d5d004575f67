"""Random numbers that belong to a row: the same whichever rows are asked for together."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Stream = Literal["world", "labels"]
STREAMS = {"world": 0, "labels": 1}  # apart, so that a knob of the labels leaves the features as they are
WORDS = 4  # 64-bit words that Philox makes of one value of its counter


def uniforms(seed: int, stream: Stream, start: int, stop: int, width: int) -> NDArray[np.float64]:
    """Numbers in (0, 1) of the rows ``start`` to ``stop``, ``(stop - start, width)``.

    A row begins at its own value of the counter of one Philox stream, so no row has to be drawn to reach another.

    Args:
        seed: in [0, 2 ** 32).
        stream: what they are for.
        start: first row.
        stop: the row after the last one.
        width: numbers a row.

    Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
    """
    counters = -(-width // WORDS)
    key = np.array([seed, STREAMS[stream]], dtype=np.uint64)
    generator = np.random.Generator(np.random.Philox(key=key, counter=start * counters))
    drawn = generator.random((stop - start, counters * WORDS))[:, :width]
    drawn += 2.0**-54  # 0 becomes the middle of its interval: its logarithm and its normal quantile are finite
    return np.minimum(drawn, 1 - 2.0**-53, out=drawn)


def normals(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard normal numbers, the quantiles of uniform ones: one each, where rejection would take an unknown many."""
    return np.asarray(ndtri(uniform))


def choices(probabilities: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which of K is chosen: the first whose cumulated probability exceeds the uniform number.

    Args:
        probabilities: ``(K,)``, or ``(N, K)`` with a distribution a row.
        uniform: ``(N, ...)``.

    Returns:
        Numbers below K, of the shape of ``uniform``.
    """
    edges = np.cumsum(probabilities, axis=-1)[..., :-1]  # without the last: rounding may leave it short of 1
    if edges.ndim == 1:
        return np.searchsorted(edges, uniform, side="right").astype(np.int64)
    chosen = np.zeros(uniform.shape, dtype=np.int64)
    for k in range(edges.shape[1]):  # a pass a class: no array of samples x draws x classes
        chosen += uniform >= edges[:, k].reshape(-1, *[1] * (uniform.ndim - 1))
    return chosen
