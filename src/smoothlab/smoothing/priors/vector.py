"""A prior that is given: the same distribution for every sample."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.smoothing.priors.distribution import check_classes, checked_weights, normalised
from smoothlab.smoothing.priors.table import Table
from smoothlab.step import Step


class Vector:
    """The mass goes to the classes in the proportion of given weights, the label's own included.

    A class of weight 0, such as padding, gets none.

    Args:
        weights: K numbers >= 0, some above 0, in the order of the logits; divided by their sum.

    Raises:
        InvalidArgument: for other weights; on binding, for another K than the data's.

    Source: Pereyra et al., "Regularizing Neural Networks by Penalizing Confident Output Distributions", ICLR workshop
    2017, for unigram frequencies.
    """

    by_label = True

    def __init__(self, weights: Sequence[float] | Tensor) -> None:
        self._table = Table(normalised("weights", checked_weights("weights", weights, 1)))

    def bind(self, info: ClassInfo) -> None:
        """Check the number of classes."""
        check_classes("weights", len(self._table.values), info.class_names)

    def __call__(self, step: Step) -> Tensor:
        """The distribution ``(K,)``."""
        return self._table.at(step)

    def __repr__(self) -> str:
        return f"Vector({[round(weight, 4) for weight in self._table.values.tolist()]})"
