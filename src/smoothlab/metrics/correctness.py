"""Whether predictions are right: accuracy, top-k accuracy, macro F1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from smoothlab.metrics.bins import sums_at
from smoothlab.metrics.prediction import Prediction
from smoothlab.numbers import check_whole

if TYPE_CHECKING:
    from smoothlab.metrics.inputs import Array


def accuracy(values: Any, labels: Any, *, from_logits: bool, sample_weight: Any = None, mask: Any = None) -> float:
    """Share of samples whose most probable class is the label, in [0, 1].

    Args:
        values: ``(..., K)`` probabilities or logits; among equal ones the first class is predicted.
        labels: ``(...)`` class indices, or ``(..., K)`` votes, whose mode (the first of equals) is the label.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0.
        mask: ``(...)`` bools, False where a position does not count.
    """
    told = Prediction.of(values, labels, from_logits=from_logits, sample_weight=sample_weight, mask=mask)
    return told.mean(told.correct)


def top_k_accuracy(
    values: Any, labels: Any, *, from_logits: bool, k: int = 5, sample_weight: Any = None, mask: Any = None
) -> float:
    """Share of samples whose label is among the k most probable classes, in [0, 1].

    Arguments as in :func:`accuracy`. Classes as probable as the label share the places that are left: with
    all classes equal the value is k / K, where scikit-learn and torch.topk let the order of columns decide.
    """
    told = Prediction.of(values, labels, from_logits=from_logits, sample_weight=sample_weight, mask=mask)
    check_whole("k", k, 1, told.num_classes)
    ranked = told.log_probabilities  # probabilities that underflow to zero still rank
    own = ranked.gather(1, told.labels[:, None])
    above, equal = (ranked > own).sum(1).numpy(), (ranked == own).sum(1).numpy()
    return told.mean(np.clip((k - above) / equal, 0.0, 1.0))


def f1_from_counts(hits: Array, predicted: Array, labelled: Array) -> Array:
    """(K,) F1 = 2 hits / (predicted + labelled); NaN for a class that is neither predicted nor a label."""
    seen = predicted + labelled
    return np.where(seen > 0, 2.0 * hits / np.where(seen > 0, seen, 1.0), np.nan)


def class_counts(told: Prediction) -> tuple[Array, Array, Array]:
    """(K,) each: weight of right predictions, of predictions, of labels."""
    predicted, labels, size = told.predicted.numpy(), told.labels.numpy(), told.num_classes
    hits, named, labelled = (
        sums_at(index, mass, size)
        for index, mass in (
            (labels, told.weights * told.correct),
            (predicted, told.weights),
            (labels, told.weights),
        )
    )
    return hits, named, labelled


def macro_f1(values: Any, labels: Any, *, from_logits: bool, sample_weight: Any = None, mask: Any = None) -> float:
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN), in [0, 1].

    Arguments as in :func:`accuracy`. Classes that are neither predicted nor a label are left out, as
    scikit-learn and torchmetrics do; counting them as 0 makes the value depend on what the data lacks.
    """
    told = Prediction.of(values, labels, from_logits=from_logits, sample_weight=sample_weight, mask=mask)
    return float(np.nanmean(f1_from_counts(*class_counts(told))))
