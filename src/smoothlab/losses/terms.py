"""The factors of a soft target, as the chunked loss uses them: ``q = sum_j coefficient_j * factor_j``.

A term does two things with its factor, for one chunk of rows at a time: it takes the inner product with the
logits, and it subtracts the factor from the softmax.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from smoothlab.targets import OtherClasses, PerClass, PerSample, SoftTarget

Coefficient = float | Tensor  # one number, or one for each row (N, 1)


class Term(Protocol):
    """One summand of the target."""

    coefficient: Coefficient

    def dot(self, index: int, z: Tensor) -> Tensor:
        """``<factor, z>`` of every row of chunk ``index``, ``(rows, 1)``."""

    def subtract_from(self, index: int, p: Tensor) -> None:
        """``p = scale * (p - coefficient * factor)`` for chunk ``index``; right after ``dot`` of that chunk."""


def terms_of(target: SoftTarget, num_classes: int, dtype: torch.dtype, step: int, scale: float) -> list[Term]:
    """The terms of a flat target, its base first, for logits ``(N, K)`` in chunks of ``step`` rows.

    Subtracted in their order from a softmax, they leave ``scale * (softmax - q)``: the last one scales.
    """
    epsilon: Coefficient = target.epsilon
    if isinstance(epsilon, Tensor):
        epsilon = epsilon.to(dtype).unsqueeze(1) if epsilon.ndim else epsilon.item()
    keep: Coefficient = 1 - epsilon
    prior = target.prior
    spread: Term | None = None
    if isinstance(epsilon, float) and epsilon == 0:
        pass
    elif num_classes == 1:
        keep = 1.0
    elif isinstance(prior, Tensor):  # before the names, because comparing a tensor with a string is slow
        spread = _Vector(epsilon, prior.to(dtype), step, scale)
    elif prior == "uniform":
        spread = _Ones(epsilon / num_classes, dtype, step, scale)
    elif prior == "exclusive":
        # (1 - base) / (K - 1) is a share of all ones less a share of the base
        other = epsilon / (num_classes - 1)
        keep = keep - other
        spread = _Ones(other, dtype, step, scale)
    elif isinstance(prior, OtherClasses) and target.is_index:
        keep, other = _other_shares(prior.weights.to(dtype), target.base, epsilon)
        spread = _Vector(other, prior.weights.to(dtype), step, scale)
    else:
        spread = _Rows(epsilon, _prior_rows(target, dtype, step), step, scale)
    of_base = scale if spread is None else 1.0
    base: Term
    if target.is_index:
        base = _Labels(keep, target.base, dtype, step, of_base)
    else:
        base = _Rows(keep, _converted(target.base, dtype, step), step, of_base)
    return [base] if spread is None else [base, spread]


def cut(tensor: Tensor, step: int) -> Sequence[Tensor]:
    """The chunks of ``step`` rows; where one is enough, without the call."""
    return (tensor,) if tensor.shape[0] <= step else tensor.split(step)


class _Labels:
    """One-hot labels."""

    def __init__(self, coefficient: Coefficient, labels: Tensor, dtype: torch.dtype, step: int, scale: float) -> None:
        column = labels.unsqueeze(1)
        self.coefficient, self.scale = coefficient, scale
        self.columns = cut(column, step)
        if isinstance(coefficient, Tensor):
            self.shares = cut(-coefficient, step)
        else:
            self.shares = cut(torch.full(column.shape, -coefficient, dtype=dtype, device="cpu"), step)

    def dot(self, index: int, z: Tensor) -> Tensor:
        return z.gather(1, self.columns[index])

    def subtract_from(self, index: int, p: Tensor) -> None:
        p.scatter_add_(1, self.columns[index], self.shares[index])
        if self.scale != 1:
            p.mul_(self.scale)


class _Ones:
    """One on every class."""

    def __init__(self, coefficient: Coefficient, dtype: torch.dtype, step: int, scale: float) -> None:
        self.coefficient, self.scale = coefficient, scale
        self.share: Tensor | None = None
        if isinstance(coefficient, Tensor):
            self.shares = cut(coefficient * -scale, step)
        else:
            self.share = torch.full((1, 1), coefficient * -scale, dtype=dtype, device="cpu")

    def dot(self, index: int, z: Tensor) -> Tensor:
        return z.sum(1, keepdim=True)

    def subtract_from(self, index: int, p: Tensor) -> None:
        share = self.shares[index] if self.share is None else self.share
        torch.add(share, p, alpha=self.scale, out=p)  # scaled and subtracted in one visit


class _Vector:
    """The same distribution ``(K,)`` for every row."""

    def __init__(self, coefficient: Coefficient, vector: Tensor, step: int, scale: float) -> None:
        self.coefficient, self.scale, self.vector = coefficient, scale, vector
        self.share: Tensor | None = None
        if isinstance(coefficient, Tensor):
            self.coefficients = cut(coefficient, step)
        else:
            self.share = vector * (coefficient * -scale)

    def dot(self, index: int, z: Tensor) -> Tensor:
        return torch.mv(z, self.vector).unsqueeze(1)  # one visit; neither autocast nor reduced precision rounds it

    def subtract_from(self, index: int, p: Tensor) -> None:
        if self.share is not None:
            torch.add(self.share, p, alpha=self.scale, out=p)
        else:
            p.addcmul_(self.coefficients[index], self.vector, value=-1)
            if self.scale != 1:
                p.mul_(self.scale)


class _Rows:
    """A distribution for every row, handed out chunk by chunk."""

    def __init__(self, coefficient: Coefficient, rows_of: Callable[[int], Tensor], step: int, scale: float) -> None:
        self.coefficient, self.scale, self.rows_of = coefficient, scale, rows_of
        self.scratch: Tensor | None = None
        self.coefficients = cut(coefficient, step) if isinstance(coefficient, Tensor) else None

    def dot(self, index: int, z: Tensor) -> Tensor:
        self.rows = self.rows_of(index)
        if self.scratch is None:
            self.scratch = torch.empty_like(self.rows)  # the first chunk is the longest
        return torch.mul(z, self.rows, out=self.scratch[: len(z)]).sum(1, keepdim=True)

    def subtract_from(self, index: int, p: Tensor) -> None:
        if isinstance(self.coefficient, float):
            p.sub_(self.rows, alpha=self.coefficient)
        elif self.coefficients is not None:
            p.addcmul_(self.rows, self.coefficients[index], value=-1)
        if self.scale != 1:
            p.mul_(self.scale)


def _converted(rows: Tensor, dtype: torch.dtype, step: int) -> Callable[[int], Tensor]:
    chunks = cut(rows, step)
    return lambda index: chunks[index].to(dtype)


def _other_shares(weights: Tensor, labels: Tensor, epsilon: Coefficient) -> tuple[Tensor, Tensor]:
    """Coefficients ``(N, 1)`` of the label and of the weights ``(K,)``, which all classes but the label are to have."""
    own = weights[labels].unsqueeze(1)
    rest = weights.sum() - own
    some = ~(rest <= 0)  # nan stays nan
    leaving = epsilon * some.to(weights.dtype)  # with no other class, the label keeps the mass
    other = leaving / rest.where(some, 1)
    return 1 - leaving - other * own, other


def _prior_rows(target: SoftTarget, dtype: torch.dtype, step: int) -> Callable[[int], Tensor]:
    if isinstance(target.prior, PerSample):
        return _converted(target.prior.rows, dtype, step)
    if isinstance(target.prior, OtherClasses):
        prior, votes = target.prior, _converted(target.base, dtype, step)
        return lambda index: prior.rows(votes(index))
    assert isinstance(target.prior, PerClass)
    matrix = target.prior.matrix.to(dtype)
    if target.is_index:
        labels = cut(target.base, step)
        return lambda index: matrix.index_select(0, labels[index])
    base = _converted(target.base, dtype, step)
    # with out=, because autocast would run a plain matrix product in bfloat16
    return lambda index: torch.mm(base(index), matrix, out=torch.empty_like(base(index)))
