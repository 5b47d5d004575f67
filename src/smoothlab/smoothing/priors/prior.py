"""Priors: where the mass that leaves the label goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from smoothlab.step import Step
from smoothlab.targets import Prior as PriorFactor


class Prior(Protocol):
    """What a smoother asks of a prior: one method."""

    def __call__(self, step: Step) -> PriorFactor:
        """The prior factor of a SoftTarget for this step."""


@dataclass(frozen=True)
class Uniform:
    """``epsilon/K`` on every class: the label keeps ``1 - epsilon + epsilon/K``.

    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016; the
    convention of torch, timm and Keras.
    """

    by_label = True

    def __call__(self, step: Step) -> Literal["uniform"]:
        """The uniform factor."""
        return "uniform"


@dataclass(frozen=True)
class Exclusive:
    """``epsilon/(K-1)`` on every class but the label, which keeps ``1 - epsilon``.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017; the convention of fairseq since 0.12.
    The same targets as :class:`Uniform` with epsilon ``K/(K-1)`` times as large.
    """

    by_label = True

    def __call__(self, step: Step) -> Literal["exclusive"]:
        """The exclusive factor."""
        return "exclusive"
