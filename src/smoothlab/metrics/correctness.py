"""Whether predictions are right: accuracy, top-k accuracy, macro F1."""

from __future__ import annotations

import numpy as np

from smoothlab.metrics.bins import sums_at
from smoothlab.metrics.inputs import Array, reads
from smoothlab.metrics.prediction import Prediction
from smoothlab.numbers import check_whole


@reads(Prediction.of)
def accuracy(prediction: Prediction) -> float:
    """Share of samples whose most probable class is the label, in [0, 1].

    Args:
        values: ``(..., K)`` probabilities or logits; among equal ones the first class is predicted.
        labels: ``(...)`` class indices, or ``(..., K)`` votes, whose mode (the first of equals) is the label.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0.
        mask: ``(...)`` bools, False where a position does not count.
    """
    return prediction.mean(prediction.correct)


@reads(Prediction.of)
def top_k_accuracy(prediction: Prediction, *, k: int = 5) -> float:
    """Share of samples whose label is among the k most probable classes, in [0, 1].

    Arguments as in :func:`accuracy`. Classes as probable as the label share the places that are left: with
    all classes equal the value is k / K, where scikit-learn and torch.topk let the order of columns decide.
    """
    check_whole("k", k, 1, prediction.num_classes)
    ranked = prediction.log_probabilities  # probabilities that underflow to zero still rank
    own = ranked.gather(1, prediction.labels[:, None])
    above, equal = (ranked > own).sum(1).numpy(), (ranked == own).sum(1).numpy()
    return prediction.mean(np.clip((k - above) / equal, 0.0, 1.0))


def f1_from_counts(hits: Array, predicted: Array, labelled: Array) -> Array:
    """(K,) F1 = 2 hits / (predicted + labelled); NaN for a class that is neither predicted nor a label."""
    seen = predicted + labelled
    return np.where(seen > 0, 2.0 * hits / np.where(seen > 0, seen, 1.0), np.nan)


def class_counts(prediction: Prediction) -> tuple[Array, Array, Array]:
    """(K,) each: weight of right predictions, of predictions, of labels."""
    predicted, labels, size = prediction.predicted.numpy(), prediction.labels.numpy(), prediction.num_classes
    hits, named, labelled = (
        sums_at(index, mass, size)
        for index, mass in (
            (labels, prediction.weights * prediction.correct),
            (predicted, prediction.weights),
            (labels, prediction.weights),
        )
    )
    return hits, named, labelled


@reads(Prediction.of)
def macro_f1(prediction: Prediction) -> float:
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN), in [0, 1].

    Arguments as in :func:`accuracy`. Classes that are neither predicted nor a label are left out, as
    scikit-learn and torchmetrics do; counting them as 0 makes the value depend on what the data lacks.
    """
    return float(np.nanmean(f1_from_counts(*class_counts(prediction))))
