"""Scores after the best temperature: what is left once a model is calibrated, and how much that takes away."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from smoothlab.metrics.inputs import reads
from smoothlab.metrics.prediction import Prediction

NAME = "nll_scaled"
LOG_BETAS = tuple(number / 2 for number in range(-6, 7))  # of the inverse temperature: temperatures of 0.05 to 20
FINE = 2001  # places between two of them at which the curve is looked at


class ScoreParts(NamedTuple):
    """``score = refinement + calibration``."""

    refinement: float  # the score after the temperature of the least NLL, >= 0
    calibration: float  # what this temperature takes away; of the NLL >= 0


@reads(Prediction.of)
def score_parts(prediction: Prediction) -> dict[str, ScoreParts]:
    """``nll`` and ``brier``, each as refinement and calibration.

    Both are after the temperature in [0.05, 20] of the least NLL on these very samples, so that a temperature fitted
    elsewhere does a little worse, and the calibration part of the Brier score may be slightly negative. An NLL that no
    temperature makes finite has infinite refinement.

    Arguments as in :func:`smoothlab.metrics.nll`.

    Source: Berta, Holzmueller, Jordan and Bach, "Rethinking Early Stopping: Refine, Then Calibrate", 2025.
    """
    from scipy.optimize import minimize_scalar

    nll, brier = prediction.mean(prediction.nll), prediction.mean(prediction.brier)
    if not math.isfinite(nll):
        return {"nll": ScoreParts(nll, 0.0), "brier": ScoreParts(brier, 0.0)}

    def tempered(log_beta: float) -> Prediction:
        return prediction.tempered(math.exp(log_beta))

    def loss(log_beta: float) -> float:
        made = tempered(log_beta)
        return made.mean(made.nll)

    ends = LOG_BETAS[0], LOG_BETAS[-1]
    inside = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-6}).x
    best = tempered(min((*ends, 0.0, float(inside)), key=loss))
    refined = {"nll": best.mean(best.nll), "brier": best.mean(best.brier)}
    return {name: ScoreParts(refined[name], score - refined[name]) for name, score in (("nll", nll), ("brier", brier))}


def least_nll(nll: Sequence[float], slope: Sequence[float], curvature: Sequence[float]) -> float:
    """The least of a curve over ``LOG_BETAS`` from its sums there, see ``inverse_temperature_sums``.

    The NLL is convex in beta; where its slope changes sign, a polynomial of degree five through value, slope and
    curvature at both sides is within 5e-5 of it (tested).
    """
    beta = np.exp(LOG_BETAS)
    value, first = np.asarray(nll), beta * np.asarray(slope)
    second = first + beta**2 * np.asarray(curvature)  # by log(beta)
    rising = np.flatnonzero(first >= 0)
    place = int(rising[0]) - 1 if len(rising) else -1
    if place < 0:
        return float(value.min())
    ends, width = [place, place + 1], LOG_BETAS[place + 1] - LOG_BETAS[place]
    (f0, f1), (d0, d1), (c0, c1) = value[ends], width * first[ends], width**2 * second[ends]
    powers = [
        6 * (f1 - f0) - 3 * (d0 + d1) - (c0 - c1) / 2,
        -15 * (f1 - f0) + 8 * d0 + 7 * d1 + 1.5 * c0 - c1,
        10 * (f1 - f0) - 6 * d0 - 4 * d1 - 1.5 * c0 + c1 / 2,
        c0 / 2,
        d0,
        f0,
    ]
    return float(np.polyval(powers, np.linspace(0.0, 1.0, FINE)).min())


def as_votes(labels: torch.Tensor) -> torch.Tensor:
    """Labels ``(N, K)`` in [0, 1] as votes ``(N * K, 2)`` for "absent" and "present"; those below 0 stay unknown."""
    present = labels.reshape(-1).double()
    votes = torch.stack([1 - present, present], -1)
    return votes.masked_fill((present < 0).unsqueeze(-1), -1.0)
