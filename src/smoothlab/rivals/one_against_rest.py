"""A rival for several labels a sample: a model of two classes for each label."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smoothlab.data.layout import Span
from smoothlab.errors import InvalidArgument
from smoothlab.rivals.rival import ABSENT, Rival
from smoothlab.rivals.rows import Rows


class OneAgainstRest(Rival):
    """A rival of its own for each label, that says whether the label is present; the logits go through a sigmoid.

    Each is fitted to the rows whose label is known, and chosen by such validation rows; a share counts as that part of
    a row with the label and the rest of one without. A label that is in all training rows or in none has no model: its
    logit is that of half a row of the other kind.

    Args:
        num_classes: labels, K.
        spans: what the features stand for.
        make: makes a rival of two classes.

    Source: Rifkin and Klautau, "In Defense of One-Vs-All Classification", JMLR 2004.
    """

    constants: Tensor

    def __init__(self, num_classes: int, spans: Sequence[Span], make: Callable[[], Rival]) -> None:
        super().__init__(num_classes, spans)
        self.models = nn.ModuleList(make() for _ in range(num_classes))
        self._learn(constants=torch.full((num_classes,), torch.nan, dtype=torch.float64))

    def fit(self, train: Rows, val: Rows, *, seed: int = 0) -> list[float]:
        """See :class:`Rival`; labels are ``(N, K)``: present, absent, a share, or negative where unknown.

        Returns:
            The mean of the labels' lowest validation NLL.

        Raises:
            ValueError: no label can be fitted.
        """
        history = self._fit(train, val, seed)
        self._learn(seen=torch.arange(self.num_classes))
        return history

    def _fit(self, train: Rows, val: Rows, seed: int) -> list[float]:
        losses, constants = [], torch.full((self.num_classes,), torch.nan, dtype=torch.float64)
        for label, model in enumerate(self.models):
            assert isinstance(model, Rival)
            of_train, of_val = (_rows_of(rows, label) for rows in (train, val))
            counts = np.bincount(of_train.labels, of_train.weights, minlength=2)
            if (counts > 0).all() and len(of_val.labels):
                losses.append(min(model.fit(of_train, of_val, seed=seed)))
            else:
                side = 1.0 if counts[1] > counts[0] else -1.0
                constants[label] = side * math.log(max(counts.sum(), 1.0) / ABSENT)
        if not losses:
            raise ValueError("no label is present in some training rows and absent in others; expected one at least")
        self._learn(constants=constants)
        return [float(np.mean(losses))]

    def scores(self, features: Tensor) -> Tensor:
        """Logits ``(N, K)`` in float64, of each label against its absence."""
        columns = []
        for label, model in enumerate(self.models):
            assert isinstance(model, Rival)
            if model.seen.numel():
                scores = model.scores(features)
                columns.append(scores[:, 1] - scores[:, 0])
            else:
                columns.append(self.constants[label].expand(len(features)))
        return torch.stack(columns, 1)

    def summary(self) -> dict[str, Any]:
        """See :class:`Rival`."""
        kind = type(self.models[0]).__name__
        return {"models": kind, "fitted": int(self.constants.isnan().sum()), "labels": self.num_classes}


def _rows_of(rows: Rows, label: int) -> Rows:
    """The rows whose label is known, as rows of the classes absent and present."""
    shares = torch.from_numpy(np.asarray(rows.labels, dtype=np.float64))
    if shares.ndim != 2:
        raise InvalidArgument("labels", f"shape {tuple(shares.shape)}", "several a row, of shape (N, K)")
    known = shares[:, label] >= 0
    present = shares[known, label]
    weights = None if rows.weights is None else torch.from_numpy(rows.weights)[known]
    return Rows.of(rows.features[known], torch.stack([1 - present, present], 1), weights)
