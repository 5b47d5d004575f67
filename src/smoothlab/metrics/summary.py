"""The metrics that every run reports, from one pass over shared per-sample quantities."""

from __future__ import annotations

from typing import Any

import numpy as np

from smoothlab.metrics.bins import check_bins, mass_bins, width_bins
from smoothlab.metrics.calibration_error import classwise_errors, expected_error, maximum_error
from smoothlab.metrics.correctness import class_counts, f1_from_counts
from smoothlab.metrics.groups import group
from smoothlab.metrics.prediction import Prediction
from smoothlab.metrics.selective import RiskCoverage
from smoothlab.metrics.smooth import smooth_error

NAMES = (
    "nll",
    "accuracy",
    "macro_f1",
    "ece",
    "ece_equal_mass",
    "ece_classwise",
    "smece",
    "mce",
    "brier",
    "confidence_gap",
    "aurc",
)
BY_CLASS = ("macro_f1", "ece_classwise")  # those that look at more than the predicted class
OF_PREDICTED = tuple(name for name in NAMES if name not in BY_CLASS)


def classification_metrics(
    values: Any,
    labels: Any,
    *,
    from_logits: bool,
    sample_weight: Any = None,
    mask: Any = None,
    num_bins: int = 15,
) -> dict[str, float]:
    """All of :data:`NAMES`, exact, as the functions of these names compute them.

    For votes ``nll`` and ``brier`` are against the vote distribution, all others against its mode.

    Args:
        values: ``(..., K)`` probabilities or logits.
        labels: ``(...)`` class indices, or ``(..., K)`` votes.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0; like that many copies of the sample.
        mask: ``(...)`` bools, False where a position does not count.
        num_bins: bins of the binned calibration errors.

    Raises:
        InvalidArgument: NaN, a label outside [0, K), rows that are no distributions, no counted sample.
    """
    check_bins(num_bins)
    told = Prediction.of(values, labels, from_logits=from_logits, sample_weight=sample_weight, mask=mask)
    by_class = {
        "macro_f1": float(np.nanmean(f1_from_counts(*class_counts(told)))),
        "ece_classwise": float(classwise_errors(told, num_bins).mean()),
    }
    found = by_class | metrics_of_predicted(told, num_bins)
    return {name: found[name] for name in NAMES}


def metrics_of_predicted(told: Prediction, num_bins: int) -> dict[str, float]:
    """Those of :data:`OF_PREDICTED`."""
    groups = group(told.confidence, told.correct, told.weights)
    bins = width_bins(told.confidence, told.correct, told.weights, num_bins)
    return {
        "nll": told.mean(told.nll),
        "accuracy": told.mean(told.correct),
        "ece": expected_error(bins),
        "ece_equal_mass": expected_error(mass_bins(groups, num_bins)),
        "smece": smooth_error(groups),
        "mce": maximum_error(bins),
        "brier": told.mean(told.brier),
        "confidence_gap": told.mean(told.confidence - told.correct),
        "aurc": RiskCoverage(groups).area(),
    }
