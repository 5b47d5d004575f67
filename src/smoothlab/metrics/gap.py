"""The signed confidence gap: whether a model claims more than it knows, or less."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch

from smoothlab.metrics.bins import Scheme, reliability_bins, sums_at
from smoothlab.metrics.prediction import Prediction
from smoothlab.numbers import check_choice


def confidence_gap(
    values: Any, labels: Any, *, from_logits: bool, sample_weight: Any = None, mask: Any = None
) -> float:
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
    told = Prediction.of(values, labels, from_logits=from_logits, sample_weight=sample_weight, mask=mask)
    return told.mean(told.confidence - told.correct)


def confidence_gap_per_bin(
    values: Any,
    labels: Any,
    *,
    from_logits: bool,
    sample_weight: Any = None,
    mask: Any = None,
    num_bins: int = 15,
    scheme: Scheme = "width",
) -> torch.Tensor:
    """(B,) mean confidence less accuracy in each bin, NaN if empty; arguments as in ``reliability_bins``."""
    bins = reliability_bins(
        values,
        labels,
        from_logits=from_logits,
        sample_weight=sample_weight,
        mask=mask,
        num_bins=num_bins,
        scheme=scheme,
    )
    return torch.from_numpy(bins.confidence - bins.accuracy)


def confidence_gap_per_class(
    values: Any,
    labels: Any,
    *,
    from_logits: bool,
    sample_weight: Any = None,
    mask: Any = None,
    by: Literal["predicted", "label"] = "predicted",
) -> torch.Tensor:
    """(K,) mean confidence less accuracy among the samples of each class, NaN for a class without samples.

    Arguments as in :func:`confidence_gap`; ``by="predicted"`` groups samples by the class that the model
    names (what a user of the model sees), ``by="label"`` by the true one.
    """
    told = Prediction.of(values, labels, from_logits=from_logits, sample_weight=sample_weight, mask=mask)
    check_choice("by", by, ("predicted", "label"))
    classes = (told.predicted if by == "predicted" else told.labels).numpy()
    gaps = sums_at(classes, told.weights * (told.confidence - told.correct), told.num_classes)
    count = sums_at(classes, told.weights, told.num_classes)
    return torch.from_numpy(np.where(count > 0, gaps / np.where(count > 0, count, 1.0), np.nan))
