"""What calibrators are fitted to: logits and what was true, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument


@dataclass(frozen=True)
class Observed:
    """Samples that count, on the CPU in float64.

    Args:
        logits: ``(N, K)``, without nan and +inf; -inf is a class that is masked.
        labels: ``(N,)`` int64, or votes ``(N, K)`` whose rows sum to 1.
        weights: ``(N,)`` positive, summing to 1.
    """

    logits: Tensor
    labels: Tensor
    weights: Tensor

    @classmethod
    def of(cls, logits: Any, labels: Any, sample_weight: Any = None) -> Observed:
        """Check and convert.

        Args:
            logits: ``(N, K)`` with K >= 2.
            labels: ``(N,)`` class indices, or ``(N, K)`` votes: numbers >= 0 with a positive sum in each row.
            sample_weight: ``(N,)`` numbers >= 0, not all 0, or None; only their proportions count.

        Raises:
            InvalidArgument: other shapes or values, or no sample at all.
        """
        values = torch.as_tensor(logits).detach().cpu().double()
        if values.ndim != 2 or values.shape[0] < 1 or values.shape[1] < 2:
            raise InvalidArgument("logits", tuple(values.shape), "shape (N, K) with N >= 1 samples and K >= 2 classes")
        if bool((values.isnan() | (values == torch.inf)).any()) or bool((values == -torch.inf).all(1).any()):
            raise InvalidArgument("logits", "nan, +inf or a row of -inf", "numbers, and -inf for masked classes")
        known = _labels(torch.as_tensor(labels).detach().cpu(), values)
        weights = _weights(sample_weight, len(values))
        counts = weights > 0
        if not bool(counts.all()):
            values, known, weights = values[counts], known[counts], weights[counts]
        return cls(values, known, weights / weights.sum())

    @property
    def num_classes(self) -> int:
        """K."""
        return self.logits.shape[1]

    @cached_property
    def targets(self) -> Tensor:
        """``(N, K)``: the votes, or 1 at the label."""
        if self.labels.ndim == 2:
            return self.labels
        return torch.nn.functional.one_hot(self.labels, self.num_classes).double()

    @property
    def effective_samples(self) -> float:
        """How many samples of equal weight tell as much, ``1 / sum(weights**2)`` (Kish 1965); N without weights."""
        return float(1.0 / self.weights.square().sum())

    @property
    def floor(self) -> float:
        """The smallest probability that so many samples speak for: ``1 / (N + 2)``, the rule of succession.

        A class that was never seen among N samples is not impossible, and one test sample of it would cost an
        infinite log-loss.
        """
        return 1.0 / (self.effective_samples + 2.0)

    def of_label(self, values: Tensor) -> Tensor:
        """``(N,)``: of ``(N, K)`` the value at the label, of votes the mean under them."""
        if self.labels.ndim == 1:
            return values.gather(1, self.labels.unsqueeze(1)).squeeze(1)
        return torch.where(self.labels > 0, self.labels * values, 0.0).sum(1)

    def nll(self, logits: Tensor) -> float:
        """The weighted mean negative log-likelihood, in nats, of other logits ``(N, K)`` for the same samples."""
        return float(self.weights @ (torch.logsumexp(logits, 1) - self.of_label(logits)))

    def take(self, rows: Tensor) -> Observed:
        """Some of the samples, by indices or bools."""
        weights = self.weights[rows]
        return Observed(self.logits[rows], self.labels[rows], weights / weights.sum())


def _labels(labels: Tensor, logits: Tensor) -> Tensor:
    count, classes = logits.shape
    if labels.shape == (count,) and not labels.is_floating_point() and labels.dtype != torch.bool:
        labels = labels.long()
        for extreme in (int(labels.min()), int(labels.max())):
            if not 0 <= extreme < classes:
                raise InvalidArgument("labels", extreme, f"class indices in [0, {classes})")
        at_label = logits.gather(1, labels.unsqueeze(1)).squeeze(1)
    elif labels.shape == (count, classes):
        votes = labels.double()
        totals = votes.sum(1, keepdim=True)
        if not bool(((votes >= 0).all(1, keepdim=True) & (totals > 0) & totals.isfinite()).all()):
            raise InvalidArgument("labels", "a row of votes", "numbers >= 0 with a positive, finite sum")
        labels = votes / totals
        at_label = torch.where(labels > 0, logits, 0.0)
    else:
        expected = f"integers of shape ({count},), or votes of shape ({count}, {classes})"
        raise InvalidArgument("labels", f"{labels.dtype} of shape {tuple(labels.shape)}", expected)
    if bool((at_label == -torch.inf).any()):
        raise InvalidArgument("labels", "a masked class, whose logit is -inf", "classes that the model can predict")
    return labels


def _weights(sample_weight: Any, count: int) -> Tensor:
    if sample_weight is None:
        return torch.ones(count, dtype=torch.float64)
    weights = torch.as_tensor(sample_weight).detach().cpu().double()
    if weights.shape != (count,) or not bool((weights.isfinite() & (weights >= 0)).all()) or not bool(weights.sum()):
        raise InvalidArgument("sample_weight", tuple(weights.shape), f"{count} finite numbers >= 0, not all 0")
    return weights
