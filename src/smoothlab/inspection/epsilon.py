"""How much a strength smooths: over the training, and over the model's confidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from smoothlab.inspection.probe import SURE, SWEEP, Probe
from smoothlab.smoothing import Smoother
from smoothlab.step import Step

MOMENTS = 101  # of the training
SAME = 1e-9


@dataclass(frozen=True)
class EpsilonCurve:
    """Mean, smallest and largest epsilon of the training rows at each place x.

    Args:
        x: progress, confidence or epochs.
        mean: as long as x.
        low: smallest, likewise.
        high: largest, likewise.
    """

    x: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]

    @property
    def is_flat(self) -> bool:
        """Whether x changes nothing."""
        return all(max(values) - min(values) <= SAME for values in (self.mean, self.low, self.high))

    @property
    def has_spread(self) -> bool:
        """Whether rows differ."""
        return any(high - low > SAME for low, high in zip(self.low, self.high, strict=True))

    @property
    def strongest(self) -> float:
        """The first x at which the mean is farthest from 0."""
        sizes = [abs(mean) for mean in self.mean]
        return self.x[sizes.index(max(sizes))]

    @property
    def last_change(self) -> float:
        """The x after which the mean stays as it is at the end."""
        moved = [x for x, mean in zip(self.x, self.mean, strict=True) if abs(mean - self.mean[-1]) > SAME]
        return self.x[min(self.x.index(moved[-1]) + 1, len(self.x) - 1)] if moved else self.x[0]


def epsilon_of(smoother: Smoother, step: Step) -> Tensor:
    """Epsilon of each row of a step, ``(N,)``."""
    with torch.no_grad():
        return per_row(smoother.strength(step), step.labels.shape[0])


def per_row(epsilon: float | Tensor, length: int) -> Tensor:
    """A number, or a tensor with one value or one a row, as ``(length,)`` in float64 on the CPU."""
    return torch.as_tensor(epsilon, dtype=torch.float64, device="cpu").reshape(-1).expand(length)


def over_progress(smoother: Smoother, probe: Probe) -> EpsilonCurve:
    """Epsilon from the beginning of the training to its end, the model's confidence swept over the rows."""
    moments = [step / (MOMENTS - 1) for step in range(MOMENTS)]
    return _curve(smoother, probe, moments, (probe.step(progress) for progress in moments))


def over_confidence(smoother: Smoother, probe: Probe, progress: float, *, right: bool) -> EpsilonCurve:
    """Epsilon of all rows under models of rising confidence in the label's class, or in a wrong one."""
    levels = torch.linspace(1 / probe.num_classes, SURE, SWEEP, dtype=torch.float64).tolist()
    return _curve(smoother, probe, levels, (probe.step(progress, level, right=right) for level in levels))


def _curve(smoother: Smoother, probe: Probe, places: list[float], steps: Iterable[Step]) -> EpsilonCurve:
    values = [epsilon_of(smoother, step) for step in steps]
    return EpsilonCurve(
        places,
        [probe.mean(epsilon) for epsilon in values],
        [float(epsilon.min()) for epsilon in values],
        [float(epsilon.max()) for epsilon in values],
    )
