"""Temperature scaling: one number for all logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor

from smoothlab.calibration.calibrator import Calibrator
from smoothlab.calibration.observed import Observed

RANGE = 1e4  # how far T may be from the mean size of the logits


class Temperature(Calibrator):
    """``logits / T``, with the T > 0 of the smallest NLL.

    The NLL is convex in ``1/T``, so its slope there has one root at most, which a bracketing search in log T finds
    to float64 precision whatever the start. Gradient steps on T itself, as in published code, stop short of the
    optimum or run into negative T on under-confident logits.

    Two cases have no optimum. Where every sample is right, the NLL falls as T goes to 0, down to a certainty that no
    finite sample speaks for: the worth of one sample with evenly spread labels is added (the rule of succession).
    Where the logits tell no more than chance, the NLL falls as T grows without bound: T stays finite, so large that
    all classes are equally likely to four digits, and their order is kept.

    Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
    """

    learned = ("temperature",)
    temperature: Tensor

    def __init__(self) -> None:
        super().__init__()
        self._learn(temperature=torch.ones((), dtype=torch.float64))

    def forward(self, logits: Tensor) -> Tensor:
        """See :class:`Calibrator`."""
        return logits / self._fitted("temperature", logits)

    def summary(self) -> dict[str, Any]:
        """See :class:`Calibrator`."""
        return {"temperature": float(self.temperature)}

    def _fit(self, observed: Observed) -> None:
        self._learn(temperature=torch.tensor(optimal_temperature(observed), dtype=torch.float64))


def optimal_temperature(observed: Observed) -> float:
    """The temperature of the smallest NLL; see :class:`Temperature` for samples that have none."""
    below = observed.logits - observed.logits.max(1, keepdim=True).values  # <= 0, so that nothing overflows
    finite = below.isfinite()
    filled = torch.where(finite, below, 0.0)
    size = float(observed.weights @ (-filled.sum(1) / finite.sum(1)))
    if size == 0.0:  # all logits equal: every temperature is as good
        return 1.0
    at_label = float(observed.weights @ observed.of_label(filled))
    even = -size

    def slope(log_inverse: float, prior: float = 0.0) -> float:
        """d NLL / d (1/T), with so many samples' worth of even labels added."""
        shares = torch.softmax(below * np.exp(log_inverse), 1)
        expected = float(observed.weights @ (shares * filled).sum(1))
        return expected - at_label + prior * (expected - even)

    low, high = np.log(1.0 / (RANGE * size)), np.log(RANGE / size)
    if slope(low) >= 0.0:
        return float(np.exp(-low))
    if slope(high) > 0.0:
        return float(np.exp(-brentq(slope, low, high, xtol=1e-12)))
    added = 1.0 / observed.effective_samples
    if slope(high, added) <= 0.0:  # more samples, all right, than the range of T can tell from infinitely many
        return float(np.exp(-high))
    return float(np.exp(-brentq(slope, low, high, args=(added,), xtol=1e-12)))
