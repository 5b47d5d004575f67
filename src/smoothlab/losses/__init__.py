"""Losses that take soft targets."""

from smoothlab.losses.cross_entropy import soft_cross_entropy

__all__ = ["soft_cross_entropy"]
