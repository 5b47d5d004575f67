"""Probabilities for rows whose classes are as frequent as never in training: label shift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from smoothlab.calibration.calibrator import Calibrator
from smoothlab.calibration.observed import Observed
from smoothlab.errors import InvalidArgument

STEPS = 100_000
CLOSE = 1e-10  # the largest change of a share by a step, at the end
LEAST = 1e-6  # share of a class, so that none is ruled out


class ShiftedPriors(Calibrator):
    """``inner(logits) + log(new shares / training shares)``, with new shares that explain unlabelled rows best.

    It holds where the classes became more or less frequent while each looks as it did; the probabilities it begins
    with should be calibrated.

    Args:
        shares: of the classes in training ``(K,)``, each above 0.

    Raises:
        InvalidArgument: a share that is not above 0.

    Source: Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori Probabilities: A
    Simple Procedure", Neural Computation 14, 2002.
    """

    learned = ("bias",)
    bias: Tensor

    def __init__(self, shares: Sequence[float]) -> None:
        super().__init__()
        if not shares or min(shares) <= 0:
            raise InvalidArgument("shares", list(shares), "a share above 0 of each class")
        self.shares = [float(share) / sum(shares) for share in shares]
        self.inner: Calibrator | None = None
        self._learn(bias=torch.zeros(len(self.shares), dtype=torch.float64))

    def forward(self, logits: Tensor) -> Tensor:
        """See :class:`Calibrator`."""
        calibrated = logits if self.inner is None else self.inner(logits)
        return calibrated + self._fitted("bias", logits)

    def settings(self) -> dict[str, Any]:
        """See :class:`Calibrator`."""
        return {"shares": self.shares}

    def summary(self) -> dict[str, Any]:
        """See :class:`Calibrator`."""
        new = torch.tensor(self.shares, dtype=torch.float64) * self.bias.exp()
        return {"new_shares": (new / new.sum()).tolist()}

    def to_state(self) -> dict[str, Any]:
        """See :class:`Calibrator`."""
        return super().to_state() | ({} if self.inner is None else {"inner": self.inner.to_state()})

    def fit_rows(self, logits: Tensor) -> None:
        """Fit to rows without labels, by logits ``(N, K)`` of the model."""
        calibrated = logits.double() if self.inner is None else self.inner(logits.double())
        old = torch.tensor(self.shares, dtype=torch.float64)
        self._learn(bias=(shifted_priors(torch.softmax(calibrated, 1), old) / old).log())

    def _fit(self, observed: Observed) -> None:
        self.fit_rows(observed.logits)


def shifted_priors(probabilities: Tensor, shares: Tensor) -> Tensor:
    """The shares of the classes among rows, by expectation and maximisation from the training shares.

    Args:
        probabilities: ``(N, K)`` of the rows, by a model that was trained at ``shares``.
        shares: ``(K,)`` of the classes in training, each above 0.

    Returns:
        ``(K,)`` in float64, summing to 1, none below a millionth.
    """
    new = shares.double()
    for _ in range(STEPS):
        weighed = probabilities.double() * (new / shares)
        after = (weighed / weighed.sum(1, keepdim=True)).mean(0)
        change, new = float((after - new).abs().max()), after
        if change < CLOSE:
            break
    new = new.clamp_min(LEAST)
    return new / new.sum()
