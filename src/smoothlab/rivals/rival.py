"""What every rival is: a module from features to logits that is fitted at once, and kept as plain tensors."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smoothlab.data.layout import Span
from smoothlab.rivals.rows import Rows

ABSENT = 0.5  # training rows that a class without any is taken to have


class Rival(nn.Module, ABC):
    """A model that stands in the place of a net and is fitted by its own method.

    Its forward is made of tensor operations alone, and what was fitted stands in buffers, so that whatever loads,
    scores, calibrates or exports a net does so with a rival. A class without training rows has the probability of half
    a row. Before it is fitted all logits are 0.

    Args:
        num_classes: K.
        spans: what the features stand for.
    """

    seen: Tensor
    absent: Tensor

    def __init__(self, num_classes: int, spans: Sequence[Span]) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.spans = list(spans)
        self.best_round = 0
        self._learn(seen=torch.zeros(0, dtype=torch.int64), absent=torch.zeros((), dtype=torch.float64))

    def fit(self, train: Rows, val: Rows, *, seed: int = 0) -> list[float]:
        """Fit to training rows, and choose by validation rows.

        Args:
            train: of which at least two classes are there.
            val: by whose NLL rounds or penalties are chosen.
            seed: of whatever is drawn.

        Returns:
            The validation NLL after each round, of which ``best_round`` (from 0) was chosen.

        Raises:
            ValueError: the rows cannot be fitted.
        """
        counts = np.bincount(train.labels, train.weights, minlength=self.num_classes)
        seen = np.flatnonzero(counts > 0)
        if len(seen) < 2:
            raise ValueError(f"the training rows have {len(seen)} class; expected two at least")
        train, val = train.only(seen), val.only(seen)
        if not len(val.labels):
            raise ValueError("no validation row has a class of the training rows; expected some to choose by")
        self._learn(
            seen=torch.from_numpy(seen), absent=torch.tensor(math.log(ABSENT / len(train.labels)), dtype=torch.float64)
        )
        history = self._fit(train, val, seed)
        self._settle()
        return history

    @abstractmethod
    def _fit(self, train: Rows, val: Rows, seed: int) -> list[float]:
        """The same, of classes that are all there; their places in ``seen`` are what ``scores`` gives."""

    @abstractmethod
    def scores(self, features: Tensor) -> Tensor:
        """Logits ``(N, S)`` in float64 of the classes that training rows had."""

    @abstractmethod
    def summary(self) -> dict[str, Any]:
        """What was fitted, in a few plain numbers, for results.json."""

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(N, K)`` in the precision of the features."""
        if not self.seen.numel():
            return features.new_zeros(len(features), self.num_classes)
        scores = self.scores(features)
        if self.seen.numel() < self.num_classes:
            absent = torch.logsumexp(scores, 1, keepdim=True) + self.absent
            scores = absent.repeat(1, self.num_classes).index_copy(1, self.seen, scores)
        return scores.to(features.dtype)

    def _learn(self, **tensors: Tensor) -> None:
        """Register buffers, or put other values into them."""
        for name, value in tensors.items():
            self.register_buffer(name, value)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """Take what was fitted in whatever size it has."""
        for name, own in list(self.named_buffers(recurse=False, remove_duplicate=False)):
            given = state_dict.get(prefix + name)
            if isinstance(given, Tensor) and given.shape != own.shape:
                self.register_buffer(name, given.new_empty(given.shape, dtype=own.dtype, device=own.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)
        self._settle()

    def _settle(self) -> None:
        """Take what a graph needs as plain numbers out of the buffers."""
