"""Classification metrics, exact in float64, and the same ones batch by batch in fixed space.

The functions take tensors or arrays, ``(..., K)`` values with ``from_logits`` said, and labels or votes.
Importing this package imports neither torchmetrics nor matplotlib; the classes that stream (``ClassificationMetrics``
and the like) bring torchmetrics in when they are first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smoothlab.metrics.bins import ReliabilityBins, reliability_bins
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
from smoothlab.metrics.correctness import accuracy, macro_f1, top_k_accuracy
from smoothlab.metrics.costs import cost_matrix, cost_metrics
from smoothlab.metrics.gap import confidence_gap, confidence_gap_per_bin, confidence_gap_per_class
from smoothlab.metrics.hierarchical import (
    hierarchical_distance,
    hierarchical_metrics,
    hierarchical_names,
    mistake_severity,
    multilabel_hierarchical_metrics,
)
from smoothlab.metrics.intervals import Interval, bootstrap
from smoothlab.metrics.kernel import ece_kde
from smoothlab.metrics.labelwise import labelwise_metrics
from smoothlab.metrics.multilabel import binary_metrics, multilabel_metrics
from smoothlab.metrics.ordinal import ordinal_metrics
from smoothlab.metrics.proper import BrierParts, brier, brier_parts, nll, sharpness
from smoothlab.metrics.ranking import ranking_metrics
from smoothlab.metrics.scaled import ScoreParts, score_parts
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
from smoothlab.metrics.summary import BY_CLASS, NAMES, OF_PREDICTED, classification_metrics
from smoothlab.metrics.truth import truth_metrics

if TYPE_CHECKING:
    from smoothlab.metrics.streaming import ClassificationMetrics
    from smoothlab.metrics.streaming_hierarchical import HierarchicalMetrics, MultilabelHierarchicalMetrics
    from smoothlab.metrics.streaming_multilabel import MultilabelMetrics
    from smoothlab.metrics.streaming_ranking import RankingMetrics
    from smoothlab.metrics.streaming_scaled import ScaledNLL
    from smoothlab.metrics.streaming_sums import CostMetrics, OrdinalMetrics

__all__ = [
    "BY_CLASS",
    "NAMES",
    "OF_PREDICTED",
    "BrierParts",
    "ClassificationMetrics",
    "CostMetrics",
    "ECEBias",
    "HierarchicalMetrics",
    "Interval",
    "MultilabelHierarchicalMetrics",
    "MultilabelMetrics",
    "OrdinalMetrics",
    "RankingMetrics",
    "ReliabilityBins",
    "RiskCoverage",
    "ScaledNLL",
    "ScoreParts",
    "accuracy",
    "ace",
    "augrc",
    "aurc",
    "binary_metrics",
    "bootstrap",
    "brier",
    "brier_parts",
    "classification_metrics",
    "confidence_auroc",
    "confidence_gap",
    "confidence_gap_per_bin",
    "confidence_gap_per_class",
    "cost_matrix",
    "cost_metrics",
    "coverage_at_risk",
    "ece",
    "ece_bias",
    "ece_classwise",
    "ece_equal_mass",
    "ece_kde",
    "excess_aurc",
    "hierarchical_distance",
    "hierarchical_metrics",
    "hierarchical_names",
    "labelwise_metrics",
    "macro_f1",
    "mce",
    "mistake_severity",
    "multilabel_hierarchical_metrics",
    "multilabel_metrics",
    "nll",
    "ordinal_metrics",
    "ranking_metrics",
    "reliability_bins",
    "risk_at_coverage",
    "rmsce",
    "rmsce_classwise_debiased",
    "rmsce_debiased",
    "score_parts",
    "sharpness",
    "smece",
    "top_k_accuracy",
    "truth_metrics",
]


def __getattr__(name: str) -> Any:
    if name == "ClassificationMetrics":
        from smoothlab.metrics import streaming

        return streaming.ClassificationMetrics
    if name == "MultilabelMetrics":
        from smoothlab.metrics import streaming_multilabel

        return streaming_multilabel.MultilabelMetrics
    if name in ("HierarchicalMetrics", "MultilabelHierarchicalMetrics"):
        from smoothlab.metrics import streaming_hierarchical

        return getattr(streaming_hierarchical, name)
    if name == "RankingMetrics":
        from smoothlab.metrics import streaming_ranking

        return streaming_ranking.RankingMetrics
    if name in ("OrdinalMetrics", "CostMetrics"):
        from smoothlab.metrics import streaming_sums

        return getattr(streaming_sums, name)
    if name == "ScaledNLL":
        from smoothlab.metrics import streaming_scaled

        return streaming_scaled.ScaledNLL
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
