"""What priors by class counts share: given counts, or those of the data that they are bound to."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.errors import InvalidArgument
from smoothlab.smoothing.priors.distribution import check_classes
from smoothlab.smoothing.priors.table import Table
from smoothlab.step import Step


class CountPrior(ABC):
    """A distribution ``(K,)`` that follows from class counts; a subclass says how in :meth:`table_of`."""

    by_label = True

    def take(self, counts: object) -> None:
        """Given counts stay; None takes those of the data."""
        self._given = counts is not None
        self._table = None if counts is None else self.table_of(counts)

    @abstractmethod
    def table_of(self, counts: object) -> Table:
        """The distribution that follows from counts, one number >= 0 a class.

        Raises:
            InvalidArgument: they are none.
        """

    def bind(self, info: ClassInfo) -> None:
        """Take the data's counts, unless counts were given."""
        if self._table is not None and self._given:
            check_classes("counts", len(self._table.values), info.class_names)
        else:
            self._table = self.table_of(info.class_counts)

    def __call__(self, step: Step) -> Tensor:
        """The distribution ``(K,)``."""
        if self._table is None:
            raise InvalidArgument("counts", None, "a number a class, or Smoother.bind with those of the data")
        return self._table.at(step)
