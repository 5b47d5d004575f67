"""What an expected calibration error means at this many samples: even a calibrated model does not show 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from smoothlab.metrics.bins import bin_index, check_bins, sums_at, width_bins
from smoothlab.metrics.calibration_error import expected_error
from smoothlab.metrics.inputs import Array, reads
from smoothlab.metrics.prediction import Prediction

DRAW_ALL = 4096  # beyond it, sums of Bernoulli draws in a bin are taken as normal


@dataclass(frozen=True)
class ECEBias:
    """The ECE of the data beside the ECE of a perfectly calibrated model with the same confidences."""

    ece: float
    calibrated: float  # its mean over draws: the part of the ECE that chance explains
    calibrated_high: float  # its 95% quantile
    p_value: float  # share of draws with at least the ECE of the data


@reads(Prediction.of, weights=False)
def ece_bias(prediction: Prediction, *, num_bins: int = 15, draws: int = 400, seed: int = 0) -> ECEBias:
    """How much of an ECE is noise: draw labels that make the model calibrated, and take the ECE again.

    With n_b samples in a bin of confidence p, chance alone puts the accuracy sqrt(p (1 - p) / n_b) off. So
    for one and the same model ECE falls with more samples and rises with more bins; an ECE below
    ``calibrated_high`` is no evidence of miscalibration.

    Args:
        values: ``(..., K)`` probabilities or logits.
        labels: ``(...)`` class indices, or ``(..., K)`` votes, whose mode is the label.
        from_logits: whether ``values`` are logits.
        mask: ``(...)`` bools, False where a position does not count.
        num_bins: bins of equal width.
        draws: how many sets of labels are drawn.
        seed: of the draws.

    Source: Bröcker and Smith, Weather and Forecasting 2007 (consistency); Vaicenavicius et al., AISTATS 2019.
    """
    check_bins(num_bins)
    observed = expected_error(width_bins(prediction.confidence, prediction.correct, prediction.weights, num_bins))
    drawn = calibrated_eces(prediction.confidence, num_bins, draws, seed)
    p_value = (1.0 + float((drawn >= observed).sum())) / (1.0 + draws)
    return ECEBias(observed, float(drawn.mean()), float(np.quantile(drawn, 0.95)), p_value)


def calibrated_eces(confidence: Array, num_bins: int, draws: int, seed: int) -> Array:
    """(draws,) ECEs of models that are right exactly as often as they say."""
    random = np.random.default_rng(seed)
    index = bin_index(confidence, num_bins)
    if len(confidence) > DRAW_ALL:
        variance = sums_at(index, confidence * (1.0 - confidence), num_bins)
        gaps = random.standard_normal((draws, num_bins)) * np.sqrt(variance)
    else:
        member = np.zeros((len(confidence), num_bins))
        member[np.arange(len(confidence)), index] = 1.0
        right = random.random((draws, len(confidence))) < confidence
        gaps = (confidence - right) @ member
    return np.asarray(np.abs(gaps).sum(1) / len(confidence))
