"""How labels were mistaken: the probability of each observed label, given the true one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_share
from smoothlab.unpacking import load_arrays

Noise = str | Path | Sequence[Sequence[float]] | Tensor


class Transition(Protocol):
    """T, whose row i is the distribution of the observed label where the true one is i."""

    def check(self, num_classes: int, *, invertible: bool) -> None:
        """Raise InvalidArgument where it does not fit K classes, or has no inverse and needs one."""

    def log_observed(self, log_p: Tensor, masked: Tensor) -> Tensor:
        """``log(p T)`` ``(..., K)`` of log-probabilities ``(..., K)``."""

    def corrected(self, q: Tensor, masked: Tensor) -> Tensor:
        """``q T^-1`` ``(..., K)`` of targets ``(..., K)``."""


def transition_of(noise: Noise, rate: float | None) -> Transition:
    """The transition that a config or a caller describes.

    Args:
        noise: ``"symmetric"``: a label is mistaken with the probability ``rate``, for any other alike. ``"pair"``: it
            is mistaken for the next class, the last one for the first. Or K rows of K numbers, or a file of them:
            .csv (without a header), .json or .npy.
        rate: in [0, 1), with a name; None with a matrix.

    Raises:
        InvalidArgument: for another name, a rate that is missing, superfluous or out of range, a file that cannot be
            read, rows that are no distributions, or a class that is never observed.
    """
    if isinstance(noise, str) and noise in ("symmetric", "pair"):
        return (Symmetric if noise == "symmetric" else Pair)(check_share("rate", rate))
    if rate is not None:
        raise InvalidArgument("rate", rate, "none beside a matrix, which has its own")
    return Matrix(_checked(_read(noise)))


class Symmetric:
    """``1 - rate`` on the diagonal and ``rate / (K - 1)`` elsewhere, without a matrix.

    Where logits mask classes, labels are mistaken among those that are left.
    """

    def __init__(self, rate: float) -> None:
        self.rate = float(rate)

    def check(self, num_classes: int, *, invertible: bool) -> None:
        """All labels alike, whatever the true one, cannot be undone."""
        if invertible and num_classes > 1 and abs(1 - self.rate * num_classes / (num_classes - 1)) < 1e-8:
            raise InvalidArgument(
                "rate", self.rate, f"a transition with an inverse, which (K - 1)/K has not, K = {num_classes}"
            )

    def log_observed(self, log_p: Tensor, masked: Tensor) -> Tensor:
        """``log((1 - rate) p + rate (1 - p) / (K - 1))``: two terms >= 0, so that none is lost."""
        if self.rate == 0:
            return log_p
        keep, other = self._shares(log_p, masked)
        observed = keep * log_p.exp() - other * torch.expm1(log_p)
        return observed.masked_fill(masked, 1).log()  # masked ones do not count, and may be 0

    def corrected(self, q: Tensor, masked: Tensor) -> Tensor:
        """``(q - other sum(q)) / (keep - other)``, the inverse in closed form."""
        keep, other = self._shares(q, masked)
        return (q - other * q.sum(-1, keepdim=True)) / (keep - other)

    def _shares(self, like: Tensor, masked: Tensor) -> tuple[Tensor, Tensor]:
        others = masked.shape[-1] - 1 - masked.sum(-1, keepdim=True).to(like.dtype)
        some = others > 0
        other = (self.rate / others.clamp_min(1)).where(some, 0)
        return torch.ones_like(other).sub(self.rate).where(some, 1), other


class Matrix:
    """Any transition, ``(K, K)``.

    A masked class has the probability 0; the matrix stays that of all K classes.
    """

    def __init__(self, matrix: Tensor | None) -> None:
        self.values = matrix
        self._copies: dict[object, tuple[Tensor, ...]] = {}

    def matrix(self, num_classes: int) -> Tensor:
        """In float64."""
        assert self.values is not None
        if len(self.values) != num_classes:
            raise InvalidArgument("noise", tuple(self.values.shape), f"({num_classes}, {num_classes}), one row a class")
        return self.values

    def check(self, num_classes: int, *, invertible: bool) -> None:
        """Its size, and whether it can be inverted without losing half of the digits."""
        matrix = self.matrix(num_classes)
        if invertible and not float(torch.linalg.cond(matrix)) < 1e8:
            raise InvalidArgument("noise", matrix.tolist(), "a matrix with an inverse")

    def log_observed(self, log_p: Tensor, masked: Tensor) -> Tensor:
        """The diagonal's term in log space, so that it is never lost, the sum of the others in float64."""
        log_diagonal, others = self._on(log_p, self._forward)
        stay = log_p + log_diagonal.to(log_p.dtype)
        moved = log_p.to(others.dtype).exp() @ others
        none = moved == 0
        moved = moved.masked_fill(none, 1).log().masked_fill(none, -math.inf).to(log_p.dtype)
        top = torch.maximum(stay, moved).detach()
        never = top == -math.inf
        top = top.masked_fill(never, 0)
        total = (stay - top).exp() + (moved - top).exp()
        return (total.masked_fill(never, 1).log() + top).masked_fill(never, -math.inf)

    def corrected(self, q: Tensor, masked: Tensor) -> Tensor:
        """By the inverse, made once in float64."""
        (inverse,) = self._on(q, self._backward)
        return (q.to(inverse.dtype) @ inverse).to(q.dtype)

    @staticmethod
    def _forward(matrix: Tensor) -> tuple[Tensor, ...]:
        diagonal = matrix.diagonal()
        return diagonal.log(), matrix - diagonal.diag()

    @staticmethod
    def _backward(matrix: Tensor) -> tuple[Tensor, ...]:
        return (torch.linalg.inv(matrix),)

    def _on(self, like: Tensor, make: Callable[[Tensor], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        key = (make, like.shape[-1], like.device)
        if key not in self._copies:
            # float64 in any step: sums of tiny probabilities must not become 0 (and autocast leaves it alone)
            parts = make(self.matrix(like.shape[-1]))
            self._copies[key] = tuple(part.to(like.device) for part in parts)
        return self._copies[key]


class Pair(Matrix):
    """``1 - rate`` on the diagonal, ``rate`` for the next class; the last one's next is the first."""

    def __init__(self, rate: float) -> None:
        super().__init__(None)
        self.rate = float(rate)

    def matrix(self, num_classes: int) -> Tensor:
        """In float64."""
        stay = torch.eye(num_classes, dtype=torch.float64)
        return (1 - self.rate) * stay + self.rate * stay.roll(1, 1)


def _read(noise: Noise) -> object:
    if not isinstance(noise, str | Path):
        return noise
    path = Path(noise)
    if path.suffix not in (".csv", ".json", ".npy"):
        raise InvalidArgument(
            "noise", str(noise), "'symmetric', 'pair', a matrix, or a .csv, .json or .npy file of one"
        )
    try:
        if path.suffix == ".npy":
            return load_arrays(path)
        return np.loadtxt(path, delimiter=",", ndmin=2) if path.suffix == ".csv" else json.loads(path.read_text())
    except OSError as error:
        raise InvalidArgument("noise", str(noise), f"a file that can be read ({error.strerror})") from None
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise InvalidArgument("noise", str(noise), f"a file of K rows of K numbers ({reason})") from None


def _checked(rows: object) -> Tensor:
    expected = "K rows of K probabilities, each row summing to 1"
    try:
        matrix = torch.as_tensor(rows, dtype=torch.float64).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        raise InvalidArgument("noise", rows, expected) from None
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
        raise InvalidArgument("noise", f"an array of shape {tuple(matrix.shape)}", expected)
    sums = matrix.sum(1)
    wrong = ~((matrix >= 0).all(1) & (sums - 1).abs().le(1e-4))
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise InvalidArgument(f"noise[{row}]", matrix[row].tolist(), "probabilities >= 0 that sum to 1")
    never = (matrix == 0).all(0)
    if never.any():
        column = int(never.nonzero()[0])
        raise InvalidArgument("noise", matrix.tolist(), f"each class observed at times, which class {column} is not")
    return matrix / sums.unsqueeze(1)
