"""Priors by the distance of classes that have an order: a matrix (K, K) made when K is known."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo, check_order
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_whole
from smoothlab.smoothing.priors.table import Table
from smoothlab.smoothing.ranges import check_matrix
from smoothlab.step import Step
from smoothlab.targets import PerClass


class ClassDistance(ABC):
    """A prior whose row for label y is a distribution around y on the axis of classes 0, 1, ..., K - 1.

    K comes from the constructor, from the data that the smoother is bound to, or from the logits of a step. The order
    of the logits has to be that of the classes: data that say that theirs have none are refused, where K is above 2.

    Args:
        num_classes: K, or None where one of the others is there.

    Raises:
        InvalidArgument: for K below 1; on binding, for another K than the data's, or classes without an order; in a
            step that does not show K.
    """

    by_label = True

    def __init__(self, num_classes: int | None = None) -> None:
        self.num_classes = None if num_classes is None else check_whole("num_classes", num_classes, 1)
        self._table: Table | None = None

    @abstractmethod
    def matrix(self, num_classes: int) -> Tensor:
        """The rows ``(K, K)`` in float64, each summing to 1."""

    def bind(self, info: ClassInfo) -> None:
        """Learn the number of classes, and that they are in an order."""
        check_order(info)
        classes = len(info.class_names)
        if self.num_classes not in (None, classes):
            raise InvalidArgument("num_classes", self.num_classes, f"{classes}, as the data have")
        check_matrix(classes)
        self.num_classes = classes

    def __call__(self, step: Step) -> PerClass:
        """The matrix, whose row the label picks."""
        classes = self.num_classes or step.num_classes
        if classes is None:
            raise InvalidArgument("num_classes", None, "K, where neither logits nor votes show it")
        if self._table is None or len(self._table.values) != classes:
            check_matrix(classes)
            self._table = Table(self.matrix(classes))
        return self._table.per_class(step)


def class_gaps(num_classes: int) -> Tensor:
    """Distances ``|k - y|``, ``(K, K)`` in float64."""
    places = torch.arange(num_classes, dtype=torch.float64)
    return (places - places.unsqueeze(1)).abs()
