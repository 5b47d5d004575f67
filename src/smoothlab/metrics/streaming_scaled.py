"""The NLL after the best temperature as a torchmetrics.Metric, whose states do not grow with the data."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from smoothlab.inverse_temperature import inverse_temperature_sums
from smoothlab.metrics.scaled import LOG_BETAS, NAME, as_votes, least_nll
from smoothlab.metrics.streaming import StreamingMetric
from smoothlab.soft_labels import question_logits

CURVE = ("nll", "slope", "curvature")


class ScaledNLL(StreamingMetric):
    """``nll_scaled``: the least NLL of ``logits / T`` over the temperatures T in [0.05, 20].

    States are sums of the NLL, its slope and its curvature at 13 temperatures, which ranks add up: no logits are kept,
    and neither batches nor ranks change them. The least is within 5e-5 of that from all logits.

    Args:
        several: whether labels are ``(N, K)``, any number of them a sample, negative where unknown; one temperature is
            for all of them.
        kwargs: those of torchmetrics.Metric.

    Source: Berta, Holzmueller, Jordan and Bach, "Rethinking Early Stopping: Refine, Then Calibrate", 2025.
    """

    count: Tensor
    impossible: Tensor

    def __init__(self, several: bool = False, **kwargs: Any) -> None:
        super().__init__(True, **kwargs)
        self.several = several
        self.add_sums(**dict.fromkeys(CURVE, (len(LOG_BETAS),)), count=(1,), impossible=(1,))

    def update(self, logits: Tensor, labels: Tensor, mask: Any = None) -> None:
        """Count a batch.

        Args:
            logits: ``(..., K)``.
            labels: class indices ``(...)`` or votes ``(..., K)``; with ``several`` ``(N, K)``.
            mask: not looked at; labels themselves say what is unknown.
        """
        if not logits.numel():
            return
        if self.several:
            unasked = logits.reshape(-1) == -torch.inf
            logits, labels = question_logits(logits), as_votes(labels)
            labels = labels.masked_fill(unasked.unsqueeze(-1).to(labels.device), -1.0)
        with torch.no_grad():
            sums = inverse_temperature_sums(logits, labels, LOG_BETAS)
        for name in (*CURVE, "count", "impossible"):
            state = getattr(self, name)
            state += sums[name].to(state)

    def compute(self) -> dict[str, float]:
        """``nll_scaled`` over everything counted on all ranks; NaN where nothing was."""
        if bool(self.impossible.any()):
            return {NAME: float("inf")}
        if not bool(self.count.any()):
            return {NAME: float("nan")}
        return {NAME: least_nll(*((getattr(self, name) / self.count).tolist() for name in CURVE))}
