"""Strength by class: some labels are trusted less than others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_share
from smoothlab.smoothing.priors.table import Table
from smoothlab.smoothing.ranges import clamp_strength
from smoothlab.step import Step


class ByClass:
    """An epsilon of its own for each class: that of the label, or for votes the expected one, ``<votes, epsilon>``.

    Args:
        epsilon: K numbers in [0, 1) in the order of the logits, or numbers by class name, for which the smoother must
            be bound to the data's classes.
        default: epsilon of the classes that a mapping does not name, in [0, 1), or None: it must name them all.

    Raises:
        InvalidArgument: for numbers outside their range; on binding, for names that are no classes, classes without a
            number, or another K; in a step, for numbers by name that no data were bound to.
    """

    def __init__(self, epsilon: Sequence[float] | dict[str, float], default: float | None = None) -> None:
        self.epsilon = epsilon
        self.default = None if default is None else check_share("default", default)
        self._table: Table | None = None
        if isinstance(epsilon, dict):
            self._by_name = {str(name): check_share(f"epsilon.{name}", value) for name, value in epsilon.items()}
        elif isinstance(epsilon, Sequence) and not isinstance(epsilon, str) and len(epsilon):
            self._fill([check_share(f"epsilon[{index}]", value) for index, value in enumerate(epsilon)])
        else:
            raise InvalidArgument("epsilon", epsilon, "a list of numbers, one a class, or numbers by class name")

    def _fill(self, values: list[float]) -> None:
        self._table = Table(torch.tensor(values, dtype=torch.float64))

    def bind(self, info: ClassInfo) -> None:
        """Learn which class has which name."""
        if not isinstance(self.epsilon, dict):
            if len(self.epsilon) != len(info.class_names):
                raise InvalidArgument("epsilon", list(self.epsilon), f"{len(info.class_names)} numbers, one a class")
            return
        known = ", ".join(info.class_names)
        for name in self._by_name:
            if name not in info.class_names:
                raise InvalidArgument("epsilon", name, f"names of classes: {known}")
        values = [self._by_name.get(name, self.default) for name in info.class_names]
        missing = [name for name, value in zip(info.class_names, values, strict=True) if value is None]
        if missing:
            raise InvalidArgument("epsilon", dict(self.epsilon), f"a number for {', '.join(missing)} too, or a default")
        self._fill([value for value in values if value is not None])

    def __call__(self, step: Step) -> Tensor:
        """Epsilon ``(...,)`` of labels ``(...,)`` or votes ``(..., K)``."""
        if self._table is None:
            expected = "a list of numbers in the order of the logits, or Smoother.bind with the names of the classes"
            raise InvalidArgument("epsilon", dict(self._by_name), expected)
        return epsilon_of_labels(step, self._table)

    def __repr__(self) -> str:
        default = "" if self.default is None else f", default={self.default}"
        return f"ByClass(epsilon={self.epsilon}{default})"


def epsilon_of_labels(step: Step, table: Table) -> Tensor:
    """The epsilon of each sample's class ``(...,)``, for votes the expected one.

    Args:
        step: labels ``(...,)`` or votes ``(..., K)``.
        table: ``(K,)`` numbers in [0, 1).
    """
    by_class = table.at(step)
    if step.labels.is_floating_point():
        return clamp_strength((step.labels.to(by_class.dtype) * by_class).sum(-1))
    # labels that are ignored are outside [0, K): any number does for them
    return clamp_strength(by_class[step.labels.clamp(0, by_class.shape[0] - 1)])
