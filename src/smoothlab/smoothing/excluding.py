"""Classes that get no smoothing mass, whatever the prior: padding, masked or retired classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.errors import InvalidArgument
from smoothlab.smoothing.priors.table import Table
from smoothlab.step import Step
from smoothlab.targets import OtherClasses, PerClass, PerSample, Prior


class ExcludedClasses:
    """Takes the mass of some classes out of a prior, and gives it to the others in proportion.

    What becomes of a prior: uniform is ``1/m`` on the m classes that are left, a vector; exclusive is ``1/(m - 1)`` on
    those that are left and not the label (:class:`~smoothlab.targets.OtherClasses`), so that the label keeps
    ``1 - epsilon`` however many classes logits mask beside; vectors, matrices and rows stay what they are, divided by
    what is left of them. Where nothing is left, the label keeps the mass.

    A label that is itself excluded is smoothed over the others; those who mean padding ignore such rows in the loss.

    Args:
        classes: by number in [0, K), or by name, for which the smoother must be bound to the data's classes.

    Raises:
        InvalidArgument: for anything else; where K or the names are known, for classes that are not there or none left;
            in a step, for names that no data were bound to, or a prior by name where nothing shows K.

    Source: the loss of OpenNMT-py before 2.3 (``epsilon / (K - 2)`` on all but label and padding); Chen et al., "Focus
    on the Target's Vocabulary: Masked Label Smoothing for Machine Translation", ACL 2022, for parts of a vocabulary.
    """

    def __init__(self, classes: Sequence[int | str]) -> None:
        if isinstance(classes, str) or not isinstance(classes, Sequence):
            raise InvalidArgument("exclude", classes, "a list of classes, by name or number")
        for label in classes:
            if isinstance(label, bool) or not isinstance(label, int | str) or (isinstance(label, int) and label < 0):
                raise InvalidArgument("exclude", label, "the name of a class, or its number, 0 or more")
        self.classes = list(classes)
        self._names: list[str] | None = None
        self._left: Table | None = None  # 1 on the classes that are left, (K,)
        self._matrix: tuple[Tensor, int, PerClass] | None = None  # the last matrix that came, its version, and ours

    def bind(self, info: ClassInfo) -> None:
        """Learn which class has which name."""
        self._names = list(info.class_names)
        self._left = self._table(len(self._names))

    def __call__(self, epsilon: float | Tensor, prior: Prior, step: Step) -> tuple[float | Tensor, Prior]:
        """Strength and prior without the classes; the strength becomes 0 where nothing is left of the prior.

        No value is looked at but on a CPU, so that no device has to wait.
        """
        if isinstance(epsilon, float) and epsilon == 0.0:
            return epsilon, prior
        if isinstance(prior, Tensor):
            vector, some = self._rows(prior, step)
            if not vector.is_cpu:
                return _where(epsilon, some, vector.dtype), vector
            return (epsilon if bool(some) else 0.0 if isinstance(epsilon, float) else epsilon * 0.0), vector
        if isinstance(prior, PerSample):
            rows, some = self._rows(prior.rows, step)
            labels = step.labels
            shape = labels.shape[:-1] if labels.is_floating_point() else labels.shape
            return _where(epsilon, some.reshape(shape), rows.dtype), PerSample(rows)
        if isinstance(prior, PerClass):
            return epsilon, self._of_matrix(prior.matrix, step)
        if isinstance(prior, OtherClasses):
            return epsilon, OtherClasses(
                prior.weights * self._left_of(len(prior.weights), step).to(prior.weights.dtype)
            )
        classes = step.num_classes or (len(self._names) if self._names else None)
        if classes is None:
            raise InvalidArgument("exclude", self.classes, "logits, votes, or Smoother.bind, since K is not known")
        left = self._left_of(classes, step)
        return epsilon, OtherClasses(left) if prior == "exclusive" else left / left.sum()

    def _rows(self, rows: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """Distributions ``(..., K)`` without the classes, and ``(...)`` whether anything was left of them."""
        left = self._left_of(rows.shape[-1], step)
        rows = rows * left.to(rows.dtype)
        sums = rows.sum(-1, keepdim=True)
        some = ~(sums <= 0)  # nan stays nan
        return torch.where(some, rows / sums.where(some, 1), (left / left.sum()).to(rows.dtype)), some.squeeze(-1)

    def _of_matrix(self, matrix: Tensor, step: Step) -> PerClass:
        """A matrix without the classes; made again only where it is another tensor, or was changed in place."""
        if self._matrix is not None and self._matrix[0] is matrix and self._matrix[1] == _version(matrix):
            return self._matrix[2]
        rows, some = self._rows(matrix, step)
        own = torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
        made = PerClass(torch.where(some.unsqueeze(-1), rows, own))
        if not matrix.requires_grad and not matrix.is_inference():
            self._matrix = (matrix, _version(matrix), made)
        return made

    def _left_of(self, classes: int, step: Step) -> Tensor:
        if self._left is None or len(self._left.values) != classes:
            self._left = self._table(classes)
        return self._left.at(step)

    def _table(self, classes: int) -> Table:
        left = torch.ones(classes, dtype=torch.float64)
        for label in self.classes:
            if isinstance(label, str):
                if self._names is None:
                    raise InvalidArgument("exclude", label, "numbers of classes, or Smoother.bind with their names")
                if label not in self._names:
                    known = ", ".join(self._names[:20]) + (", ..." if len(self._names) > 20 else "")
                    raise InvalidArgument("exclude", label, f"names of classes: {known}")
                left[self._names.index(label)] = 0.0
            elif label >= classes:
                raise InvalidArgument("exclude", label, f"a number below {classes}, the number of classes")
            else:
                left[label] = 0.0
        if not bool(left.any()):
            raise InvalidArgument("exclude", self.classes, "some class to be left")
        return Table(left)

    def __repr__(self) -> str:
        return f"ExcludedClasses({self.classes})"


def _where(epsilon: float | Tensor, some: Tensor, dtype: torch.dtype) -> Tensor:
    """The strength where anything of the prior is left, else 0: ``(...)``."""
    if isinstance(epsilon, Tensor):
        return epsilon * some
    return some.to(dtype) * epsilon


def _version(tensor: Tensor) -> int:
    """Counts changes in place."""
    return -1 if tensor.is_inference() else tensor._version
