"""What a rival is fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Samples of one label each, or of several.

    Args:
        features: encoded, ``(N, F)``.
        labels: class indices ``(N,)``; of several labels ``(N, K)``: 1, 0, a share, or negative where unknown.
        weights: what each counts ``(N,)``; None: all the same.
    """

    features: Tensor
    labels: np.ndarray
    weights: np.ndarray | None = None

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, weights: Tensor | None = None) -> Rows:
        """Samples as data modules give them; a row that people voted on becomes one for each class with votes.

        Args:
            features: ``(N, F)``.
            labels: class indices ``(N,)``, or votes ``(N, K)``, of which a row's shares are the weights of its copies.
            weights: ``(N,)`` or None.
        """
        if labels.ndim == 1:
            return cls(features, labels.numpy(), None if weights is None else weights.double().numpy())
        row, label = labels.nonzero(as_tuple=True)
        shares = labels.double()[row, label] / labels.double().sum(1)[row]
        return cls(
            features[row], label.numpy(), (shares if weights is None else shares * weights.double()[row]).numpy()
        )

    def only(self, classes: np.ndarray) -> Rows:
        """Those whose label is one of ``classes``."""
        there = np.isin(self.labels, classes)
        if there.all():
            return self
        weights = None if self.weights is None else self.weights[there]
        return Rows(self.features[torch.from_numpy(there)], self.labels[there], weights)
