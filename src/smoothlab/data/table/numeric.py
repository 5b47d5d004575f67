"""Columns of numbers: scaled by training statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from smoothlab.data.layout import Span
from smoothlab.data.table.places import row_number
from smoothlab.data.table.scaling import Scaling, normal_scores, robust, smoothly_clipped
from smoothlab.data.table.written import Writing
from smoothlab.errors import BadRow


class NumericColumn:
    """A number as ``(value - center) / scale``; truth values count as 0 and 1.

    By ``scaling`` these are mean and deviation (``standard``), or median and quartile range, then smoothly clipped to
    (-3, 3) (``robust``), or the number takes the place of its rank in a normal distribution (``quantile``). A missing
    value becomes 0, which is the mean or the median, and where training rows had some a second feature says so, 1 for
    missing. A column that never had any refuses them. A constant column becomes zeros. Where training rows had bounds,
    such as ``<0.5``, which count as their number, a last feature is -1 for one below it, 1 for one above it, else 0.

    Args:
        column: name of the column.
        mean: of the training rows.
        deviation: the population standard deviation.
        quantiles: of the training rows, ``PARTS + 1`` of them; none in what was stored before they were kept.
        scaling: ``standard``, ``robust`` or ``quantile``.
        may_be_missing: whether missing values are taken.
        indicator: whether a second feature says which are missing.
        bounded: whether a last feature says which are bounds.
        writing: how the numbers are written where they are text; None: as plain numbers.
    """

    def __init__(
        self,
        column: str,
        mean: float,
        deviation: float,
        *,
        quantiles: Sequence[float] = (),
        scaling: Scaling = "standard",
        may_be_missing: bool = False,
        indicator: bool = False,
        bounded: bool = False,
        writing: Writing | None = None,
    ) -> None:
        self.column = column
        self.mean = float(mean)
        self.deviation = float(deviation)
        self.quantiles = [float(value) for value in quantiles]
        self.scaling = scaling
        self.may_be_missing = may_be_missing
        self.indicator = indicator
        self.bounded = bounded
        self.writing = writing

    @property
    def suffixes(self) -> list[str]:
        """What follows the column's name in the names of the features."""
        return ["", *[" missing"] * self.indicator, *[" bound"] * self.bounded]

    @property
    def names(self) -> list[str]:
        """Of the features."""
        return [self.column + suffix for suffix in self.suffixes]

    @property
    def center_and_scale(self) -> tuple[float, float]:
        """What is subtracted, and what the rest is divided by: inf where all training rows are the same."""
        center, scale = (self.mean, self.deviation) if self.scaling == "standard" else robust(self.quantiles)
        return center, scale if scale > 0 else np.inf

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Numbers ``(N,)`` as features in float64, nan where they are; those of ``standard`` may overflow."""
        with np.errstate(over="ignore", invalid="ignore"):
            if self.scaling == "quantile":
                return np.interp(values, *normal_scores(self.quantiles)) if self.quantiles else 0.0 * values
            center, scale = self.center_and_scale
            scaled = (values - center) / scale
            return smoothly_clipped(scaled) if self.scaling == "robust" else scaled

    @property
    def edges(self) -> list[list[float]]:
        """For each feature the quantiles of the training rows, as float32 has them; none of one that is no number."""
        features: list[float] = self.scaled(np.asarray(self.quantiles)).astype(np.float32).tolist()
        return [features, *[[]] * (len(self.suffixes) - 1)]

    def spans(self, start: int) -> list[Span]:
        """What the features stand for, the first of which is at ``start``."""
        number = Span(start, 1 + self.indicator, "number", missing=self.indicator)
        return [number, *[Span(start + number.width, 1, "number")] * self.bounded]

    def encode(self, cells: pd.Series, *, where: str) -> np.ndarray:
        """Features ``(N, 1)`` to ``(N, 3)`` in float32; a cell that is no finite number is a UserMistake."""
        values = self.numbers(cells, where=where, may_be_missing=self.may_be_missing)
        missing = np.isnan(values)
        with np.errstate(over="ignore"):  # float32 ends at 3.4e38; what does not fit is refused below, with its place
            features = self.scaled(values).astype(np.float32)
        features[missing] = 0.0
        bad = np.flatnonzero(~np.isfinite(features))
        if bad.size:
            value = repr(float(values[bad[0]]))
            refuse(where, self.column, row_number(cells, int(bad[0])), value, ", too large once standardised")
        made = [features, *[missing] * self.indicator, *([self.bounds(cells)] if self.bounded else [])]
        return np.stack(made, axis=1).astype(np.float32, copy=False)

    def bounds(self, cells: pd.Series) -> np.ndarray:
        """Which cells are bounds ``(N,)``; see :meth:`Writing.bounds`."""
        return np.zeros(len(cells)) if self.writing is None else self.writing.bounds(cells)

    def numbers(self, cells: pd.Series, *, where: str, may_be_missing: bool = True) -> np.ndarray:
        """The cells as float64 ``(N,)``, nan where one is empty; errors as of :func:`read_numbers`."""
        cells = cells if self.writing is None else self.writing.plain(cells)
        return read_numbers(cells, self.column, where=where, may_be_missing=may_be_missing)

    def state(self) -> dict[str, Any]:
        """Plain values."""
        plain = {key: value for key, value in vars(self).items() if key not in ("bounded", "writing")}
        written = {} if self.writing is None else {"writing": self.writing.state(), "bounded": self.bounded}
        return {"kind": "numeric", **plain, **written}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> NumericColumn:
        """The column that ``state()`` described."""
        writing = Writing.from_state(state["writing"]) if "writing" in state else None
        return cls(**{key: value for key, value in state.items() if key not in ("kind", "writing")}, writing=writing)


def read_numbers(cells: pd.Series, column: str, *, where: str, may_be_missing: bool = False) -> np.ndarray:
    """A column as float64 ``(N,)``, nan where it is empty.

    Raises:
        UserMistake: a cell is no finite number, or empty where none may be; it names the first.
    """
    if (
        cells.dtype == object
        or isinstance(cells.dtype, pd.CategoricalDtype)
        or pd.api.types.is_string_dtype(cells.dtype)
    ):
        cells = cells.astype(object).map(_truth)
    if pd.api.types.is_datetime64_any_dtype(cells) or pd.api.types.is_timedelta64_dtype(cells):
        refuse(where, column, 1, repr(str(cells.iloc[0])) if len(cells) else "dates", "")
    numbers = pd.to_numeric(cells, errors="coerce")
    if np.iscomplexobj(numbers):
        refuse(where, column, 1, repr(cells.iloc[0]), "")
    values = np.array(numbers.to_numpy(dtype=np.float64, na_value=np.nan))
    bad = ~np.isfinite(values)
    if may_be_missing:
        bad &= ~cells.isna().to_numpy()
    places = np.flatnonzero(bad)
    if places.size:
        row = row_number(cells, int(places[0]))
        cell = cells.iloc[int(places[0])]
        what = "an empty cell" if pd.isna(cell) else repr(cell.item() if hasattr(cell, "item") else cell)
        more = f" ({places.size} such cells in this column)" if places.size > 1 else ""
        if np.isinf(values[places]).all():
            more += f"; 'data.missing_words={{{column}: [inf, -inf]}}' counts them as missing"
        refuse(where, column, row, what, more)
    return values


def refuse(where: str, column: object, row: int, got: str, more: str) -> NoReturn:
    """Say which cell is no number."""
    raise BadRow(f"{where}: column {column!r}, data row {row}: expected a finite number, got {got[:60]}{more}")


def _truth(cell: object) -> object:
    if isinstance(cell, str):
        return {"true": True, "false": False}.get(cell.strip().lower(), cell)
    return cell
