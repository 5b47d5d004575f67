"""A prior by how similar the embeddings of classes are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.classes.rows_file import ClassRows, read_class_rows
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number
from smoothlab.smoothing.priors.distribution import normalised
from smoothlab.smoothing.priors.table import Table
from smoothlab.smoothing.ranges import check_matrix
from smoothlab.step import Step
from smoothlab.targets import PerClass


class Embeddings:
    """The mass of label y goes to class k by the cosine of the angle between their embeddings, ``c(y, k)``.

    Either ``softmax_k(c(y, k) / temperature)``, or ``max(c(y, k), 0) ** power`` divided by the row's sum; where all are
    0, the label keeps the mass.

    Embeddings of the classes' names come from a text model, those of the classes themselves from the rows of a trained
    net's last layer: ``Embeddings(net.head.weight, temperature=0.1)`` takes them as they are at that moment.

    Args:
        embeddings: K rows of D numbers, none of them all 0, in the order of the logits; or a file of them, with the
            names of the classes or without, see :func:`~smoothlab.classes.rows_file.read_class_rows`. By name, they may
            be in any order and there may be more classes than the data have.
        temperature: above 0, or None where the power is given; smaller keeps the mass nearer to the label.
        power: above 0, or None where the temperature is given.
        own: whether the label's own class has its part in it; else all mass leaves the label.

    Raises:
        InvalidArgument: for arguments outside their range, or both or none of temperature and power; on binding, for
            another K than the data's, or a class without an embedding.

    Source: Liu and JaJa, "Class-Similarity Based Label Smoothing for Confidence Calibration", ICANN 2021.
    """

    by_label = True

    def __init__(
        self,
        embeddings: Sequence[Sequence[float]] | Tensor | str | Path,
        temperature: float | None = None,
        power: float | None = None,
        own: bool = True,
    ) -> None:
        if (temperature is None) == (power is None):
            raise InvalidArgument("temperature", temperature, f"a number, or a power, not both (power = {power})")
        self.temperature = None if temperature is None else check_number("temperature", temperature, above=0)
        self.power = None if power is None else check_number("power", power, above=0)
        self.own = own
        if isinstance(embeddings, str | Path):
            self._rows = read_class_rows("embeddings", embeddings, square=False)
        else:
            try:
                self._rows = ClassRows(torch.as_tensor(embeddings).detach().to("cpu", torch.float64).numpy())
            except (TypeError, ValueError, RuntimeError):
                raise InvalidArgument("embeddings", embeddings, "K rows of D numbers") from None
        self._table = self._table_of(list(range(len(self._rows.values))))

    def _table_of(self, order: list[int]) -> Table:
        check_matrix(len(order))
        cosines = cosine_similarities(torch.as_tensor(self._rows.values))[order][:, order]
        others = torch.ones_like(cosines) if self.own else 1 - torch.eye(len(cosines), dtype=cosines.dtype)
        if self.temperature is not None:
            logits = (cosines / self.temperature).masked_fill(others == 0, -torch.inf)
            weights = torch.softmax(logits, 1).nan_to_num(0.0)  # nan where there is no other class
        else:
            assert self.power is not None
            weights = cosines.clamp_min(0) ** self.power * others
        own = torch.eye(len(cosines), dtype=cosines.dtype)  # the label keeps what no class is similar enough for
        return Table(normalised("embeddings", weights.where(weights.sum(1, keepdim=True) > 0, own)))

    def bind(self, info: ClassInfo) -> None:
        """Take the order of the data's classes, where the embeddings have names; else check their number."""
        self._table = self._table_of(self._rows.order("embeddings", info.class_names))

    def __call__(self, step: Step) -> PerClass:
        """The matrix of distributions, whose row the label picks."""
        return self._table.per_class(step)

    def __repr__(self) -> str:
        form = f"power={self.power}" if self.temperature is None else f"temperature={self.temperature}"
        return f"Embeddings({len(self._table.values)} classes, {form}{'' if self.own else ', own=False'})"


def cosine_similarities(embeddings: Tensor) -> Tensor:
    """The cosines of the angles between all rows, ``(K, K)`` in [-1, 1], 1 on the diagonal.

    Args:
        embeddings: ``(K, D)`` in float64.

    Raises:
        InvalidArgument: for another shape, a row of zeros, whose angles are not known, and numbers that are not finite.
    """
    if embeddings.ndim != 2 or embeddings.numel() == 0:
        raise InvalidArgument("embeddings", tuple(embeddings.shape), "K rows of D numbers")
    lengths = embeddings.norm(dim=1, keepdim=True)
    if not bool((lengths.isfinite() & (lengths > 0)).all()):
        row = int((~(lengths.isfinite() & (lengths > 0))).nonzero()[0, 0])
        raise InvalidArgument("embeddings", f"row {row}", "finite numbers, some of them not 0")
    unit: Tensor = embeddings / lengths
    return (unit @ unit.T).clamp(-1, 1).fill_diagonal_(1.0)
