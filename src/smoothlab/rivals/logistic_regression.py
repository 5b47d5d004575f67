"""Logistic regression with the penalty that validation rows choose."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from smoothlab.data.layout import Span
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number, check_whole
from smoothlab.rivals.cells import codes
from smoothlab.rivals.rival import Rival
from smoothlab.rivals.rows import Rows


class LogisticRegression(Rival):
    """Multinomial logistic regression with an L2 penalty, scikit-learn's.

    It takes the features of the encoder: numbers standardised, a 1 for the category, a 1 for "missing". Codes become
    such features too.

    Args:
        num_classes: K.
        spans: what the features stand for.
        C: inverses of the penalty's weight that are tried, each above 0; the one with the lowest validation NLL stays.
        max_iter: most steps of the solver (L-BFGS) for each of them.

    Raises:
        InvalidArgument: a number out of its range, or no C.

    Source: Cox, "The Regression Analysis of Binary Sequences", JRSS B, 1958.
    """

    weight: Tensor
    bias: Tensor
    chosen: Tensor

    def __init__(
        self,
        num_classes: int,
        spans: Sequence[Span],
        *,
        C: Sequence[float] = (1.0, 0.1, 0.01, 10.0, 100.0),
        max_iter: int = 1000,
    ) -> None:
        super().__init__(num_classes, spans)
        if isinstance(C, str) or not isinstance(C, Sequence) or not C:
            raise InvalidArgument("C", C, "a list of numbers above 0, such as [0.1,1,10]")
        for value in C:
            check_number("C", value, above=0)
        check_whole("max_iter", max_iter, 1)
        self.penalties = [float(value) for value in C]
        self.max_iter = max_iter
        empty = torch.zeros(0, dtype=torch.float64)
        self._learn(weight=empty.reshape(0, 0), bias=empty, chosen=torch.zeros((), dtype=torch.float64))

    def _fit(self, train: Rows, val: Rows, seed: int) -> list[float]:
        from sklearn.exceptions import ConvergenceWarning  # slow to import, and to predict needs none of it
        from sklearn.linear_model import LogisticRegression as Fitted

        x = self._wide(train.features).numpy()
        features, labels = self._wide(val.features), torch.from_numpy(np.searchsorted(self.seen.numpy(), val.labels))
        counts = None if val.weights is None else torch.from_numpy(val.weights)
        best = np.inf
        for C in self.penalties:
            model = Fitted(C=C, max_iter=self.max_iter, random_state=seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # validation judges where it stopped
                model.fit(x, train.labels, train.weights)
            weight, bias = torch.from_numpy(model.coef_), torch.from_numpy(model.intercept_)
            if len(bias) == 1:  # of two classes: the logit of the second
                weight, bias = (torch.cat([torch.zeros_like(part), part]) for part in (weight, bias))
            losses = functional.cross_entropy(features @ weight.T + bias, labels, reduction="none")
            nll = float(losses.mean() if counts is None else (losses * counts).sum() / counts.sum())
            if nll < best:
                best, self.best_round = nll, 0
                self._learn(weight=weight, bias=bias, chosen=torch.tensor(C, dtype=torch.float64))
        return [best]

    def _wide(self, features: Tensor) -> Tensor:
        """The features ``(N, W)`` in float64 with a 1 for each code's category."""
        parts = [
            functional.one_hot(codes(features, span), span.categories).double()
            if span.kind == "code"
            else features[:, span.start : span.start + span.width].double()
            for span in self.spans
        ]
        return torch.cat(parts, 1)

    def scores(self, features: Tensor) -> Tensor:
        """See :class:`Rival`."""
        return self._wide(features) @ self.weight.T + self.bias

    def summary(self) -> dict[str, Any]:
        """See :class:`Rival`."""
        return {"C": float(self.chosen)}
