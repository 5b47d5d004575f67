"""Penalties: terms on the logits that are added to the loss of every row, whatever the smoother."""

from smoothlab.losses.penalties.confidence import ConfidencePenalty
from smoothlab.losses.penalties.penalty import Penalty

__all__ = ["ConfidencePenalty", "Penalty"]
