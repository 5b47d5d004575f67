"""The map from raw columns to the features of a net: part of the model, stored in its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from smoothlab.errors import UserMistake


class TableEncoder:
    """Read numeric columns of a table by name and standardise them: ``(value - mean) / deviation``.

    Means and deviations come from the training rows alone. A constant column has deviation 0 and becomes zeros.

    Args:
        columns: names, in the order of the features.
        mean: one number a column.
        deviation: one number a column, the population standard deviation.
    """

    def __init__(self, columns: Sequence[str], mean: Sequence[float], deviation: Sequence[float]) -> None:
        self.columns = list(columns)
        self.mean = np.asarray(mean, dtype=np.float64)
        self.deviation = np.asarray(deviation, dtype=np.float64)

    @classmethod
    def fit(cls, frame: pd.DataFrame) -> TableEncoder:
        """Take every column of ``frame`` as a numeric feature.

        Raises:
            UserMistake: a cell is not a finite number, or so large that the column has no finite deviation.
        """
        columns = list(frame.columns)
        values = read_numbers(frame, columns, where="training data")
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow is refused below, with its place
            mean, deviation = values.mean(axis=0), values.std(axis=0)
        if not np.isfinite(mean + deviation).all():
            # The cells are finite one by one; the largest of the column is what made the sum overflow.
            position = int(np.flatnonzero(~np.isfinite(mean + deviation))[0])
            row = int(np.abs(values[:, position]).argmax())
            _refuse(
                "training data",
                columns[position],
                row,
                repr(float(values[row, position])),
                ", too large for a mean and a deviation",
            )
        return cls(columns, mean, deviation)

    @property
    def num_features(self) -> int:
        """Width of the features."""
        return len(self.columns)

    @property
    def net_arguments(self) -> dict[str, Any]:
        """``in_features``, for the net."""
        return {"in_features": self.num_features}

    def encode(self, frame: pd.DataFrame, *, where: str = "table") -> Tensor:
        """Features ``(rows, num_features)`` in float32.

        Args:
            frame: raw rows; columns that are not features are ignored, their order does not matter.
            where: what to call the table in an error.

        Raises:
            UserMistake: a column is missing, or a cell is not a finite number, or no longer one once standardised.
        """
        missing = [name for name in self.columns if name not in frame.columns]
        if missing:
            names = ", ".join(repr(name) for name in missing[:5]) + (", ..." if len(missing) > 5 else "")
            raise UserMistake(
                f"{where}: column{'s' if len(missing) > 1 else ''} {names} missing; "
                f"the model needs {len(self.columns)} columns, the first is {self.columns[0]!r}"
            )
        values = read_numbers(frame, self.columns, where=where)
        scale = np.where(self.deviation > 0, self.deviation, np.inf)
        with np.errstate(over="ignore"):  # float32 ends at 3.4e38; what does not fit is refused below, with its place
            features = ((values - self.mean) / scale).astype(np.float32)
        bad = np.argwhere(~np.isfinite(features))
        if bad.size:
            row, position = (int(index) for index in bad[0])
            _refuse(
                where, self.columns[position], row, repr(float(values[row, position])), ", too large once standardised"
            )
        return torch.from_numpy(features)

    def state(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return {
            "kind": "table",
            "columns": self.columns,
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TableEncoder:
        """The encoder that ``state()`` described."""
        return cls(state["columns"], state["mean"], state["deviation"])


def encoder_from_state(state: dict[str, Any]) -> Any:
    """The encoder that a checkpoint describes.

    Raises:
        UserMistake: of a kind that this version does not know.
    """
    kinds = {"table": TableEncoder}
    if state.get("kind") not in kinds:
        raise UserMistake(f"the checkpoint's encoder is of the kind {state.get('kind')!r}; known: {', '.join(kinds)}")
    return kinds[state["kind"]].from_state(state)


def read_numbers(frame: pd.DataFrame, columns: list[str], *, where: str) -> np.ndarray:
    """The columns as float64 ``(rows, columns)``; a cell that is no finite number is a UserMistake that names it."""
    values = np.empty((len(frame), len(columns)), dtype=np.float64)
    for position, name in enumerate(columns):
        column = frame[name]
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        bad = np.flatnonzero(~np.isfinite(numbers))
        if bad.size:
            row = int(bad[0])
            cell = column.iloc[row]
            what = "an empty cell" if pd.isna(cell) else repr(cell.item() if hasattr(cell, "item") else cell)
            _refuse(where, name, row, what, f" ({bad.size} such cells in this column)" if bad.size > 1 else "")
        values[:, position] = numbers
    return values


def _refuse(where: str, name: object, row: int, got: str, more: str) -> NoReturn:
    raise UserMistake(f"{where}: column {name!r}, data row {row + 1}: expected a finite number, got {got}{more}")
