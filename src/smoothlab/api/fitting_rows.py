"""From X, y and weights to the rows that a training reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from smoothlab.data.table.splits import val_of
from smoothlab.errors import WrongInput

REPEATED = 10  # times the rows that whole-number weights may make of them


@dataclass(frozen=True)
class FittingRows:
    """Labelled rows.

    Args:
        features: a table, or numbers ``(N, F)``.
        labels: ``(N,)``.
        weights: ``(N,)``, not negative; None: all count the same.
    """

    features: pd.DataFrame | np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, index: np.ndarray) -> FittingRows:
        """The rows at these positions."""
        features = self.features.iloc[index] if isinstance(self.features, pd.DataFrame) else self.features[index]
        return FittingRows(features, self.labels[index], None if self.weights is None else self.weights[index])

    def in_any_order(self) -> FittingRows:
        """The same for every order of the rows: sorted, and what weighs 2 stands there twice.

        Rows without weight are left out. Weights that are no whole numbers, or would make more than ten times the rows,
        stay weights.
        """
        rows = self
        if rows.weights is not None:
            rows = rows.at(np.flatnonzero(rows.weights))
            assert rows.weights is not None
            whole = rows.weights.astype(np.int64)
            if (whole == rows.weights).all() and whole.sum() <= REPEATED * len(self):
                rows = replace(rows.at(np.repeat(np.arange(len(rows)), whole)), weights=None)
        return rows.at(_order(rows))

    def held_out(self, share: float, seed: int) -> tuple[FittingRows, FittingRows]:
        """Rows to train on, and a share of each class for validation.

        The row of a class that has but one trains. Where every class has but one, validation is by the training rows.
        """
        names, codes = np.unique(self.labels, return_inverse=True)
        counts = np.bincount(codes)
        several = np.flatnonzero(counts[codes] > 1)
        if not len(several):
            return self, self
        train, val = val_of(several, codes, [str(name) for name in names], (1 - share, share, 0.0), seed)
        return self.at(np.sort(np.concatenate([train, np.flatnonzero(counts[codes] == 1)]))), self.at(val)

    def table(self, target: str, weight: str) -> pd.DataFrame:
        """Features, label and weight as one table."""
        assert isinstance(self.features, pd.DataFrame)
        others = {target: self.labels} | ({} if self.weights is None else {weight: self.weights})
        return pd.concat([self.features.reset_index(drop=True), pd.DataFrame(others)], axis=1)

    def arrays(self, target: str, weight: str, prefix: str) -> dict[str, np.ndarray]:
        """The same as arrays by name."""
        assert isinstance(self.features, np.ndarray)
        of_weight = {} if self.weights is None else {f"{prefix}{weight}": self.weights}
        return {f"{prefix}features": self.features, f"{prefix}{target}": self.labels, **of_weight}


def _order(rows: FittingRows) -> np.ndarray:
    """Positions that sort the rows by their content."""
    codes = np.unique(rows.labels, return_inverse=True)[1]
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights
    if isinstance(rows.features, pd.DataFrame):
        from smoothlab.data.table.hashing import row_hashes

        return np.lexsort((weights, codes, row_hashes(rows.features)))
    numbers = np.column_stack([rows.features.astype(np.float64) + 0.0, codes, weights])  # -0.0 is 0.0
    whole = np.ascontiguousarray(numbers).view(np.dtype((np.void, numbers.shape[1] * numbers.itemsize)))
    return np.argsort(whole.ravel(), kind="stable")


def source_of(
    train: FittingRows, val: FittingRows | None, target: str, weight: str
) -> pd.DataFrame | Mapping[str, Any]:
    """What ``data.source`` gives: rows by split, or all rows, which the config splits.

    A run has test rows. These have none, since scikit-learn's callers hold their own: the rows of validation stand for
    them.
    """
    if val is None:
        made = train.table(target, weight) if isinstance(train.features, pd.DataFrame) else None
        return made if made is not None else train.arrays(target, weight, "")
    if train.weights is not None and val.weights is None:
        val = replace(val, weights=np.ones(len(val)))
    parts = {"train": train, "val": val, "test": val}
    if isinstance(train.features, pd.DataFrame):
        return {split: rows.table(target, weight) for split, rows in parts.items()}
    return {
        name: array for split, rows in parts.items() for name, array in rows.arrays(target, weight, f"{split}_").items()
    }


def checked_weights(given: Any, count: int) -> np.ndarray | None:
    """Weights ``(N,)`` of rows.

    Raises:
        WrongInput: of another length, negative, not finite, or all zero.
    """
    if given is None:
        return None
    try:
        weights = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise WrongInput("sample_weight: expected numbers, one a row") from None
    if weights.ndim == 0:
        weights = np.full(count, float(weights))
    if weights.shape != (count,):
        raise WrongInput(f"sample_weight: has the shape {weights.shape}; expected ({count},), one a row")
    if not np.isfinite(weights).all() or (weights < 0).any():
        row = int(np.flatnonzero(~np.isfinite(weights) | (weights < 0))[0])
        raise WrongInput(f"sample_weight: row {row} is {weights[row]}; expected numbers of at least 0")
    if not weights.any():
        raise WrongInput("sample_weight: every weight is zero")
    return weights
