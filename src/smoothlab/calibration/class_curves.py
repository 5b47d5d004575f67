"""Calibrators that read each class's probability off a curve, and bring the classes back to a sum of 1.

Curves are fitted and read in float64, whatever the logits are in, so that a sample is read where it was fitted; and
probabilities that rounding alone tells apart are fitted as one, so that no curve has a step between them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smoothlab.calibration.calibrator import Calibrator
from smoothlab.calibration.observed import Observed
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number
from smoothlab.ties import first_of_ties, means_of_ties

Array = NDArray[np.float64]
SMALLEST = 1e-12  # a floor of 0 is this: a row of zeros becomes even, and no log is infinite
TIE = 1e-6  # log-odds that are no further apart are equal: float32 logits do not tell them apart
BEYOND = 2.0  # pads curves of different lengths: no probability gets there


class ClassCurves(Calibrator):
    """One curve a class, from its probability to how often it was true, one class against the rest.

    Two classes have one curve, of the second, and the first gets the rest. With more the curves' values are divided by
    their sum (Zadrozny and Elkan 2002).

    Args:
        floor: the smallest value of a curve, in [0, 1/2), whose largest is ``1 - floor``; None for ``1 / (N + 2)`` of
            the N samples it is fitted to, so that what never happened in them is not called impossible.

    Raises:
        InvalidArgument: another floor.
    """

    learned = ("points", "values")
    points: Tensor  # (curves, M) rising
    values: Tensor  # (curves, M)

    def __init__(self, floor: float | None = None) -> None:
        super().__init__()
        self.floor = check_floor(floor)
        self._learn(points=torch.empty(0, 0), values=torch.empty(0, 0))

    def curve(self, probabilities: Array, shares: Array, weights: Array) -> tuple[Array, Array]:
        """Points and values of one class's curve; as many of each, the points rising.

        Args:
            probabilities: ``(G,)`` of the class, rising, no two the same up to rounding.
            shares: ``(G,)`` how often the class is true there, in [0, 1].
            weights: ``(G,)`` positive.
        """
        raise NotImplementedError

    def read(self, probabilities: Tensor, points: Tensor, values: Tensor) -> Tensor:
        """The curves ``(C, M)`` at ``(N, C)`` probabilities."""
        raise NotImplementedError

    def forward(self, logits: Tensor) -> Tensor:
        """See :class:`Calibrator`.

        Raises:
            InvalidArgument: not fitted, or logits of another number of classes.
        """
        wide = logits if logits.device.type == "mps" else logits.double()  # which has no float64
        points, values = self._fitted("points", wide), self._fitted("values", wide)
        classes = 2 if len(points) == 1 else len(points)
        if logits.shape[-1] != classes:
            raise InvalidArgument("logits", tuple(logits.shape), f"{classes} classes, as fitted")
        probabilities = torch.softmax(wide, -1)
        if classes == 2:
            second = self.read(probabilities[..., 1:], points, values)
            curves = torch.cat([1 - second, second], -1).clamp(min=SMALLEST).log()
        else:
            curves = self.read(probabilities, points, values).log().masked_fill(logits == -torch.inf, -torch.inf)
        return curves.to(logits.dtype)

    def settings(self) -> dict[str, Any]:
        """See :class:`Calibrator`."""
        return {"floor": self.floor}

    def summary(self) -> dict[str, Any]:
        """See :class:`Calibrator`."""
        return {"points": [int((row < BEYOND).sum()) for row in self.points]}

    def _fit(self, observed: Observed) -> None:
        probabilities = torch.softmax(observed.logits, 1).numpy()
        shares, weights = observed.targets.numpy(), observed.weights.numpy()
        classes = [1] if observed.num_classes == 2 else range(observed.num_classes)
        curves = [self.curve(*joined(probabilities[:, k], shares[:, k], weights)) for k in classes]
        floor = max(observed.floor if self.floor is None else self.floor, SMALLEST)
        longest = max(len(points) for points, _ in curves)
        points, values = np.full((len(curves), longest), BEYOND), np.empty((len(curves), longest))
        for row, (at, value) in enumerate(curves):
            points[row, : len(at)] = at
            values[row, : len(at)] = np.clip(value, floor, 1.0 - floor)
            values[row, len(at) :] = values[row, len(at) - 1]
        self._learn(points=torch.from_numpy(points), values=torch.from_numpy(values))


def joined(probabilities: Array, shares: Array, weights: Array) -> tuple[Array, Array, Array]:
    """The same samples with ties joined, in rising order: means ``(G,)`` of both, and summed weights."""
    order = np.argsort(probabilities, kind="stable")
    p = probabilities[order]
    # What 1 - p is rounded by is no distance of log-odds either.
    log_odds = np.log(p + np.finfo(np.float64).tiny) - np.log(1.0 - p + np.finfo(np.float64).eps / TIE)
    mass, at, share = means_of_ties(first_of_ties(log_odds, TIE), weights[order], p, shares[order])
    return at, share, mass


def passed(probabilities: Tensor, points: Tensor) -> Tensor:
    """How many points of its curve each probability has reached: ``(C, N)`` from ``(N, C)`` and ``(C, M)``.

    In a graph by comparing with all of them, since a sorted search has no counterpart in ONNX.
    """
    if torch.compiler.is_exporting() or torch.jit.is_tracing():
        return (probabilities.unsqueeze(-1) >= points).sum(-1).transpose(-1, -2)
    return torch.searchsorted(points, probabilities.transpose(-1, -2).contiguous(), right=True)


def check_floor(floor: object) -> float | None:
    """A number in [0, 1/2), or None.

    Raises:
        InvalidArgument: anything else.
    """
    if floor is None:
        return None
    return check_number("floor", floor, "a number in [0, 0.5), or null", at_least=0, below=0.5)
