"""Proper scores: negative log-likelihood, the Brier score and its parts; and sharpness, without labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from smoothlab.metrics.bins import bin_index, check_bins, sums_at
from smoothlab.metrics.inputs import read, reads
from smoothlab.metrics.prediction import Prediction


@reads(Prediction.of)
def nll(prediction: Prediction) -> float:
    """Negative log-likelihood in nats, in [0, inf]; 0 is best.

    mean_i of -log p_i[y_i]; for votes q the cross-entropy -sum_k q_k log p_k. Labels are never smoothed here.

    Args:
        values: ``(..., K)`` probabilities or logits; logits stay exact where probabilities underflow.
        labels: ``(...)`` class indices, or ``(..., K)`` votes.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0.
        mask: ``(...)`` bools, False where a position does not count.

    Others: scikit-learn's log_loss clips probabilities, so that a label of probability 0 costs 36 and not
    infinity.

    Source: Good, JRSS B 1952.
    """
    return prediction.mean(prediction.nll)


@reads(Prediction.of)
def brier(prediction: Prediction) -> float:
    """Brier score, the sum form: mean_i of sum_k (p_ik - y_ik)^2, in [0, 2]; 0 is best.

    Arguments as in :func:`nll`; for votes ``y`` is their distribution.

    Others: dividing by K, or scoring only the second class or the predicted one, gives other scales;
    scikit-learn's brier_score_loss for two classes is half of this one.

    Source: Brier, Monthly Weather Review 1950.
    """
    return prediction.mean(prediction.brier)


class BrierParts(NamedTuple):
    """``brier = reliability - resolution + uncertainty + within_bins``, exactly."""

    reliability: float  # how far forecasts are from frequencies, >= 0; 0 is best
    resolution: float  # how far frequencies differ from the base rate, >= 0; more is better
    uncertainty: float  # what the labels alone bring
    within_bins: float  # what joining different forecasts in one bin leaves over; 0 where each bin has one forecast


@reads(Prediction.of)
def brier_parts(prediction: Prediction, *, num_bins: int = 15) -> BrierParts:
    """The Brier score as reliability - resolution + uncertainty, each class binned by its own probability.

    With p, o the means of forecast and outcome in bin b of class k and base rate o_k: reliability =
    sum n_kb / N (p - o)^2, resolution = sum n_kb / N (o - o_k)^2, uncertainty = sum_k o_k (1 - o_k).
    Forecasts that differ within a bin leave a remainder (their variance less twice their covariance with the
    outcome), which is returned, not hidden.

    Arguments as in :func:`nll`; votes are taken as the outcome.

    Source: Murphy, Journal of Applied Meteorology 1973; Stephenson et al., Weather and Forecasting 2008.
    """
    check_bins(num_bins)
    share = prediction.weights / prediction.weights.sum()
    reliability = resolution = uncertainty = 0.0
    for forecast, outcome in zip(prediction.probabilities.T.numpy(), prediction.targets.T.numpy(), strict=True):
        index = bin_index(forecast, num_bins)
        mass, forecasts, outcomes = (
            sums_at(index, share * part, num_bins) for part in (np.ones_like(share), forecast, outcome)
        )
        filled = mass > 0
        mass, forecasts, outcomes = mass[filled], forecasts[filled], outcomes[filled]
        base_rate = float(share @ outcome)
        reliability += float(((forecasts - outcomes) ** 2 / mass).sum())
        resolution += float((mass * (outcomes / mass - base_rate) ** 2).sum())
        uncertainty += float(share @ outcome**2) - base_rate**2
    score = prediction.mean(prediction.brier)
    return BrierParts(reliability, resolution, uncertainty, score - reliability + resolution - uncertainty)


def sharpness(values: Any, *, from_logits: bool, sample_weight: Any = None, mask: Any = None) -> float:
    """How concentrated the predictions are, whatever the labels: 1 - mean entropy / log K, in [0, 1].

    1 for one-hot predictions, 0 for uniform ones. A sharp model is good only if it is calibrated as well.

    Args:
        values: ``(..., K)`` probabilities or logits.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0.
        mask: ``(...)`` bools, False where a position does not count.

    Source: the notion, Gneiting, Balabdaoui and Raftery, JRSS B 2007; the normalised entropy is our choice of
    measure.
    """
    shape = tuple(np.shape(values) if not isinstance(values, torch.Tensor) else values.shape)
    unused = np.zeros(shape[:-1], dtype=np.int64)
    prediction = Prediction(read(values, unused, from_logits=from_logits, sample_weight=sample_weight, mask=mask))
    entropy = torch.special.entr(prediction.probabilities).sum(1).numpy()
    return 1.0 - prediction.mean(entropy) / float(np.log(prediction.num_classes))
