"""A row a class: how often it is the label, what the model makes of it, how far its probabilities can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smoothlab.errors import InvalidArgument
from smoothlab.metrics.inputs import reads
from smoothlab.metrics.prediction import Prediction
from smoothlab.reports.stack import Stack


@reads(Prediction.of, weights=False)
def class_table(prediction: Prediction, *, class_names: Sequence[str], num_bins: int = 15) -> pd.DataFrame:
    """The calibration of each class, NaN where there is nothing to tell from.

    Columns: ``class``; ``samples`` with this label and their ``share``; ``predicted``, how many; ``mean_probability``
    over all samples, and ``probability_gap``, it less the share (positive: the class is given too much);
    ``ece`` of the class against the rest; ``nll`` of its samples; ``precision``, ``recall``, ``f1``;
    ``confidence`` where it is predicted and ``confidence_gap``, it less the precision (positive: over-confident).

    Args:
        values: ``(..., K)`` probabilities or logits.
        labels: ``(...)`` class indices, or ``(..., K)`` votes, whose mode is the label.
        from_logits: whether ``values`` are logits.
        mask: ``(...)`` bools, False where a position does not count.
        class_names: K names.
        num_bins: bins of the calibration error.

    Raises:
        InvalidArgument: as many names as classes were expected.
    """
    if len(class_names) != prediction.num_classes:
        raise InvalidArgument("class_names", len(class_names), f"{prediction.num_classes} names")
    numbers = {name: values[0] for name, values in Stack(prediction, 1).of_classes(num_bins).items()}
    return pd.DataFrame({"class": list(class_names)} | numbers)


def most_changed(first: pd.DataFrame, last: pd.DataFrame, most: int) -> NDArray[np.int64]:
    """Rows of the classes, ``most`` of them, whose NLL differs most between two tables of the same classes."""
    change = (last["nll"] - first["nll"]).abs().fillna(0.0).to_numpy()
    return np.sort(np.argsort(-change, kind="stable")[:most])
