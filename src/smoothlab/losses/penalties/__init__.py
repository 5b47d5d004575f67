"""Penalties: terms on the logits that are added to the loss of every row, whatever the smoother."""

from smoothlab.losses.penalties.acls import ACLS
from smoothlab.losses.penalties.confidence import ConfidencePenalty
from smoothlab.losses.penalties.logit_penalty import LogitPenalty
from smoothlab.losses.penalties.margin import MarginPenalty
from smoothlab.losses.penalties.max_suppression import MaxSup
from smoothlab.losses.penalties.penalty import Penalty

__all__ = ["ACLS", "ConfidencePenalty", "LogitPenalty", "MarginPenalty", "MaxSup", "Penalty"]
