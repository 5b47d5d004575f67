"""The metrics that every run reports, from one pass over shared per-sample quantities."""

from __future__ import annotations

import numpy as np

from smoothlab.metrics.binned_scores import calibration_scores
from smoothlab.metrics.bins import binned, check_bins
from smoothlab.metrics.calibration_error import classwise_errors
from smoothlab.metrics.correctness import class_counts, f1_from_counts
from smoothlab.metrics.groups import group
from smoothlab.metrics.inputs import reads
from smoothlab.metrics.prediction import Prediction
from smoothlab.metrics.selective import RiskCoverage

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


@reads(Prediction.of)
def classification_metrics(prediction: Prediction, *, num_bins: int = 15) -> dict[str, float]:
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
    by_class = {
        "macro_f1": float(np.nanmean(f1_from_counts(*class_counts(prediction)))),
        "ece_classwise": float(classwise_errors(prediction, num_bins).mean()),
    }
    scores = by_class | metrics_of_predicted(prediction, num_bins)
    return {name: scores[name] for name in NAMES}


def metrics_of_predicted(prediction: Prediction, num_bins: int) -> dict[str, float]:
    """Those of :data:`OF_PREDICTED`."""
    groups = group(prediction.confidence, prediction.correct, prediction.weights)
    bins = binned(prediction, num_bins)
    return {
        "nll": prediction.mean(prediction.nll),
        "accuracy": prediction.mean(prediction.correct),
        **calibration_scores(bins, groups),
        "brier": prediction.mean(prediction.brier),
        "confidence_gap": prediction.mean(prediction.confidence - prediction.correct),
        "aurc": RiskCoverage(groups).area(),
    }
