"""Soft ordinal labels: neighbouring classes get more mass than distant ones."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from smoothlab.numbers import check_choice, check_number
from smoothlab.smoothing.priors.class_distance import ClassDistance, class_gaps

DISTANCES = ("absolute", "squared")


class Sord(ClassDistance):
    """The mass of label y goes to class k as ``softmax_k(-alpha * phi(|k - y|))``, the label's own included.

    The original takes this distribution alone as the target: that is a strength just below 1. A smaller epsilon mixes
    it with the label.

    Args:
        alpha: above 0; larger keeps the mass nearer to the label.
        distance: phi: ``absolute`` is ``|k - y|``, ``squared`` is ``|k - y| ** 2``.
        num_classes: see :class:`~smoothlab.smoothing.priors.class_distance.ClassDistance`.

    Raises:
        InvalidArgument: for an argument outside its range.

    Source: Diaz and Marathe, "Soft Labels for Ordinal Regression", CVPR 2019.
    """

    def __init__(
        self, alpha: float, distance: Literal["absolute", "squared"] = "absolute", num_classes: int | None = None
    ) -> None:
        super().__init__(num_classes)
        self.alpha = check_number("alpha", alpha, above=0)
        self.distance = check_choice("distance", distance, DISTANCES)

    def matrix(self, num_classes: int) -> Tensor:
        """The rows ``(K, K)``."""
        gaps = class_gaps(num_classes)
        return torch.softmax(-self.alpha * (gaps if self.distance == "absolute" else gaps.square()), 1)

    def __repr__(self) -> str:
        return f"Sord(alpha={self.alpha}, distance={self.distance!r})"
