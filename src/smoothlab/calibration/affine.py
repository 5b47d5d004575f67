"""The convex fit behind vector, matrix and Dirichlet calibration: weights and biases of the smallest penalised NLL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from smoothlab.calibration.observed import Observed
from smoothlab.calibration.temperature import optimal_temperature
from smoothlab.numbers import check_number

GRID = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # what regularisation: auto chooses from
FOLDS = 5
FEWEST_ROWS = 2 * FOLDS
EXACT = {"maxiter": 2000, "maxfun": 4000, "ftol": 1e-14, "gtol": 1e-9, "maxcor": 30}
ROUGH = {"maxiter": 100, "maxfun": 200, "ftol": 1e-8, "gtol": 1e-5, "maxcor": 10}  # to choose a regularisation
LOG_FLOOR = -36.04365338911715  # log of float64's epsilon: below, a log-probability says nothing but "never"


@dataclass(frozen=True)
class Affine:
    """``weight @ x + bias``: weight ``(K, K)``, or ``(K,)`` for one a class; bias ``(K,)``."""

    weight: Tensor
    bias: Tensor

    def __call__(self, inputs: Tensor) -> Tensor:
        """Logits of inputs ``(N, K)``."""
        if self.weight.ndim == 1:
            return inputs * self.weight + self.bias
        return inputs @ self.weight.T + self.bias


def fit_affine(inputs: Tensor, observed: Observed, *, full: bool, regularisation: float | str) -> tuple[Affine, float]:
    """The affine map of the smallest penalised mean NLL, and the regularisation that was used.

    The penalty is ``regularisation * (mean of squared off-diagonal weights + mean of squared biases + mean of squared
    differences of the diagonal to 1/T)``: the first two are ODIR; the third, a hundredth as strong, draws to the plain
    temperature T, so that there is an optimum where classes are separable.

    Args:
        inputs: ``(N, K)`` finite.
        observed: the samples.
        full: whether classes see each other's inputs, or each its own alone.
        regularisation: a number >= 0, or ``auto``: the one of ``GRID`` with the smallest NLL in five-fold
            cross-validation (folds by row number); with fewer than ten rows the largest.

    Source: Kull et al., "Beyond temperature scaling: Obtaining well-calibrated multiclass probabilities with Dirichlet
        calibration", NeurIPS 2019.
    """
    start = 1.0 / optimal_temperature(Observed(inputs, observed.labels, observed.weights))
    if regularisation == "auto":
        regularisation = _chosen(inputs, observed, full, start)
    fitted = _minimum(inputs, observed, full, float(regularisation), start)
    return fitted, float(regularisation)


def check_regularisation(value: object) -> float | str:
    """A number >= 0, or ``auto``.

    Raises:
        InvalidArgument: anything else.
    """
    if value == "auto":
        return "auto"
    return check_number("regularisation", value, "a finite number >= 0, or auto", at_least=0)


def _chosen(inputs: Tensor, observed: Observed, full: bool, start: float) -> float:
    count = len(inputs)
    if count < FEWEST_ROWS:
        return GRID[-1]
    fold = torch.arange(count) % FOLDS
    scores = dict.fromkeys(reversed(GRID), 0.0)
    for held_out in range(FOLDS):
        fitting, left = fold != held_out, fold == held_out
        fitted, judged, affine = observed.take(fitting), observed.take(left), None
        for regularisation in scores:  # the strongest first: its neighbour's optimum is not far
            affine = _minimum(inputs[fitting], fitted, full, regularisation, start, begin=affine, options=ROUGH)
            scores[regularisation] += judged.nll(affine(inputs[left])) * float(observed.weights[left].sum())
    return min(scores, key=lambda strength: scores[strength])


def _minimum(
    inputs: Tensor,
    observed: Observed,
    full: bool,
    regularisation: float,
    start: float,
    begin: Affine | None = None,
    options: Mapping[str, float] = EXACT,
) -> Affine:
    """By L-BFGS, from the temperature alone or from another optimum; the problem is convex."""
    classes = inputs.shape[1]
    targets, weights = observed.targets, observed.weights.unsqueeze(1)
    diagonal = torch.eye(classes, dtype=torch.bool) if full else torch.ones(classes, dtype=torch.bool)
    origin = torch.where(diagonal, start, 0.0).double()
    strength = torch.where(diagonal, 0.01 / classes, 1.0 / max(1, classes * (classes - 1))).double()

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        values = torch.from_numpy(flat)
        weight, bias = values[:-classes].reshape(origin.shape), values[-classes:]
        logits = Affine(weight, bias)(inputs)
        log_p = torch.log_softmax(logits, 1)
        residual = (log_p.exp() - targets) * weights
        off = weight - origin
        loss = -(weights * targets * log_p).sum()
        penalty = (strength * off.square()).sum() + bias.square().mean()
        slope = residual.T @ inputs if full else (residual * inputs).sum(0)
        slope = slope + 2 * regularisation * strength * off
        of_bias = residual.sum(0) + 2 * regularisation * bias / classes
        gradient = torch.cat([slope.reshape(-1), of_bias]).numpy()
        return float(loss + regularisation * penalty), gradient

    begin = begin or Affine(origin, torch.zeros(classes, dtype=torch.float64))
    first = torch.cat([begin.weight.reshape(-1), begin.bias]).numpy()
    solution = torch.from_numpy(minimize(objective, first, jac=True, method="L-BFGS-B", options=dict(options)).x)
    return Affine(solution[:-classes].reshape(origin.shape).clone(), solution[-classes:].clone())
