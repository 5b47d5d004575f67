"""Calibrators of labels that are each present or absent."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from smoothlab.calibration.calibrator import Calibrator
from smoothlab.calibration.observed import Observed
from smoothlab.errors import InvalidArgument


class EachAnswer(Calibrator):
    """One calibrator of two classes, absent and present, for every label of multi-label logits.

    The answers about all labels are pooled: one temperature (or curve) for all, fitted to N * K answers. The sigmoid of
    what comes out is the calibrated probability.

    Args:
        inner: a calibrator that takes two classes.
    """

    def __init__(self, inner: Calibrator) -> None:
        super().__init__()
        self.inner = inner

    def fit(self, logits: Any, labels: Any, sample_weight: Any = None) -> EachAnswer:
        """Fit to ``(N, K)`` logits and ``(N, K)`` labels in [0, 1], negative where unknown; weights ``(N,)``."""
        values, truth = torch.as_tensor(logits).detach(), torch.as_tensor(labels).detach()
        if values.ndim != 2 or values.shape != truth.shape:
            raise InvalidArgument("labels", tuple(truth.shape), f"shape {tuple(values.shape)}, as the logits")
        known = (truth >= 0) & (values != -torch.inf)
        present = truth[known].double()
        weights = None
        if sample_weight is not None:
            weights = torch.as_tensor(sample_weight).detach().reshape(-1, 1).expand(values.shape)[known]
        self.inner.fit(_questions(values[known]), torch.stack([1 - present, present], -1), weights)
        return self

    def forward(self, logits: Tensor) -> Tensor:
        """Calibrated logits ``(N, K)`` of the labels; one of -inf stays."""
        masked = logits == -torch.inf
        answers = self.inner(_questions(logits.masked_fill(masked, 0)).reshape(-1, 2))
        calibrated: Tensor = answers[:, 1] - answers[:, 0]
        return calibrated.reshape(logits.shape).masked_fill(masked, -torch.inf)

    def settings(self) -> dict[str, Any]:
        """Those of the calibrator inside."""
        return self.inner.settings()

    def summary(self) -> dict[str, Any]:
        """That of the calibrator inside."""
        return self.inner.summary()

    def to_state(self) -> dict[str, Any]:
        """That of the calibrator inside, and that it answers for each label."""
        return {**self.inner.to_state(), "each_answer": True}

    def _fit(self, observed: Observed) -> None:
        raise NotImplementedError  # its labels are another kind; see fit


def _questions(logits: Tensor) -> Tensor:
    """Logits of absent and present, ``(..., 2)``: softmax(0, z) is sigmoid(z)."""
    return torch.stack([torch.zeros_like(logits), logits], -1)
