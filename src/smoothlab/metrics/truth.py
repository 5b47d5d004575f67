"""How far predictions are from a posterior that is known: for synthetic data, whose truth is no estimate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.metrics.inputs import floating

CHUNK = 65_536  # rows that are looked at at once, in float64
NAMES = (
    "true_calibration_error",
    "true_squared_calibration_error",
    "true_confidence_gap",
    "true_accuracy",
    "excess_nll",
    "bayes_nll",
    "bayes_accuracy",
)


def truth_metrics(values: Any, posterior: Any, *, from_logits: bool) -> dict[str, float]:
    """Means over rows, of predictions p, the true posterior t, and the predicted class c = argmax p:

    - ``true_calibration_error``: \\|p_c - t_c\\|, in [0, 1]. It is asked row by row, so it is at least the calibration
      error that the ECE estimates, in which errors of rows with one confidence cancel.
    - ``true_squared_calibration_error``: (p_c - t_c) ** 2
    - ``true_confidence_gap``: p_c - t_c; above 0 is over-confident
    - ``true_accuracy``: t_c, the expected accuracy
    - ``excess_nll``: KL(t \\|\\| p) in nats, what the expected NLL is above that of the truth; 0 only for p = t
    - ``bayes_nll``: entropy of t in nats, the expected NLL of the truth, below which no model gets
    - ``bayes_accuracy``: max t, which no model exceeds

    None of them looks at a label, so they have no noise but that of which rows there are.

    Args:
        values: ``(N, K)`` probabilities or logits.
        posterior: ``(N, K)`` numbers >= 0 whose rows sum to 1, up to rounding.
        from_logits: whether ``values`` are logits.

    Raises:
        InvalidArgument: for other shapes, no rows, or values that are no numbers.
    """
    predicted, truth = floating("values", values), floating("posterior", posterior)
    if predicted.ndim != 2 or predicted.shape != truth.shape or not len(predicted):
        raise InvalidArgument("posterior", tuple(truth.shape), f"the shape of the values, {tuple(predicted.shape)}")
    sums = torch.zeros(len(NAMES), dtype=torch.float64)
    for p, t in zip(predicted.split(CHUNK), truth.split(CHUNK), strict=True):
        sums += _sums(p.cpu().double(), t.cpu().double(), from_logits)
    if bool(sums.isnan().any()):
        raise InvalidArgument("values", "nan", "numbers")
    return dict(zip(NAMES, (sums / len(predicted)).tolist(), strict=True))


def _sums(values: Tensor, truth: Tensor, from_logits: bool) -> Tensor:
    logs = torch.log_softmax(values, 1) if from_logits else values.log()
    truth = truth / truth.sum(1, keepdim=True)  # in float32 a row misses 1 by 1e-7, of the size of a good excess
    confidence, predicted = logs.max(1)
    of_predicted = truth.gather(1, predicted.unsqueeze(1)).squeeze(1)
    gap = confidence.exp() - of_predicted
    excess = torch.where(truth > 0, truth * (truth.log() - logs), 0).sum(1)
    entropy = torch.special.entr(truth).sum(1)
    rows = (gap.abs(), gap.square(), gap, of_predicted, excess, entropy, truth.amax(1))
    return torch.stack([row.sum() for row in rows])
