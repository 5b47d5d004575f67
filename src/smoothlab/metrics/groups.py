"""Ranked confidences with equal ones joined, so that what ranks samples cannot depend on how ties lie.

What a tie is says :mod:`smoothlab.ties`; exact and streaming metrics join them by the same rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from smoothlab.metrics.inputs import Array
from smoothlab.ties import ROUNDING, first_of_ties


@dataclass(frozen=True)
class ConfidenceGroups:
    """Groups of samples in rising order of confidence.

    Within a group nothing is known of the order, so each sample of it stands for the group's mean. Exact
    metrics join ties only; streaming ones also join neighbours (see ``sketch``).
    """

    confidence: Array  # (G,) mean confidence of the group
    weight: Array  # (G,) summed weight, positive
    correct: Array  # (G,) summed weight of the samples whose prediction was right
    integral: bool  # whether all weights are whole numbers, that is, copies

    @cached_property
    def total(self) -> float:
        """Summed weight of all samples."""
        return float(self.weight.sum())

    @cached_property
    def residual(self) -> Array:
        """(G,) summed confidence less summed correctness."""
        return self.weight * self.confidence - self.correct

    def falling(self) -> tuple[Array, Array]:
        """Weights and errors of the groups from the most to the least confident."""
        return self.weight[::-1], (self.weight - self.correct)[::-1]


def group(confidence: Array, correct: Array, weights: Array | None = None) -> ConfidenceGroups:
    """Join ties; ``correct`` may be any outcome in [0, 1]."""
    order = np.argsort(confidence)
    ranked = confidence[order]
    outcome = correct[order] if weights is None else (correct * weights)[order]
    first = first_of_ties(ranked, ROUNDING)
    if len(first) == len(ranked):
        mass = np.ones(len(ranked)) if weights is None else weights[order]
        return ConfidenceGroups(ranked, mass, outcome, whole(weights))
    if weights is None:
        mass = np.diff(np.append(first, len(ranked))).astype(np.float64)
    else:
        mass = np.add.reduceat(weights[order], first)
    return ConfidenceGroups(ranked[first], mass, np.add.reduceat(outcome, first), whole(weights))


def scaled(weights: Array) -> Array:
    """Weights that count like copies: whole numbers as they are, others scaled to the mean 1.

    Shares that sum to 1, as of a survey, say nothing of how many samples there are; scaled, they give what depends on
    that number (debiased errors, the area under the risk-coverage curve) the same value whatever their unit.
    """
    return weights if whole(weights) else weights * (len(weights) / weights.sum())


def whole(weights: Array | None) -> bool:
    """Whether weights are whole numbers, so that they can be read as numbers of copies."""
    return weights is None or bool((weights == np.floor(weights)).all())
