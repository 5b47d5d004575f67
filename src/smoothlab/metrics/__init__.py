"""Classification metrics, exact in float64, and the same ones batch by batch in fixed space.

The functions take tensors or arrays, ``(..., K)`` values with ``from_logits`` said, and labels or votes.
Importing this package imports neither torchmetrics nor matplotlib; :class:`ClassificationMetrics` brings
torchmetrics in when it is first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smoothlab.metrics.accuracy import accuracy, macro_f1, top_k_accuracy
from smoothlab.metrics.bins import ReliabilityBins, reliability_bins
from smoothlab.metrics.bootstrap import Interval, bootstrap
from smoothlab.metrics.calibration_error import (
    ace,
    ece,
    ece_classwise,
    ece_equal_mass,
    mce,
    rmsce,
    rmsce_classwise_debiased,
    rmsce_debiased,
)
from smoothlab.metrics.gap import confidence_gap, confidence_gap_per_bin, confidence_gap_per_class
from smoothlab.metrics.proper import BrierParts, brier, brier_parts, nll, sharpness
from smoothlab.metrics.selective import (
    RiskCoverage,
    augrc,
    aurc,
    confidence_auroc,
    coverage_at_risk,
    excess_aurc,
    risk_at_coverage,
)
from smoothlab.metrics.small_samples import ECEBias, ece_bias
from smoothlab.metrics.smooth import smece
from smoothlab.metrics.summary import NAMES, classification_metrics

if TYPE_CHECKING:
    from smoothlab.metrics.streaming import ClassificationMetrics

__all__ = [
    "NAMES",
    "BrierParts",
    "ClassificationMetrics",
    "ECEBias",
    "Interval",
    "ReliabilityBins",
    "RiskCoverage",
    "accuracy",
    "ace",
    "augrc",
    "aurc",
    "bootstrap",
    "brier",
    "brier_parts",
    "classification_metrics",
    "confidence_auroc",
    "confidence_gap",
    "confidence_gap_per_bin",
    "confidence_gap_per_class",
    "coverage_at_risk",
    "ece",
    "ece_bias",
    "ece_classwise",
    "ece_equal_mass",
    "excess_aurc",
    "macro_f1",
    "mce",
    "nll",
    "reliability_bins",
    "risk_at_coverage",
    "rmsce",
    "rmsce_classwise_debiased",
    "rmsce_debiased",
    "sharpness",
    "smece",
    "top_k_accuracy",
]


def __getattr__(name: str) -> Any:
    if name == "ClassificationMetrics":
        from smoothlab.metrics import streaming

        return getattr(streaming, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
