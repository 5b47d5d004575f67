"""A row a class: how often it is the label, what the model makes of it, how far its probabilities can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smoothlab.errors import InvalidArgument
from smoothlab.metrics.bins import sums_at
from smoothlab.metrics.calibration_error import classwise_errors
from smoothlab.metrics.correctness import class_counts, f1_from_counts
from smoothlab.metrics.prediction import Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smoothlab.metrics.inputs import Array


def class_table(
    values: Any, labels: Any, *, from_logits: bool, class_names: Sequence[str], num_bins: int = 15
) -> pd.DataFrame:
    """The calibration of each class, NaN where there is nothing to tell from.

    Columns: ``class``; ``samples`` with this label and their ``share``; ``predicted``, how many; ``mean_probability``
    over all samples, and ``probability_gap``, it less the share (positive: the class is given too much);
    ``ece`` of the class against the rest; ``nll`` of its samples; ``precision``, ``recall``, ``f1``;
    ``confidence`` where it is predicted and ``confidence_gap``, it less the precision (positive: over-confident).

    Args:
        values: ``(..., K)`` probabilities or logits.
        labels: ``(...)`` class indices, or ``(..., K)`` votes, whose mode is the label.
        from_logits: whether ``values`` are logits.
        class_names: K names.
        num_bins: bins of the calibration error.

    Raises:
        InvalidArgument: as many names as classes were expected.
    """
    prediction = Prediction.of(values, labels, from_logits=from_logits)
    if len(class_names) != prediction.num_classes:
        raise InvalidArgument("class_names", len(class_names), f"{prediction.num_classes} names")
    hits, predicted, labelled = class_counts(prediction)
    total = prediction.weights.sum()
    mean = prediction.weights @ prediction.probabilities.numpy() / total
    precision = _ratio(hits, predicted)
    confidence = _ratio(
        _sums(prediction.predicted.numpy(), prediction.weights * prediction.confidence, prediction), predicted
    )
    return pd.DataFrame(
        {
            "class": list(class_names),
            "samples": labelled,
            "share": labelled / total,
            "predicted": predicted,
            "mean_probability": mean,
            "probability_gap": mean - labelled / total,
            "ece": classwise_errors(prediction, num_bins),
            "nll": _ratio(_sums(prediction.labels.numpy(), prediction.weights * prediction.nll, prediction), labelled),
            "precision": precision,
            "recall": _ratio(hits, labelled),
            "f1": f1_from_counts(hits, predicted, labelled),
            "confidence": confidence,
            "confidence_gap": confidence - precision,
        }
    )


def most_changed(first: pd.DataFrame, last: pd.DataFrame, most: int) -> NDArray[np.int64]:
    """Rows of the classes, ``most`` of them, whose NLL differs most between two tables of the same classes."""
    change = (last["nll"] - first["nll"]).abs().fillna(0.0).to_numpy()
    return np.sort(np.argsort(-change, kind="stable")[:most])


def _sums(index: NDArray[np.int64], values: Array, prediction: Prediction) -> Array:
    return sums_at(index, values, prediction.num_classes)


def _ratio(above: Array, below: Array) -> Array:
    return np.asarray(np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0))
