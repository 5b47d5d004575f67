"""The factors of a soft target, as the chunked loss uses them: ``q = sum_j coefficient_j * factor_j``.

A term does two things with its factor, for one chunk of rows at a time: it takes the inner product with the
logits, and it subtracts the factor from the softmax.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from smoothlab.targets import PerClass, PerSample

if TYPE_CHECKING:
    from collections.abc import Callable

    from smoothlab.targets import SoftTarget

Coefficient = float | Tensor  # one number, or one for each row (N,)


class Term(Protocol):
    """One summand of the target."""

    def dot(self, index: int, z: Tensor, scratch: Tensor) -> None:
        """Take in ``z``, chunk ``index`` of the logits; ``scratch`` has its shape and may be overwritten."""

    def subtract_from(self, index: int, p: Tensor) -> None:
        """Subtract the rows of chunk ``index`` from ``p``; comes right after ``dot`` of the same chunk."""

    def dots(self) -> Tensor:
        """The inner products ``(N,)``, coefficient included, once all chunks were taken in."""


def terms_of(target: SoftTarget, logits: Tensor, dtype: torch.dtype, step: int) -> list[Term]:
    """The terms of a flat target, for logits ``(N, K)`` in chunks of ``step`` rows, summed in ``dtype``."""
    num_rows, num_classes = logits.shape
    epsilon: Coefficient = target.epsilon
    if isinstance(epsilon, Tensor):
        epsilon = epsilon.to(dtype) if epsilon.ndim else epsilon.item()
    keep: Coefficient = 1 - epsilon
    prior = target.prior
    spread: list[Term] = []
    if isinstance(epsilon, float) and epsilon == 0:
        pass
    elif prior == "uniform":
        spread = [_Ones(epsilon / num_classes, num_rows, dtype, step)]
    elif prior == "exclusive" and num_classes == 1:
        keep = 1.0
    elif prior == "exclusive":
        # (1 - base) / (K - 1) is a share of all ones less a share of the base
        other = epsilon / (num_classes - 1)
        keep = keep - other
        spread = [_Ones(other, num_rows, dtype, step)]
    elif isinstance(prior, Tensor):
        spread = [_Vector(epsilon, prior.to(dtype), num_rows, step)]
    else:
        spread = [_Rows(epsilon, _prior_chunks(target, dtype, step), num_rows, dtype, step)]
    if target.is_index:
        return [_Labels(keep, target.base, logits, dtype, step), *spread]
    return [_Rows(keep, _converted(target.base, dtype, step), num_rows, dtype, step), *spread]


def _converted(rows: Tensor, dtype: torch.dtype, step: int) -> Callable[[int], Tensor]:
    chunks = rows.split(step)
    return lambda index: chunks[index].to(dtype)


def _prior_chunks(target: SoftTarget, dtype: torch.dtype, step: int) -> Callable[[int], Tensor]:
    if isinstance(target.prior, PerSample):
        return _converted(target.prior.rows, dtype, step)
    assert isinstance(target.prior, PerClass)
    matrix = target.prior.matrix.to(dtype)
    if target.is_index:
        labels = target.base.split(step)
        return lambda index: matrix.index_select(0, labels[index])
    base = _converted(target.base, dtype, step)
    # with out=, because autocast would run a plain matrix product in bfloat16
    return lambda index: torch.mm(base(index), matrix, out=torch.empty_like(base(index)))


class _Labels:
    """``coefficient * one_hot(label)``."""

    def __init__(
        self, coefficient: Coefficient, labels: Tensor, logits: Tensor, dtype: torch.dtype, step: int
    ) -> None:
        column = labels.unsqueeze(1)
        self.products = logits.gather(1, column).squeeze(1).to(dtype).mul_(coefficient)
        self.columns = column.split(step)
        shares = (
            -coefficient if isinstance(coefficient, Tensor) else torch.full_like(self.products, -coefficient)
        )
        self.shares = shares.unsqueeze(1).split(step)

    def dot(self, index: int, z: Tensor, scratch: Tensor) -> None:
        pass  # all labels were looked up at once

    def subtract_from(self, index: int, p: Tensor) -> None:
        p.scatter_add_(1, self.columns[index], self.shares[index])

    def dots(self) -> Tensor:
        return self.products


class _Spread:
    """What the terms over all classes share: the coefficient, and room for the inner products."""

    def __init__(self, coefficient: Coefficient, num_rows: int, dtype: torch.dtype, step: int) -> None:
        self.coefficient = coefficient
        self.sums = torch.empty(num_rows, dtype=dtype, device="cpu")
        self.out = self.sums.split(step)
        self.columns = coefficient.unsqueeze(1).split(step) if isinstance(coefficient, Tensor) else None

    def dots(self) -> Tensor:
        return self.sums.mul_(self.coefficient)


class _Ones(_Spread):
    """The same share for every class."""

    def dot(self, index: int, z: Tensor, scratch: Tensor) -> None:
        torch.sum(z, 1, out=self.out[index])

    def subtract_from(self, index: int, p: Tensor) -> None:
        p.sub_(self.coefficient if self.columns is None else self.columns[index])


class _Vector(_Spread):
    """The same distribution ``(K,)`` for every row."""

    def __init__(self, coefficient: Coefficient, vector: Tensor, num_rows: int, step: int) -> None:
        super().__init__(coefficient, num_rows, vector.dtype, step)
        self.vector = vector
        self.scaled = vector * coefficient if self.columns is None else vector

    def dot(self, index: int, z: Tensor, scratch: Tensor) -> None:
        # not a matrix product: autocast and reduced-precision settings would round it
        torch.sum(torch.mul(z, self.vector, out=scratch), 1, out=self.out[index])

    def subtract_from(self, index: int, p: Tensor) -> None:
        if self.columns is None:
            p.sub_(self.scaled)
        else:
            p.addcmul_(self.columns[index], self.vector, value=-1)


class _Rows(_Spread):
    """A distribution for every row, ``(N, K)``, handed out chunk by chunk."""

    def __init__(
        self,
        coefficient: Coefficient,
        chunk_of: Callable[[int], Tensor],
        num_rows: int,
        dtype: torch.dtype,
        step: int,
    ) -> None:
        super().__init__(coefficient, num_rows, dtype, step)
        self.chunk_of = chunk_of

    def dot(self, index: int, z: Tensor, scratch: Tensor) -> None:
        self.rows = self.chunk_of(index)
        torch.sum(torch.mul(z, self.rows, out=scratch), 1, out=self.out[index])

    def subtract_from(self, index: int, p: Tensor) -> None:
        if isinstance(self.coefficient, float):
            p.sub_(self.rows, alpha=self.coefficient)
        elif self.columns is not None:
            p.addcmul_(self.rows, self.columns[index], value=-1)
