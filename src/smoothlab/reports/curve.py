"""A line of a chart; matplotlib's figures and the page's charts draw these numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoothlab.metrics.inputs import Array


@dataclass(frozen=True)
class Curve:
    """Values along an axis, such as epochs, coverage or a varied setting.

    Args:
        name: whose they are, such as an arm's.
        at: (P,) places on the axis, rising.
        value: (P,) values at these places.
        low: (P,) lower ends of the range or of the interval around the values; the values where there is none.
        high: (P,) upper ends.
    """

    name: str
    at: Array
    value: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, name: str, at: Sequence[float] | Array, value: Sequence[float] | Array) -> Curve:
        """Values without a range."""
        places, values = np.asarray(at, float), np.asarray(value, float)
        return cls(name, places, values, values, values)

    @classmethod
    def of_points(cls, name: str, at: Sequence[float] | Array, values: Sequence[float] | Array) -> Curve:
        """The mean at each place, from the lowest to the highest value there; ``at`` and ``values`` are (N,)."""
        places, index = np.unique(np.asarray(at, float), return_inverse=True)
        own = [np.asarray(values, float)[index == number] for number in range(len(places))]
        mean, low, high = (np.array([function(group) for group in own]) for function in (np.mean, np.min, np.max))
        return cls(name, places, mean, low, high)

    @classmethod
    def over_runs(cls, name: str, runs: Sequence[tuple[Array, Array]]) -> Curve:
        """Of runs' own curves, at the places that all of them have: beyond, the mean would jump as runs leave it.

        Of a place that comes several times in a run, the last value counts.
        """
        by_place = [dict(zip(at.tolist(), values.tolist(), strict=True)) for at, values in runs]
        shared = sorted(set.intersection(*map(set, by_place))) if by_place else []
        if not shared:
            return cls.of(name, [], [])
        values = np.array([[run[place] for place in shared] for run in by_place])
        return cls(name, np.array(shared), values.mean(0), values.min(0), values.max(0))

    def where(self, chosen: NDArray[np.bool_]) -> Curve:
        """The places that are True in ``chosen`` (P,)."""
        return Curve(self.name, *(part[chosen] for part in (self.at, self.value, self.low, self.high)))

    def __len__(self) -> int:
        return len(self.at)
