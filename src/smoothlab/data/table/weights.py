"""Weights of the rows in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from smoothlab.data.table.kinds import listed
from smoothlab.errors import BadRow, InvalidArgument, UserMistake


def read_weights(cells: pd.Series) -> np.ndarray:
    """A column of weights ``(N,)``.

    Raises:
        UserMistake: one is negative, empty or no finite number.
    """
    from smoothlab.data.table.numeric import read_numbers

    weights = read_numbers(cells, str(cells.name), where="data.weight")
    if (weights < 0).any():
        row = int(np.flatnonzero(weights < 0)[0])
        raise BadRow(f"data.weight: data row {row + 1} is {weights[row]:g}; expected numbers of at least 0")
    return weights


def row_weights(cells: pd.Series) -> np.ndarray:
    """The same of all rows, of which one at least is positive."""
    weights = read_weights(cells)
    if not (weights > 0).any():
        raise UserMistake(f"data.weight: every weight in {cells.name!r} is 0")
    return weights


def class_weights(
    given: str | Mapping[str, float], class_names: Sequence[str], labels: np.ndarray, weights: np.ndarray | None
) -> np.ndarray:
    """The weight of each class ``(K,)``.

    ``balanced`` is ``n / (K n_class)``, counted in weights where rows have some, in shares of votes where people voted.

    Args:
        given: ``balanced``, or weights by class.
        class_names: by index.
        labels: of the training rows, ``(N,)`` or votes ``(N, K)``.
        weights: of the training rows ``(N,)``, or None.

    Raises:
        InvalidArgument: another word, a class that is not there or has no weight, or a weight that is not positive.
    """
    if isinstance(given, str):
        if given != "balanced":
            raise InvalidArgument("class_weight", given, "null, balanced, or a weight for each class")
        each = np.ones(len(labels)) if weights is None else weights
        if labels.ndim == 1:
            counts = np.bincount(labels, weights=each, minlength=len(class_names))
        else:
            counts = each @ labels
        if (counts <= 0).any():
            raise UserMistake(f"data.weight: class {class_names[int(counts.argmin())]!r} has no weight in training")
        return np.asarray(counts.sum() / (len(class_names) * counts))
    by_name = {str(name): weight for name, weight in given.items()}
    for name in [*by_name, *class_names]:
        if name not in class_names:
            raise InvalidArgument(f"class_weight.{name}", by_name[name], f"classes: {listed(class_names)}")
        weight = by_name.get(name)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
            raise InvalidArgument(f"class_weight.{name}", weight, "a positive number")
    return np.array([by_name[name] for name in class_names], dtype=np.float64)


def weights_of_rows(weight_of: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The weight of each row by its class, for votes the mean over them."""
    return np.asarray(weight_of[labels] if labels.ndim == 1 else labels @ weight_of)
