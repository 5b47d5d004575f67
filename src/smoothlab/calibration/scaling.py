"""Vector, matrix and Dirichlet calibration: an affine map of the logits, or of the log-probabilities."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from smoothlab.calibration.affine import LOG_FLOOR, Affine, check_regularisation, fit_affine
from smoothlab.calibration.calibrator import Calibrator
from smoothlab.calibration.observed import Observed
from smoothlab.errors import InvalidArgument


class AffineCalibrator(Calibrator):
    """What the three have in common: weights and biases, regularised.

    Args:
        regularisation: a number >= 0, or ``auto``: chosen by five-fold cross-validation within the fitted samples;
            see :func:`smoothlab.calibration.affine.fit_affine` for the penalty.

    Raises:
        InvalidArgument: another regularisation.
    """

    learned = ("weight", "bias")
    full: bool
    weight: Tensor
    bias: Tensor

    def __init__(self, regularisation: float | str = "auto") -> None:
        super().__init__()
        self.regularisation = check_regularisation(regularisation)
        self.used: float | None = None  # what auto chose
        self._learn(weight=torch.empty(0), bias=torch.empty(0))

    def inputs(self, logits: Tensor) -> Tensor:
        """What the affine map is applied to, without -inf."""
        lowest = logits.masked_fill(logits == -torch.inf, torch.inf).amin(-1, keepdim=True)
        return torch.where(logits == -torch.inf, lowest, logits)

    def forward(self, logits: Tensor) -> Tensor:
        """See :class:`Calibrator`; a class of logit -inf keeps it.

        Raises:
            InvalidArgument: not fitted, or logits of another number of classes.
        """
        weight, bias = self._fitted("weight", logits), self._fitted("bias", logits)
        if logits.shape[-1] != len(bias):
            raise InvalidArgument("logits", tuple(logits.shape), f"{len(bias)} classes, as fitted")
        return Affine(weight, bias)(self.inputs(logits)).masked_fill(logits == -torch.inf, -torch.inf)

    def settings(self) -> dict[str, Any]:
        """See :class:`Calibrator`."""
        return {"regularisation": self.regularisation}

    def summary(self) -> dict[str, Any]:
        """See :class:`Calibrator`."""
        return {} if self.used is None else {"regularisation": self.used}

    def _fit(self, observed: Observed) -> None:
        inputs = self.inputs(observed.logits)
        affine, self.used = fit_affine(inputs, observed, full=self.full, regularisation=self.regularisation)
        self._learn(weight=affine.weight, bias=affine.bias)


class VectorScaling(AffineCalibrator):
    """``w * logits + b``: a factor and a bias for each class. With two classes it is Platt's sigmoid.

    Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017; Platt,
        "Probabilistic Outputs for Support Vector Machines", 1999.
    """

    full = False


class MatrixScaling(AffineCalibrator):
    """``W @ logits + b`` with a full ``(K, K)`` matrix: K * (K + 1) numbers, which need many samples.

    Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017; regularised off the
        diagonal (ODIR) by Kull et al., NeurIPS 2019.
    """

    full = True


class Dirichlet(AffineCalibrator):
    """``W @ log p + b`` with p the softmax of the logits: calibrates any probabilities, whatever made them.

    Log-probabilities below -36 (float64's epsilon) count as -36.

    Source: Kull et al., "Beyond temperature scaling: Obtaining well-calibrated multiclass probabilities with Dirichlet
        calibration", NeurIPS 2019.
    """

    full = True

    def inputs(self, logits: Tensor) -> Tensor:
        """Log-probabilities."""
        return torch.log_softmax(logits, -1).clamp(min=LOG_FLOOR)
