"""Losses that take soft targets."""

from smoothlab.losses.cross_entropy import soft_cross_entropy
from smoothlab.losses.focal import DualFocal, Focal, SampleDependentFocal
from smoothlab.losses.logit_norm import LogitNorm, normalized_logits
from smoothlab.losses.poly import Poly1

__all__ = [
    "DualFocal",
    "Focal",
    "LogitNorm",
    "Poly1",
    "SampleDependentFocal",
    "normalized_logits",
    "soft_cross_entropy",
]
