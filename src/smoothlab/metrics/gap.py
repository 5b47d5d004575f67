"""The signed confidence gap: whether a model claims more than it knows, or less."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from smoothlab.metrics.bins import Scheme, binned, sums_at
from smoothlab.metrics.inputs import reads
from smoothlab.metrics.prediction import Prediction
from smoothlab.numbers import check_choice


@reads(Prediction.of)
def confidence_gap(prediction: Prediction) -> float:
    """Mean confidence less accuracy, in [-1, 1]: above 0 is over-confident, below 0 under-confident.

    Too much label smoothing makes it negative, which ECE shows as an error without a sign. Its size is a
    lower bound of every binned ECE of the same predictions.

    Args:
        values: ``(..., K)`` probabilities or logits.
        labels: ``(...)`` class indices, or ``(..., K)`` votes, whose mode is the label.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0.
        mask: ``(...)`` bools, False where a position does not count.
    """
    return prediction.mean(prediction.confidence - prediction.correct)


@reads(Prediction.of)
def confidence_gap_per_bin(prediction: Prediction, *, num_bins: int = 15, scheme: Scheme = "width") -> torch.Tensor:
    """(B,) mean confidence less accuracy in each bin, NaN if empty; arguments as in ``reliability_bins``."""
    bins = binned(prediction, num_bins, scheme)
    return torch.from_numpy(bins.confidence - bins.accuracy)


@reads(Prediction.of)
def confidence_gap_per_class(
    prediction: Prediction, *, by: Literal["predicted", "label"] = "predicted"
) -> torch.Tensor:
    """(K,) mean confidence less accuracy among the samples of each class, NaN for a class without samples.

    Arguments as in :func:`confidence_gap`; ``by="predicted"`` groups samples by the class that the model
    names (what a user of the model sees), ``by="label"`` by the true one.
    """
    check_choice("by", by, ("predicted", "label"))
    classes = (prediction.predicted if by == "predicted" else prediction.labels).numpy()
    gaps = sums_at(classes, prediction.weights * (prediction.confidence - prediction.correct), prediction.num_classes)
    count = sums_at(classes, prediction.weights, prediction.num_classes)
    return torch.from_numpy(np.where(count > 0, gaps / np.where(count > 0, count, 1.0), np.nan))
