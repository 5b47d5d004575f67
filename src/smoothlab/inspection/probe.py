"""The samples that a smoother is asked about, with a model that is made up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from smoothlab.data.batch import Batch
from smoothlab.data.module import DataModule
from smoothlab.step import SEQUENCE, Step

CELLS = 1 << 20  # samples times classes that are asked about at once
MOST_ROWS = 8192
USUAL = 0.9  # confidence of the model where one is enough
SURE = 0.999  # the most confident model of the sweep
SWEEP = 33


@dataclass(frozen=True, eq=False)
class Probe:
    """Rows of the training data, the same share of each class, and how many rows each of them stands for.

    All rows where they and their classes are few; else at least one row of each of the largest classes, evenly spaced,
    or whole sequences of tokens, where a strategy looks at what stands around one.
    A model that is made up gives the class of the label a confidence, and the other classes the rest in equal parts.

    Args:
        labels: ``(N,)`` class indices or ``(N, K)`` votes.
        classes: ``(N,)`` the label's class; of votes the most frequent.
        weights: ``(N,)`` training rows that each row stands for.
        num_classes: K.
        num_rows: of the training data.
        source: ``rows``, ``metadata`` and ``features`` of :class:`~smoothlab.step.Step`.
    """

    labels: Tensor
    classes: Tensor
    weights: Tensor
    num_classes: int
    num_rows: int
    source: Mapping[str, Any]

    @classmethod
    def of(cls, batch: Batch, num_classes: int, *, mixed: bool = False, whole_sequences: bool = False) -> Probe:
        """A probe of the training samples; ``mixed`` where samples are mixed, so that none is a row of the data."""
        classes = batch.labels.argmax(-1) if batch.labels.is_floating_point() else batch.labels
        sequence = batch.metadata.get(SEQUENCE) if whole_sequences else None
        index, weights = _choose(classes, num_classes) if sequence is None else _choose_whole(sequence, num_classes)
        rows = batch.take(index)
        source: dict[str, Any] = {"features": rows.features}
        if not mixed:
            source |= {"rows": rows.rows, "metadata": rows.metadata}
        return cls(rows.labels, classes[index], weights, num_classes, len(batch), source)

    @property
    def is_whole(self) -> bool:
        """Whether every training row is in it."""
        return len(self.classes) == self.num_rows

    def confidences(self) -> Tensor:
        """The sweep from a model that knows nothing, 1/K, to one that is sure: a value in (0, 1) a row."""
        levels = torch.linspace(1 / self.num_classes, SURE, SWEEP, dtype=torch.float64)
        return levels[torch.arange(len(self.classes)) % SWEEP]

    def step(self, progress: float, confidence: float | Tensor | None = None, *, right: bool = True) -> Step:
        """The probe as a training step.

        Args:
            progress: share of the training, in [0, 1].
            confidence: of the model in the class that it chooses: one, or one a row; by default the sweep.
            right: whether it chooses the label's class, or the class after it.
        """
        if confidence is None:
            confidence = self.confidences()
        logits = torch.zeros(len(self.classes), self.num_classes, dtype=torch.float64)
        if self.num_classes > 1:
            chosen = self.classes if right else (self.classes + 1) % self.num_classes
            sure = torch.as_tensor(confidence, dtype=torch.float64).expand(len(self.classes))
            gap = torch.log(sure / (1 - sure)) + math.log(self.num_classes - 1)
            logits.scatter_(1, chosen.unsqueeze(1), gap.unsqueeze(1))
        return Step(self.labels, logits, progress, **self.source)

    def mean(self, values: Tensor) -> float:
        """The mean over the training rows that the probe stands for."""
        return float((values.double() * self.weights).sum() / self.weights.sum())


def samples_of(data: DataModule) -> Batch:
    """The training samples; the first ones of data that are not in memory."""
    return data.split("train") if hasattr(data, "split") else data.first(MOST_ROWS)


def _budget(num_classes: int) -> int:
    """Rows that are asked about at most."""
    return min(MOST_ROWS, max(64, CELLS // num_classes))


def _choose_whole(sequence: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """The same of tokens whose sequences are taken whole, evenly spaced; one of them at least."""
    numbers, place = sequence.unique_consecutive(return_inverse=True)
    wanted = max(1, min(len(numbers), _budget(num_classes) * len(numbers) // max(len(sequence), 1)))
    taken = torch.zeros(len(numbers), dtype=torch.bool)
    taken[torch.arange(wanted) * len(numbers) // wanted] = True
    index = taken[place].nonzero().squeeze(1)
    return index, torch.full((len(index),), len(sequence) / len(index), dtype=torch.float64)


def _choose(classes: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Positions of the probe's rows, and how many rows each stands for."""
    budget = _budget(num_classes)
    if len(classes) <= budget:
        return torch.arange(len(classes)), torch.ones(len(classes), dtype=torch.float64)
    counts = torch.bincount(classes, minlength=num_classes)
    largest = counts.argsort(descending=True, stable=True)[:budget]
    order = classes.argsort(stable=True)
    ends = counts.cumsum(0)
    index, weights = [], []
    chosen = sorted(largest[counts[largest] > 0].tolist())
    for k in chosen:
        count = int(counts[k])
        taken = min(count, 1 + (budget - len(chosen)) * count // len(classes))
        start = int(ends[k]) - count
        index.append(order[start + torch.arange(taken) * count // taken])
        weights.append(torch.full((taken,), count / taken, dtype=torch.float64))
    return torch.cat(index), torch.cat(weights)
