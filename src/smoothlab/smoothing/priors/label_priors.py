"""Priors of multi-label targets: what each label goes to, present or absent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number, check_whole
from smoothlab.smoothing.priors.distribution import check_classes, checked_weights
from smoothlab.smoothing.priors.table import Table
from smoothlab.step import Step


@dataclass(frozen=True)
class Half:
    """Every label goes to 1/2: ``(1 - epsilon) y + epsilon / 2``, so 1 becomes ``1 - epsilon / 2``.

    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, for the two values
    of a label; the convention of Keras' BinaryCrossentropy and timm's smooth_dense.
    """

    of_label_sets: ClassVar[bool] = True

    def __call__(self, step: Step) -> float:
        """One half."""
        return 0.5


@dataclass(frozen=True)
class Flip:
    """Every label goes to its opposite: ``(1 - 2 epsilon) y + epsilon``, so 1 becomes ``1 - epsilon``.

    The same targets as :class:`Half` with twice the epsilon. From 0.5 on it turns labels into their opposite. It says
    what a label is worth whose annotators err with the probability epsilon.

    Source: the convention of mmpretrain (which takes each share above 0 for 1).
    """

    of_label_sets: ClassVar[bool] = True

    def __call__(self, step: Step) -> Tensor:
        """The opposite of each label, ``(N, K)``."""
        if step.labels.ndim < 2:
            raise InvalidArgument("labels", f"shape {tuple(step.labels.shape)}", "shape (N, K), one column a label")
        return 1 - step.labels


class Prevalence:
    """Every label goes to how often it is present in the training data, its prevalence.

    ``r_k = (count_k + pseudo_count) / (samples + 2 pseudo_count)``, moved by a power on the scale of the odds,
    ``r^power / (r^power + (1 - r)^power)``: power 1 leaves it, 0 is :class:`Half`. A rare label that is absent is then
    hardly smoothed, and one that is present is smoothed as a rare one may be. Where the training labels are closed
    under a tree, so are their prevalences.

    Args:
        power: a number >= 0.
        pseudo_count: added to samples with and without the label, >= 0; above 0, no label counts as impossible.
        counts: K numbers of training samples with the label in the order of the logits, or None: those that the
            smoother is bound to.
        num_samples: training samples, where counts are given.

    Raises:
        InvalidArgument: for arguments outside their range; on binding, for another K than the data's or data that do
            not say how many samples they have; in a step where neither counts nor data are known.

    No publication: the class-frequency prior of Pereyra et al., ICLR workshop 2017, label by label.
    """

    of_label_sets: ClassVar[bool] = True

    def __init__(
        self,
        power: float,
        pseudo_count: float,
        counts: Sequence[float] | Tensor | None = None,
        num_samples: int | None = None,
    ) -> None:
        self.power = check_number("power", power, at_least=0)
        self.pseudo_count = check_number("pseudo_count", pseudo_count, at_least=0)
        self._given = counts is not None
        self._table: Table | None = None
        if counts is not None:
            if num_samples is None:
                raise InvalidArgument("num_samples", None, "the number of training samples, beside their counts")
            self._fill(counts, check_whole("num_samples", num_samples, 1))

    def _fill(self, counts: object, num_samples: int) -> None:
        present = checked_weights("counts", counts, 1)
        if float(present.max()) > num_samples:
            raise InvalidArgument("counts", float(present.max()), f"at most {num_samples}, the samples there are")
        rates = (present + self.pseudo_count) / (num_samples + 2 * self.pseudo_count)
        moved = torch.sigmoid(self.power * torch.logit(rates)) if self.power else torch.full_like(rates, 0.5)
        self._table = Table(moved)

    def bind(self, info: ClassInfo) -> None:
        """Take the data's counts, unless counts were given."""
        if self._table is not None and self._given:
            check_classes("counts", len(self._table.values), info.class_names)
            return
        if not info.num_samples:
            raise InvalidArgument("num_samples", info.num_samples, "data that say how many training samples they have")
        self._fill(info.class_counts, info.num_samples)

    def __call__(self, step: Step) -> Tensor:
        """The prevalences ``(K,)``."""
        if self._table is None:
            raise InvalidArgument("counts", None, "a number a label, or MultilabelSmoother.bind with those of the data")
        return self._table.at(step)

    def __repr__(self) -> str:
        return f"Prevalence(power={self.power}, pseudo_count={self.pseudo_count})"
