"""Logit normalisation, which restores the order of confidences after smoothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from smoothlab.calibration.calibrator import Calibrator
from smoothlab.calibration.observed import Observed
from smoothlab.calibration.temperature import optimal_temperature
from smoothlab.errors import InvalidArgument
from smoothlab.ties import ROUNDING, first_of_ties, means_of_ties

ORDERS = (1, 2, 3, 4, 5, 6, 7, 8)
PLAIN = 0  # no normalisation


class LogitNormalisation(Calibrator):
    """``z / (T * ||z||_p)`` with z the logits less their mean: for abstaining on the least confident samples.

    Smoothing suppresses the largest logit more on samples that are right than on those that are wrong, which hurts the
    order of confidences (AURC) and leaves accuracy as it is; dividing by the norm takes that back. The p of the
    smallest AURC is taken, among 1 to 8 and no normalisation at all, which is temperature scaling; T is that of the
    smallest NLL. It keeps the predicted class. Two classes have no order to restore: their normalised logits are all
    the same.

    Args:
        orders: the p to choose from, integers >= 1; no normalisation is always one of the candidates.

    Raises:
        InvalidArgument: other orders; on fitting, fewer than three classes.

    Source: Cattelan and Silva, "How to Fix a Broken Confidence Estimator: Evaluating Post-hoc Methods for Selective
        Classification with Deep Neural Networks", UAI 2024; Xia et al., "Towards Understanding Why Label Smoothing
        Degrades Selective Classification and How to Fix It", ICLR 2025.
    """

    learned = ("temperature", "order")
    temperature: Tensor
    order: Tensor

    def __init__(self, orders: Any = ORDERS) -> None:
        super().__init__()
        self.orders = tuple(orders) if isinstance(orders, list | tuple) else ()
        if not self.orders or any(isinstance(p, bool) or not isinstance(p, int) or p < 1 for p in self.orders):
            raise InvalidArgument("orders", orders, "a list of integers of at least 1")
        self._learn(temperature=torch.ones((), dtype=torch.float64), order=torch.tensor(PLAIN))
        self._order = PLAIN

    def forward(self, logits: Tensor) -> Tensor:
        """See :class:`Calibrator`."""
        return normalised(logits, self._order) / self._fitted("temperature", logits)

    def settings(self) -> dict[str, Any]:
        """See :class:`Calibrator`."""
        return {"orders": list(self.orders)}

    def summary(self) -> dict[str, Any]:
        """See :class:`Calibrator`."""
        return {"order": self._order or None, "temperature": float(self.temperature)}

    def _fit(self, observed: Observed) -> None:
        if observed.num_classes < 3:
            raise InvalidArgument("logits", tuple(observed.logits.shape), "at least three classes")
        candidates = []
        for order in (PLAIN, *self.orders):
            scaled = normalised(observed.logits, order)
            temperature = optimal_temperature(Observed(scaled, observed.labels, observed.weights))
            candidates.append((aurc(scaled / temperature, observed), order, temperature))
        _, self._order, temperature = min(candidates, key=lambda candidate: candidate[:2])
        self._learn(temperature=torch.tensor(temperature, dtype=torch.float64), order=torch.tensor(self._order))

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        super()._restore(tensors)
        self._order = int(self.order)


def normalised(logits: Tensor, order: int) -> Tensor:
    """Logits less their row's mean, over the p-norm of that; as they are for p = 0. Masked classes take no part."""
    if order == PLAIN:
        return logits
    finite = logits != -torch.inf
    filled = torch.where(finite, logits, 0.0)
    mean = filled.sum(-1, keepdim=True) / finite.sum(-1, keepdim=True).to(logits.dtype)
    centred = torch.where(finite, logits - mean, 0.0)
    largest = centred.abs().amax(-1, keepdim=True)
    safe = largest.masked_fill(largest == 0, 1)  # a power of a large logit would overflow
    norm = safe * (centred / safe).abs().pow(order).sum(-1, keepdim=True).clamp(min=1e-30).pow(1.0 / order)
    return torch.where(finite, centred / norm, -torch.inf)


def aurc(logits: Tensor, observed: Observed) -> float:
    """The area under the risk-coverage curve by the largest probability, every coverage counted alike.

    Of ties each has the mean error of them all, so that their order does not matter.
    """
    top = torch.softmax(logits, 1).max(1)
    error = 1.0 - observed.targets.gather(1, top.indices.unsqueeze(1)).squeeze(1)
    order = top.values.argsort().numpy()
    first = first_of_ties(top.values.numpy()[order], ROUNDING)
    weights = observed.weights.numpy()[order]
    _, shared = means_of_ties(first, weights, error.numpy()[order])
    falling = weights[::-1]
    risk = np.cumsum(falling * np.repeat(shared, np.diff(np.append(first, len(order))))[::-1]) / np.cumsum(falling)
    return float(falling @ risk)
