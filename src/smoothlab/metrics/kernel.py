"""Calibration error by kernel density: the only one here that sees whole distributions, not one class at a time."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.metrics.inputs import reads
from smoothlab.metrics.prediction import Prediction
from smoothlab.numbers import check_number

Kind = Literal["canonical", "marginal", "top_label"]
CLAMP = 1e-6  # the kernels' logarithms need probabilities off 0 and 1
CELLS = 1 << 22  # pairs of samples that are held at once
GRID = np.concatenate((np.logspace(-5, -1, 15), np.linspace(0.2, 1.0, 5)))


@reads(Prediction.of, weights=False)
def ece_kde(
    prediction: Prediction, *, kind: Kind = "canonical", bandwidth: float | None = None, power: float = 1.0
) -> float:
    """Calibration error with E[label | prediction] estimated by kernels, each sample left out of its own.

    mean_i sum_k |e_ik - p_ik|^power with e_i = sum_{j != i} K(p_i; p_j) y_j / sum_{j != i} K(p_i; p_j), where K(.; p)
    is the Dirichlet density with parameters p / bandwidth + 1. In [0, 2] for power 1; 0 is best. Time grows with
    the square of N.

    Args:
        values: ``(..., K)`` probabilities or logits; probabilities are moved off 0 and 1 by 1e-6.
        labels: ``(...)`` class indices, or ``(..., K)`` votes, whose mode is the label.
        from_logits: whether ``values`` are logits.
        mask: ``(...)`` bools, False where a position does not count.
        kind: ``"canonical"``: whole distributions; ``"marginal"``: each class with a beta kernel, summed over
            classes; ``"top_label"``: the predicted class against whether it is right.
        bandwidth: of the kernel; None takes the one of 20 with the largest leave-one-out likelihood.
        power: of the distance; no root is taken.

    Others: the authors' bandwidth search divides the density by the bandwidth once more, which favours small
    ones, and answers -1 where no likelihood exceeds 1.

    Source: Popordanoska, Sayer and Blaschko, NeurIPS 2022.
    """
    if len(prediction.labels) < 2:
        raise InvalidArgument("values", len(prediction.labels), "at least two counted samples")
    p = prediction.probabilities.clamp(CLAMP, 1.0 - CLAMP)
    p = p / p.sum(1, keepdim=True)
    if kind == "canonical":
        sets = [(p, prediction.outcomes, p)]
    elif kind == "marginal":
        sets = [
            (_pair(p[:, k]), prediction.outcomes[:, k : k + 1], p[:, k : k + 1]) for k in range(prediction.num_classes)
        ]
    elif kind == "top_label":
        top = p.amax(1)
        sets = [(_pair(top), torch.from_numpy(prediction.correct)[:, None], top[:, None])]
    else:
        raise InvalidArgument("kind", kind, '"canonical", "marginal" or "top_label"')
    if bandwidth is None:
        bandwidth = kde_bandwidth(sets[0][0] if kind == "top_label" else p)
    check_number("bandwidth", bandwidth, above=0)
    return sum(_error(points, outcomes, forecasts, bandwidth, power) for points, outcomes, forecasts in sets)


def kde_bandwidth(points: Tensor) -> float:
    """The bandwidth of 20 with the largest leave-one-out likelihood of (N, K) distributions."""
    likelihoods = []
    for bandwidth in GRID:
        rows = [torch.logsumexp(logs, 1).sum() for _, logs in _log_kernels(points, float(bandwidth))]
        likelihoods.append(float(torch.stack(rows).sum()))
    return float(GRID[int(np.argmax(likelihoods))])


def _pair(probability: Tensor) -> Tensor:
    """(N, 2): the Dirichlet kernel of two classes is the beta kernel."""
    return torch.stack((probability, 1.0 - probability), 1)


def _log_kernels(points: Tensor, bandwidth: float) -> Any:
    """Row blocks of log K(p_i; p_j), -inf where i = j."""
    shape = points / bandwidth + 1.0
    normaliser = torch.lgamma(shape).sum(1) - torch.lgamma(shape.sum(1))
    logs = points.log()
    rows = max(1, CELLS // len(points))
    for start in range(0, len(points), rows):
        block = logs[start : start + rows] @ (shape - 1.0).T - normaliser
        own = torch.arange(start, start + len(block))
        block[own - start, own] = -torch.inf
        yield slice(start, start + len(block)), block


def _error(points: Tensor, outcomes: Tensor, forecasts: Tensor, bandwidth: float, power: float) -> float:
    total = 0.0
    for rows, logs in _log_kernels(points, bandwidth):
        expected = torch.softmax(logs, 1) @ outcomes
        total += float((expected - forecasts[rows]).abs().pow(power).sum())
    return total / len(points)
