"""The closed-form correction of a model that was trained with a known strength and prior."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from smoothlab.calibration.calibrator import Calibrator
from smoothlab.calibration.class_curves import SMALLEST, check_floor
from smoothlab.calibration.observed import Observed
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_share

NEVER_SEEN = 1e-6  # the floor where nothing was fitted


class Unsmooth(Calibrator):
    """``p = (q - epsilon * u) / (1 - epsilon)``, projected to the simplex.

    A net that fits its soft targets gives, where the labels follow p, ``q = (1 - epsilon) p + epsilon u``: this solves
    for p. With a prior that depends on the label (rows of a matrix) ``q = ((1 - epsilon) I + epsilon U^T) p``, which
    the inverse solves. An entry below ``epsilon * u``, which no such p explains, would be negative: the nearest
    distribution by Euclidean distance is taken. Nothing is fitted but the floor: it works without validation data.

    Args:
        epsilon: in [0, 1), as the model was trained with; a run puts that of its smoothing in place of None.
        prior: ``(K,)`` distribution, ``(K, K)`` rows by label, or None for the uniform one.
        floor: the smallest probability, in [0, 1/2); None for ``1 / (N + 2)`` of the N samples it is fitted to, and
            1e-6 where it is not.

    Raises:
        InvalidArgument: arguments outside their range, or a strength and prior from which p does not follow.

    Source: the mixture is Szegedy et al., CVPR 2016; the projection Duchi et al., "Efficient Projections onto the
        l1-Ball for Learning in High Dimensions", ICML 2008.
    """

    learned = ("lowest",)
    lowest: Tensor
    prior: Tensor
    inverse: Tensor

    def __init__(self, epsilon: float | None, prior: Any = None, floor: float | None = None) -> None:
        super().__init__()
        self.epsilon = check_share("epsilon", epsilon, "a number in [0, 1), as the model was trained with")
        self.floor = check_floor(floor)
        rows = _distributions(prior)
        self.register_buffer("prior", rows, persistent=False)
        self.register_buffer("inverse", _inverse(self.epsilon, rows), persistent=False)
        lowest = NEVER_SEEN if self.floor is None else max(self.floor, SMALLEST)
        self._learn(lowest=torch.tensor(lowest, dtype=torch.float64))

    def forward(self, logits: Tensor) -> Tensor:
        """See :class:`Calibrator`; a class of logit -inf keeps it.

        Raises:
            InvalidArgument: logits of another number of classes than the prior's.
        """
        classes = logits.shape[-1]
        if self.prior.numel() and len(self.prior) != classes:
            raise InvalidArgument("logits", tuple(logits.shape), f"{len(self.prior)} classes, as in the prior")
        q = torch.softmax(logits, -1)
        if self.inverse.numel():
            p = q @ self.inverse.to(q.dtype).T
        else:
            prior = self.prior.to(q.dtype) if self.prior.numel() else 1.0 / classes
            p = (q - self.epsilon * prior) / (1 - self.epsilon)
        log_p = to_simplex(p).clamp(min=self.lowest.to(q.dtype)).log()
        return log_p.masked_fill(logits == -torch.inf, -torch.inf)

    def settings(self) -> dict[str, Any]:
        """See :class:`Calibrator`."""
        return {"epsilon": self.epsilon, "prior": self.prior.tolist() or None, "floor": self.floor}

    def summary(self) -> dict[str, Any]:
        """See :class:`Calibrator`."""
        return {"epsilon": self.epsilon}

    def _fit(self, observed: Observed) -> None:
        if self.floor is None:
            self._learn(lowest=torch.tensor(observed.floor, dtype=torch.float64))


def to_simplex(values: Tensor) -> Tensor:
    """The distributions nearest to rows of numbers ``(N, K)`` by Euclidean distance: ``max(v - tau, 0)``, summing to 1.

    Source: Duchi, Shalev-Shwartz, Singer and Chandra, ICML 2008.
    """
    ordered = torch.sort(values, -1, descending=True).values
    count = torch.arange(1, values.shape[-1] + 1, dtype=values.dtype, device=values.device)
    excess = (ordered.cumsum(-1) - 1) / count  # tau, were so many of the largest entries kept
    support = (ordered > excess).sum(-1, keepdim=True)
    return (values - excess.gather(-1, support - 1)).clamp(min=0)


def _distributions(prior: Any) -> Tensor:
    """``(K,)`` or ``(K, K)`` in float64, or empty for None."""
    if prior is None:
        return torch.empty(0, dtype=torch.float64)
    expected = "a distribution over K classes, or K rows of such"
    try:
        rows = torch.as_tensor(prior, dtype=torch.float64).detach().cpu().clone()
    except (TypeError, ValueError, RuntimeError):
        raise InvalidArgument("prior", prior, expected) from None
    square = rows.ndim == 2 and rows.shape[0] == rows.shape[1]
    if not (rows.ndim == 1 or square) or rows.shape[-1] < 2:
        raise InvalidArgument("prior", f"shape {tuple(rows.shape)}", expected)
    if not bool((rows >= 0).all()) or not torch.allclose(rows.sum(-1), rows.new_ones(()), atol=1e-4):
        raise InvalidArgument("prior", "rows that are no distributions", "numbers >= 0 that sum to 1")
    return rows / rows.sum(-1, keepdim=True)


def _inverse(epsilon: float, rows: Tensor) -> Tensor:
    """Of ``(1 - epsilon) I + epsilon U^T``; empty where the prior is the same for every label."""
    if rows.ndim == 1:
        return torch.empty(0, dtype=torch.float64)
    mixture = (1 - epsilon) * torch.eye(len(rows), dtype=torch.float64) + epsilon * rows.T
    if not float(torch.linalg.cond(mixture)) < 1e6:
        expected = "a strength and a prior from whose mixture the labels follow"
        raise InvalidArgument("epsilon", epsilon, expected)
    inverse: Tensor = torch.linalg.inv(mixture)
    return inverse
