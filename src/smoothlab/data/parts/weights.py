"""What a sample counts in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from smoothlab.data.parts.keys import Name, named, settle
from smoothlab.data.table.labels import LabelledRows
from smoothlab.data.table.weights import class_weights, row_weights, weights_of_rows
from smoothlab.errors import InvalidArgument, UserMistake


@dataclass(frozen=True)
class Weights:
    """Weights of rows and of classes; see ``conf/data/part/weights.yaml``."""

    weight: Name | None = None
    class_weight: str | dict[str, float] | None = None

    def __post_init__(self) -> None:
        settle(self, weight=named(self.weight))

    def refuse_several(self, kind: str) -> None:
        """Refuse weights of classes where a sample has several.

        Raises:
            InvalidArgument: they are given.
        """
        if self.class_weight is not None and kind == "multilabel":
            raise InvalidArgument("class_weight", self.class_weight, "null with labels=multilabel")

    def of(self, frame: pd.DataFrame, labelled: LabelledRows, train: np.ndarray) -> np.ndarray | None:
        """The weight of each row ``(N,)``, 1 in the mean over the training rows; None where all count the same.

        Args:
            frame: the rows that have a label.
            labelled: their labels.
            train: positions of the training rows.
        """
        if self.weight is None and self.class_weight is None:
            return None
        weights = np.ones(len(frame)) if self.weight is None else row_weights(frame[self.weight])
        if self.class_weight is not None:
            of_train = None if self.weight is None else weights[train]
            by_class = class_weights(self.class_weight, labelled.names, labelled.values[train], of_train)
            weights = weights * weights_of_rows(by_class, labelled.values)
        if not weights[train].sum() > 0:
            raise UserMistake(f"data.weight: every weight in {self.weight!r} is 0 in the training rows")
        return np.asarray(weights / weights[train].mean(), dtype=np.float32)
