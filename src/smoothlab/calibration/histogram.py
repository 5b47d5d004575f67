"""Histogram binning of each class's probability."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from smoothlab.calibration.class_curves import Array, ClassCurves, check_floor, passed
from smoothlab.numbers import check_whole
from smoothlab.ties import means_of_ties


class Histogram(ClassCurves):
    """How often the class was true among the samples of the same bin, class against rest.

    Bins hold about equally many samples; probabilities that are equal up to rounding never fall into two, so that there
    may be fewer bins. The order within a bin is lost.

    Args:
        num_bins: at most so many bins, at least 1.
        floor: as of :class:`ClassCurves`.

    Raises:
        InvalidArgument: no bins, or another floor.

    Source: Zadrozny and Elkan, "Obtaining Calibrated Probability Estimates from Decision Trees and Naive Bayesian
        Classifiers", ICML 2001.
    """

    def __init__(self, num_bins: int = 15, floor: float | None = None) -> None:
        super().__init__(check_floor(floor))
        self.num_bins = check_whole("num_bins", num_bins, 1)

    def settings(self) -> dict[str, Any]:
        """See :class:`Calibrator`."""
        return {"num_bins": self.num_bins, **super().settings()}

    def curve(self, probabilities: Array, shares: Array, weights: Array) -> tuple[Array, Array]:
        """The lower edges of the bins, the first one 0, and the mean share in each."""
        # Ties belong to the bin in which their middle lies on the scale of cumulated weight.
        middle = (np.cumsum(weights) - weights / 2) / weights.sum()
        number = np.minimum((middle * self.num_bins).astype(int), self.num_bins - 1)
        first = np.flatnonzero(np.diff(number, prepend=-1))
        edges = np.concatenate([[0.0], (probabilities[first[1:] - 1] + probabilities[first[1:]]) / 2])
        _, share = means_of_ties(first, weights, shares)
        return edges, share

    def read(self, probabilities: Tensor, points: Tensor, values: Tensor) -> Tensor:
        """See :class:`ClassCurves`."""
        return values.gather(1, (passed(probabilities, points) - 1).clamp(min=0)).transpose(-1, -2)
