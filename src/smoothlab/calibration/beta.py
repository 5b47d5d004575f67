"""Beta calibration, of two classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from torch import Tensor

from smoothlab.calibration.affine import LOG_FLOOR
from smoothlab.calibration.calibrator import Calibrator
from smoothlab.calibration.observed import Observed
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number


class Beta(Calibrator):
    """``logit p' = a log p - b log(1 - p) + c`` with a, b >= 0 and p the probability of the second of two classes.

    ``a = b = 1, c = 0`` is the identity, which a sigmoid in p is unable to be. With a = b it scales and shifts logits.

    Args:
        regularisation: weight of ``(a - 1)**2 + (b - 1)**2 + c**2`` beside the mean NLL, a number >= 0; a small one
            gives separable samples an optimum.

    Raises:
        InvalidArgument: another regularisation; on fitting, other than two classes.

    Source: Kull, Silva Filho and Flach, "Beta calibration: a well-founded and easily implemented improvement on
        logistic calibration for binary classifiers", AISTATS 2017 (the three-parameter form "abm").
    """

    learned = ("coefficients",)
    coefficients: Tensor  # a, b, c

    def __init__(self, regularisation: float = 1e-4) -> None:
        super().__init__()
        self.regularisation = check_number("regularisation", regularisation, at_least=0)
        self._learn(coefficients=torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64))

    def forward(self, logits: Tensor) -> Tensor:
        """See :class:`Calibrator`.

        Raises:
            InvalidArgument: other than two classes.
        """
        _check_two(logits.shape)
        log_p = torch.log_softmax(logits, -1).clamp(min=LOG_FLOOR)
        a, b, c = self._fitted("coefficients", logits).unbind()
        second = a * log_p[..., 1:] - b * log_p[..., :1] + c
        return torch.cat([torch.zeros_like(second), second], -1)

    def settings(self) -> dict[str, Any]:
        """See :class:`Calibrator`."""
        return {"regularisation": self.regularisation}

    def summary(self) -> dict[str, Any]:
        """See :class:`Calibrator`."""
        return dict(zip("abc", self.coefficients.tolist(), strict=True))

    def _fit(self, observed: Observed) -> None:
        _check_two(observed.logits.shape)
        log_p = torch.log_softmax(observed.logits, 1).clamp(min=LOG_FLOOR).numpy()
        features = np.column_stack([log_p[:, 1], -log_p[:, 0], np.ones(len(log_p))])
        share, weights = observed.targets[:, 1].numpy(), observed.weights.numpy()
        identity = np.array([1.0, 1.0, 0.0])

        def objective(values: np.ndarray) -> tuple[float, np.ndarray]:
            score, off = features @ values, values - identity
            loss = -weights @ (share * log_expit(score) + (1 - share) * log_expit(-score))
            slope = features.T @ (weights * (expit(score) - share))
            return loss + self.regularisation * off @ off, slope + 2 * self.regularisation * off

        bounds = [(0.0, None), (0.0, None), (None, None)]
        options = {"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-10}
        solution = minimize(objective, identity, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
        self._learn(coefficients=torch.from_numpy(solution))


def _check_two(shape: torch.Size) -> None:
    if shape[-1] != 2:
        raise InvalidArgument("logits", tuple(shape), "two classes; with more take Dirichlet, its generalisation")
