"""Strength by a column of the data: annotator agreement, the source of a row, an estimate of its noise."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_choice, check_number, check_share
from smoothlab.smoothing.priors.table import Table
from smoothlab.smoothing.ranges import clamp_strength
from smoothlab.step import Step

Formula = Literal["rising", "falling", "squared", "middle"]
FORMULAS = ("rising", "falling", "squared", "middle")


@dataclass(frozen=True)
class Column:
    """Epsilon of a sample by a number in its row: ``low + (high - low) * f(u)``, with the place of the column's value x
    in its range ``u = clip((x - minimum) / (maximum - minimum), 0, 1)`` and f by name:

    - ``rising``: ``u``, for estimates of noise. An estimated share of wrong labels is epsilon itself with
      ``minimum = low = 0`` and ``maximum = high``.
    - ``falling``: ``1 - u``, for agreement and quality.
    - ``squared``: ``u ** 2``, where only the worst rows are to be smoothed much.
    - ``middle``: ``4 u (1 - u)``, where the middle of the range is the doubtful part, such as a share of yes votes.

    Args:
        column: name among the step's metadata.
        formula: f, one of the four.
        minimum: of the column, a number; smaller values count as it.
        maximum: of the column, above the minimum; larger values count as it.
        low: epsilon where f is 0, in [0, 1).
        high: epsilon where f is 1, in [0, 1).
        missing: epsilon of a row without a value (nan), in [0, 1).

    Raises:
        InvalidArgument: for an argument outside its range, and in a step whose metadata have no such column.
    """

    column: str
    formula: Formula
    minimum: float
    maximum: float
    low: float
    high: float
    missing: float

    def __post_init__(self) -> None:
        check_choice("formula", self.formula, FORMULAS)
        for name in ("low", "high", "missing"):
            object.__setattr__(self, name, check_share(name, getattr(self, name)))
        for name in ("minimum", "maximum"):
            object.__setattr__(self, name, check_number(name, getattr(self, name)))
        if self.maximum <= self.minimum:
            raise InvalidArgument("maximum", self.maximum, f"a number above the minimum, {self.minimum:g}")

    def __call__(self, step: Step) -> Tensor:
        """Epsilon ``(...,)``, in float32 or wider."""
        values = column_of(step, self.column)
        u = ((values - self.minimum) / (self.maximum - self.minimum)).clamp(0.0, 1.0)
        if self.formula == "falling":
            u = 1.0 - u
        elif self.formula == "squared":
            u = u.square()
        elif self.formula == "middle":
            u = 4.0 * u * (1.0 - u)
        epsilon = self.low + (self.high - self.low) * u
        return clamp_strength(epsilon.masked_fill(values.isnan(), self.missing))


class ColumnTable:
    """Epsilon of a sample by the value in its row, looked up: such as 0.02 for source 0 and 0.2 for source 1.

    Args:
        column: name among the step's metadata, where categories are numbers.
        values: epsilon in [0, 1) by value of the column; a value is met where it is exactly equal.
        default: epsilon of every other value, nan among them, in [0, 1).

    Raises:
        InvalidArgument: for an argument outside its range, and in a step whose metadata have no such column.
    """

    def __init__(self, column: str, values: Mapping[float, float], default: float) -> None:
        self.column = column
        self.values = values
        self.default = check_share("default", default)
        if not isinstance(values, Mapping) or not values:
            raise InvalidArgument("values", values, "epsilon by value of the column, such as {0: 0.02, 1: 0.2}")
        keys = [_key(key) for key in values]
        epsilons = [check_share(f"values.{key}", epsilon) for key, epsilon in values.items()]
        self._keys = Table(torch.tensor(keys, dtype=torch.float64))
        self._changes = Table(torch.tensor(epsilons, dtype=torch.float64) - self.default)

    def __call__(self, step: Step) -> Tensor:
        """Epsilon ``(...,)``, in float32 or wider."""
        met = column_of(step, self.column).unsqueeze(-1) == self._keys.at(step)
        return clamp_strength(self.default + (met * self._changes.at(step)).sum(-1))

    def __repr__(self) -> str:
        return f"ColumnTable(column={self.column!r}, values={self.values}, default={self.default})"


def column_of(step: Step, name: str) -> Tensor:
    """A metadata column ``(...,)`` of a step, in float32 or wider.

    Raises:
        InvalidArgument: there is none of this name.
    """
    if name not in step.metadata:
        there = ", ".join(sorted(step.metadata)) or "none in this data"
        more = "data.metadata names columns of a table, data.labels=votes gives agreement, mixed samples have none"
        raise InvalidArgument("column", name, f"a metadata column ({there}); {more}")
    values = step.metadata[name]
    wide = values.dtype in (torch.float64, torch.int64, torch.int32)
    return values.to(step.labels.device, torch.float64 if wide else torch.float32)


def _key(key: object) -> float:
    if isinstance(key, str):  # configs turn keys into text
        with suppress(ValueError):
            key = float(key)
    return check_number("values", key, "numbers as keys, as the column holds them")
