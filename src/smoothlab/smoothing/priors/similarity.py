"""A prior by how similar classes are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.classes.rows_file import ClassRows, read_class_rows
from smoothlab.numbers import check_number
from smoothlab.smoothing.priors.distribution import checked_weights, normalised
from smoothlab.smoothing.priors.table import Table
from smoothlab.step import Step
from smoothlab.targets import PerClass


class Similarity:
    """The mass of label y goes to class k by a given similarity: ``matrix[y, k] ** power``, divided by the row's sum.

    With a similarity of 1 on the diagonal part of the mass stays with the label; a diagonal of 0 sends it all to the
    other classes. A confusion matrix of counts, rows by true class, will do as well.

    Args:
        matrix: K rows of K numbers >= 0, none of the rows all 0, in the order of the logits; or a file of them, with
            the names of the classes or without, see :func:`~smoothlab.classes.rows_file.read_class_rows`. By name, the
            matrix may be in any order and have more classes than the data.
        power: above 0; above 1 it favours the most similar classes.

    Raises:
        InvalidArgument: for arguments outside their range; on binding, for another K than the data's, or a class that
            the matrix does not name.

    Source: Liu and JaJa, "Class-Similarity Based Label Smoothing for Confidence Calibration", ICANN 2021.
    """

    by_label = True

    def __init__(self, matrix: Sequence[Sequence[float]] | Tensor | str | Path, power: float = 1.0) -> None:
        self.power = check_number("power", power, above=0)
        if isinstance(matrix, str | Path):
            self._rows = read_class_rows("matrix", matrix, square=True)
        else:
            self._rows = ClassRows(checked_weights("matrix", matrix, 2).numpy())
        self._table = self._table_of(list(range(len(self._rows.values))))

    def _table_of(self, order: list[int]) -> Table:
        weights = checked_weights("matrix", self._rows.values, 2)[order][:, order]
        return Table(normalised("matrix", weights**self.power))

    def bind(self, info: ClassInfo) -> None:
        """Take the order of the data's classes, where the matrix names its own; else check their number."""
        self._table = self._table_of(self._rows.order("matrix", info.class_names))

    def __call__(self, step: Step) -> PerClass:
        """The matrix of distributions, whose row the label picks."""
        return self._table.per_class(step)

    def __repr__(self) -> str:
        return f"Similarity({len(self._table.values)} classes, power={self.power})"
