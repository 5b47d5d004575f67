"""Isotonic regression of each class's probability."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from smoothlab.calibration.class_curves import Array, ClassCurves, passed


class Isotonic(ClassCurves):
    """The rising curve of the smallest squared error, class against rest; straight lines between its points.

    As scikit-learn's, from which it differs by the floor alone. It keeps the order of a class's probabilities, but
    makes ties, and with more than two classes may change which one is the largest. Overfits below some hundreds of
    samples; :class:`Temperature` does not. Arguments as of :class:`ClassCurves`.

    Source: Zadrozny and Elkan, "Transforming Classifier Scores into Accurate Multiclass Probability Estimates", KDD
        2002.
    """

    def curve(self, probabilities: Array, shares: Array, weights: Array) -> tuple[Array, Array]:
        """See :class:`ClassCurves`."""
        from sklearn.isotonic import IsotonicRegression  # slow to import, and to read a curve needs none of it

        fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(probabilities, shares, weights)
        return np.asarray(fitted.X_thresholds_, float), np.asarray(fitted.y_thresholds_, float)

    def read(self, probabilities: Tensor, points: Tensor, values: Tensor) -> Tensor:
        """See :class:`ClassCurves`."""
        reached = passed(probabilities, points)
        left = (reached - 1).clamp(min=0)
        right = reached.clamp(max=points.shape[1] - 1)
        low, high = points.gather(1, left), points.gather(1, right)
        at, after = values.gather(1, left), values.gather(1, right)
        width = high - low
        share = (probabilities.transpose(-1, -2) - low) / width.masked_fill(width == 0, 1)
        return (at + (after - at) * share.clamp(0, 1)).transpose(-1, -2)
