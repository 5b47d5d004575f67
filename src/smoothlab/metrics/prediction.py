"""Per-sample quantities that the exact metrics share, each computed once and only when it is asked for."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smoothlab.metrics.groups import scaled
from smoothlab.metrics.inputs import Array, Batch, check_finite, check_probabilities, read
from smoothlab.metrics.row_sums import row_sums


class Prediction:
    """What a model said about N samples, in float64 on the CPU, and what was true.

    The predicted class is the first of the most probable ones; its probability is the confidence.
    """

    def __init__(self, batch: Batch) -> None:
        dtype = batch.values.dtype
        values = batch.values.cpu().double()
        if batch.from_logits:
            self.log_probabilities = torch.log_softmax(values, 1)
            check_finite(bool(self.log_probabilities[:, 0].isnan().any()))
            self.probabilities = self.log_probabilities.exp()
        else:
            lowest, worst = float(values.min()), float((values.sum(1) - 1.0).abs().max())
            check_probabilities(lowest, worst, dtype)
            self.probabilities = values
            self.log_probabilities = values.log()
        self.labels = batch.labels.cpu()
        self.votes = None if batch.votes is None else batch.votes.cpu()
        self.weights: Array = np.ones(len(batch)) if batch.weights is None else scaled(batch.weights)

    @classmethod
    def of(
        cls, values: Any, labels: Any, *, from_logits: bool, sample_weight: Any = None, mask: Any = None
    ) -> Prediction:
        """Read the arguments of a metric (see :func:`smoothlab.metrics.inputs.read`); what was read stays as it is."""
        if isinstance(values, ReducedPrediction):
            return values
        return cls(read(values, labels, from_logits=from_logits, sample_weight=sample_weight, mask=mask))

    @property
    def num_classes(self) -> int:
        """K."""
        return self.probabilities.shape[1]

    @cached_property
    def predicted(self) -> Tensor:
        """(N,) the most probable class; the first one of equals."""
        return torch.from_numpy(self.probabilities.numpy().argmax(1))  # vectorised, where torch's is not

    @cached_property
    def confidence(self) -> Array:
        """(N,) the probability of the predicted class."""
        return self.probabilities.amax(1).clamp(max=1.0).numpy()

    @cached_property
    def correct(self) -> Array:
        """(N,) 1.0 where the predicted class is the label."""
        return (self.predicted == self.labels).double().numpy()

    @cached_property
    def nll(self) -> Array:
        """(N,) cross-entropy of the votes, or minus the log-probability of the label."""
        if self.votes is None:
            return -self.log_probabilities.gather(1, self.labels[:, None])[:, 0].numpy()
        voted = self.votes > 0  # 0 * log 0 is 0
        return -torch.where(voted, self.votes * self.log_probabilities, 0.0).sum(1).numpy()

    @cached_property
    def brier(self) -> Array:
        """(N,) squared distance of the probabilities from the votes, or from the label's one-hot row."""
        if self.votes is not None:
            return (self.probabilities - self.votes).square().sum(1).numpy()
        own = self.probabilities.gather(1, self.labels[:, None])[:, 0]
        squares: Tensor = torch.linalg.vecdot(self.probabilities, self.probabilities)
        return (squares - own.square() + (1.0 - own).square()).clamp(min=0.0).numpy()

    @cached_property
    def targets(self) -> Tensor:
        """(N, K) the votes, or one-hot labels."""
        return self.outcomes if self.votes is None else self.votes

    @cached_property
    def outcomes(self) -> Tensor:
        """(N, K) 1.0 at the label; for votes at their mode."""
        return torch.zeros_like(self.probabilities).scatter_(1, self.labels[:, None], 1.0)

    def tempered(self, beta: float) -> Prediction:
        """The same of ``softmax(beta * log p)``: after the temperature ``1 / beta``, which is above 0."""
        made = copy(self)
        for name in [name for name, part in vars(Prediction).items() if isinstance(part, cached_property)]:
            made.__dict__.pop(name, None)
        made.log_probabilities = torch.log_softmax(beta * self.log_probabilities, 1)
        made.probabilities = made.log_probabilities.exp()
        return made

    def mean(self, per_sample: Array) -> float:
        """Weighted mean of (N,) numbers."""
        return float(np.dot(self.weights, per_sample) / self.weights.sum()) + 0.0  # and never -0.0


class ReducedPrediction(Prediction):
    """What is left of a prediction where N x K probabilities are too many to keep: a few numbers a sample.

    Metrics, intervals and figures of the predicted class take it in place of values, with None for labels; those by
    class need the probabilities.

    Args:
        confidence: (N,) the probability of the predicted class.
        correct: (N,) 1.0 where it is the label.
        nll: (N,) minus the log-probability of the label.
        brier: (N,) squared distance of the probabilities from the label's one-hot row.
    """

    def __init__(self, confidence: Array, correct: Array, nll: Array, brier: Array) -> None:
        self.confidence, self.correct, self.nll, self.brier = confidence, correct, nll, brier
        self.weights = np.ones(len(confidence))

    def part(self, index: Any) -> ReducedPrediction:
        """Some of the samples."""
        return ReducedPrediction(self.confidence[index], self.correct[index], self.nll[index], self.brier[index])


def reduce_rows(values: Any, labels: Any, *, from_logits: bool) -> dict[str, Array]:
    """What :class:`ReducedPrediction` keeps of ``(N, K)`` values, by name, and ``predicted`` (N,).

    Raises:
        InvalidArgument: NaN, a label outside [0, K), rows that are no distributions.
    """
    batch = read(values, labels, from_logits=from_logits)
    reduced = row_sums(batch, edge=2.0)  # beyond every probability: no entry is listed
    correct = (reduced.predicted == batch.labels.cpu().numpy()).astype(np.float64)
    columns = {"confidence": reduced.confidence, "correct": correct, "nll": reduced.nll, "brier": reduced.brier}
    return columns | {"predicted": reduced.predicted}
