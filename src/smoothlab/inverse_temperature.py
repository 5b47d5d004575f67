"""The inverse temperature at which logits fit labels best, from sums of fixed size over any number of batches.

The NLL of ``beta * logits`` is convex in beta: its slope, ``E_p[z] - z_y`` with ``p = softmax(beta z)``, never falls,
since the curvature is the variance of z under p. So the slope, summed at a few values of beta, brackets its root; slope
and curvature on both sides give a cubic whose root is within 1e-3 of it in log(beta) (tested).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from smoothlab.targets import check_tensor

LOG_BETAS = tuple(number / 4 for number in range(-4, 5))
SUMS = ("slope", "curvature", "squares")
FARTHEST = -1e4  # so far below the largest logit, a class has probability 0 at every one of these betas
SMALL = 1 << 16  # logits
FEW_CLASSES = 128  # below, double precision costs nothing


def inverse_temperature_sums(
    logits: Tensor, labels: Tensor, log_betas: Sequence[float] = LOG_BETAS
) -> dict[str, Tensor]:
    """What a batch adds to the sums, by name.

    Args:
        logits: ``(..., K)`` of any float type; a class with the logit -inf takes no part.
        labels: class indices ``(...,)``, or vote distributions ``(..., K)``.
        log_betas: logarithms of the values of beta.

    Returns:
        slope, curvature, squares (of a sample's slope) and nll, each one number a beta; count, the samples that
        took part: neither those with a label outside [0, K) nor those whose label's logit is -inf, which are
        ``impossible``.
    """
    check_tensor("logits", logits, "a float tensor of shape (..., K)")
    check_tensor("labels", labels, "class indices (...) or votes (..., K)")
    classes = logits.shape[-1]
    with torch.autocast(logits.device.type, enabled=False):
        wide = torch.promote_types(logits.dtype, torch.float32)
        if classes < FEW_CLASSES and logits.device.type != "mps":  # which has no double precision
            wide = torch.float64
        logits = logits.reshape(-1, classes).to(wide)
        logits = logits - logits.amax(-1, keepdim=True)
        at_label = _at_label(logits, labels)
        counted = at_label.isfinite()
        logits = logits.clamp_min_(FARTHEST)
        squared = logits.square()
        betas = torch.tensor(log_betas, dtype=logits.dtype, device=logits.device).exp()
        together = len(betas) if logits.numel() <= SMALL else 1  # betas at once: few calls, or little memory
        sums: dict[str, list[Tensor]] = {name: [] for name in (*SUMS, "nll")}
        for some in betas.split(together):
            probabilities = torch.exp(logits * some[:, None, None])
            total = probabilities.sum(-1)
            probabilities /= total.unsqueeze(-1)
            loss = (total.log() - some[:, None] * at_label).where(counted, 0.0)
            sums["nll"].append(loss.sum(-1))
            mean = torch.linalg.vecdot(probabilities, logits)
            slope = (mean - at_label).where(counted, 0.0)
            variance = (torch.linalg.vecdot(probabilities, squared) - mean.square()).clamp_min(0.0)
            sums["slope"].append(slope.sum(-1))
            sums["curvature"].append(variance.where(counted, 0.0).sum(-1))
            sums["squares"].append(slope.square().sum(-1))
    return {name: torch.cat(values) for name, values in sums.items()} | {
        "count": counted.sum(),
        "impossible": (at_label == -math.inf).sum(),
    }


def _at_label(logits: Tensor, labels: Tensor) -> Tensor:
    """The label's logit ``(N,)``, for votes the expected one; not finite where there is none."""
    if labels.is_floating_point():
        votes = labels.reshape(logits.shape).to(logits.dtype)
        return torch.where(votes > 0, votes * logits, 0.0).sum(-1).masked_fill(votes[:, 0] < 0, math.nan)
    labels = labels.reshape(-1)
    inside = (labels >= 0) & (labels < logits.shape[-1])
    return logits.gather(-1, labels.where(inside, 0).long().unsqueeze(-1)).squeeze(-1).where(inside, math.nan)


def inverse_temperature(
    slope: Sequence[float], curvature: Sequence[float], squares: Sequence[float]
) -> tuple[float, float]:
    """Logarithm of the best beta, clipped to [-1, 1], and its standard error.

    The error is that of an M-estimator, ``sqrt(sum of squared slopes) / (beta * sum of curvatures)``, inf where nothing
    depends on beta; then the logarithm is 0.

    Args:
        slope: sums as of :func:`inverse_temperature_sums`, one a beta; the others likewise.
        curvature: see above.
        squares: see above.
    """
    if slope[0] >= 0.0 >= slope[-1]:
        return 0.0, math.inf
    if slope[0] >= 0.0 or slope[-1] <= 0.0:
        end = 0 if slope[0] >= 0.0 else -1
        return LOG_BETAS[end], _error(LOG_BETAS[end], curvature[end], squares[end])
    left = max(place for place, value in enumerate(slope) if value < 0.0)
    ends, width = (left, left + 1), LOG_BETAS[left + 1] - LOG_BETAS[left]
    # by log(beta): the slope's own derivative there is beta * curvature
    value = [slope[place] for place in ends]
    rise = [width * math.exp(LOG_BETAS[place]) * curvature[place] for place in ends]
    low, high = 0.0, 1.0
    for _ in range(40):
        u = (low + high) / 2
        v = 1.0 - u
        cubic = v * v * ((1 + 2 * u) * value[0] + u * rise[0]) + u * u * ((1 + 2 * v) * value[1] - v * rise[1])
        low, high = (u, high) if cubic < 0.0 else (low, u)
    log_beta = LOG_BETAS[left] + width * low
    between = [(1.0 - low) * curve[left] + low * curve[left + 1] for curve in (curvature, squares)]
    return log_beta, _error(log_beta, *between)


def _error(log_beta: float, curvature: float, squares: float) -> float:
    return math.sqrt(squares) / (math.exp(log_beta) * curvature) if curvature > 0.0 else math.inf
