"""Penalties: terms on the logits that are added to the loss of every row, whatever the smoother."""

from smoothlab.losses.penalties.acls import ACLS
from smoothlab.losses.penalties.augmented_lagrangian import AugmentedLagrangian
from smoothlab.losses.penalties.class_margin import ClassMargin
from smoothlab.losses.penalties.confidence import ConfidencePenalty
from smoothlab.losses.penalties.cpc import CPC
from smoothlab.losses.penalties.logit_penalty import LogitPenalty
from smoothlab.losses.penalties.margin import MarginPenalty
from smoothlab.losses.penalties.max_suppression import MaxSup
from smoothlab.losses.penalties.penalty import Penalty
from smoothlab.losses.penalties.zipf import ZipfPenalty

__all__ = [
    "ACLS",
    "CPC",
    "AugmentedLagrangian",
    "ClassMargin",
    "ConfidencePenalty",
    "LogitPenalty",
    "MarginPenalty",
    "MaxSup",
    "Penalty",
    "ZipfPenalty",
]
