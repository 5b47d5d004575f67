"""The soft target of each class, and what the cross-entropy asks of a model that learns it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from smoothlab.inspection.epsilon import per_row
from smoothlab.inspection.probe import USUAL, Probe
from smoothlab.smoothing import Smoother

CHUNK = 1 << 20  # cells of the dense target at once


@dataclass(frozen=True, eq=False)
class SoftTargets:
    """The mean soft target of each of C classes at one moment of the training.

    Where strength or prior look at the model, it is one that gives the label's class 0.9.

    Args:
        progress: share of the training that is done, in [0, 1].
        classes: ``(C,)`` class indices: all, or the largest.
        counts: ``(C,)`` training rows of each.
        matrix: ``(C, K)`` the mean soft target of each class's rows.
        epsilon: ``(C,)`` their mean epsilon.
        entropy: ``(C,)`` their mean target entropy in nats, the floor of the cross-entropy; nan where a target has a
            negative entry, which has no floor.
    """

    progress: float
    classes: Tensor
    counts: Tensor
    matrix: Tensor
    epsilon: Tensor
    entropy: Tensor

    @classmethod
    def of(cls, smoother: Smoother, probe: Probe, progress: float) -> SoftTargets:
        """Ask a smoother, which must be in evaluation mode."""
        size = probe.num_classes
        places, inverse = probe.classes.unique(return_inverse=True)
        sums = torch.zeros(len(places), size, dtype=torch.float64)
        counts = torch.zeros(len(places), dtype=torch.float64).index_add_(0, inverse, probe.weights)
        with torch.no_grad():
            target = smoother.target(probe.step(progress, max(USUAL, 1 / probe.num_classes))).flatten()
            epsilon = per_row(target.epsilon, len(inverse))
            entropy = torch.zeros(len(inverse), dtype=torch.float64)
            length = max(1, CHUNK // size)
            for start in range(0, len(inverse), length):
                rows = slice(start, start + length)
                dense = target.part(rows).dense(size, dtype=torch.float64)
                sums.index_add_(0, inverse[rows], dense * probe.weights[rows].unsqueeze(1))
                floor = torch.special.entr(dense).sum(-1)
                entropy[rows] = floor.masked_fill((dense < 0).any(-1), torch.nan)

        def mean(values: Tensor) -> Tensor:
            return torch.zeros_like(counts).index_add_(0, inverse, values.double() * probe.weights) / counts

        return cls(progress, places, counts, sums / counts.unsqueeze(1), mean(epsilon), mean(entropy))

    @property
    def keeps(self) -> Tensor:
        """Mass on the label's class, ``(C,)``."""
        return self.matrix.gather(1, self.classes.unsqueeze(1)).squeeze(1)

    @property
    def others(self) -> Tensor:
        """The matrix with nan at the label's class, ``(C, K)``."""
        return self.matrix.scatter(1, self.classes.unsqueeze(1), torch.nan)

    @property
    def smallest_gap(self) -> Tensor:
        """``log q_label - log q_other`` to the class that gets most, ``(C,)``; inf where no other class gets any."""
        return self._gap(self.others.nan_to_num(nan=-torch.inf).amax(1))

    @property
    def largest_gap(self) -> Tensor:
        """``log q_label - log q_other`` to the class that gets least, ``(C,)``; inf where that is nothing."""
        return self._gap(self.others.nan_to_num(nan=torch.inf).amin(1))

    def _gap(self, other: Tensor) -> Tensor:
        if self.matrix.shape[1] < 2:
            return torch.full_like(self.keeps, torch.inf)
        # no finite optimum where a class is to have no mass, or less than none
        return (self.keeps.log() - other.log()).where(other > 0, torch.inf)

    @property
    def confidence(self) -> Tensor:
        """The largest probability of a model that has learned the target, ``(C,)``."""
        return self.matrix.amax(1)

    @property
    def loses_lead(self) -> Tensor:
        """Whether another class gets as much as the label, or more, ``(C,)``."""
        if self.matrix.shape[1] < 2:
            return torch.zeros_like(self.classes, dtype=torch.bool)
        return self.others.nan_to_num(nan=-torch.inf).amax(1) >= self.keeps - 1e-12

    @property
    def is_even(self) -> bool:
        """Whether each row gives every other class the same."""
        filled = self.others
        spread = filled.nan_to_num(nan=-torch.inf).amax(1) - filled.nan_to_num(nan=torch.inf).amin(1)
        return bool((spread <= 1e-6 * (1 - self.keeps).abs().clamp_min(1e-9)).all())

    def mean(self, values: Tensor) -> float:
        """The mean over the training rows of values of each class ``(C,)``."""
        return float((values * self.counts).sum() / self.counts.sum())
