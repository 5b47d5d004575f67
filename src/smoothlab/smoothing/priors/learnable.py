"""A prior that is trained by gradients, together with the model."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from smoothlab.classes.info import ClassInfo
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_whole
from smoothlab.smoothing.ranges import check_matrix
from smoothlab.step import Step
from smoothlab.targets import PerClass


class Learnable(nn.Module):
    """The mass of label y goes to the other classes by row y of a trained matrix: Label Smoothing++.

        C[y, k] = softmax(table[y])_k for k other than y,  C[y, y] = 0

    The table, K rows of K - 1 numbers that start at 0 (all other classes alike), is a parameter: it is in the
    optimizer, with its weight decay, and in checkpoints. Which gradient it gets is the loss's affair. The authors' is
    :class:`smoothlab.losses.SymmetricCrossEntropy`, which draws C to the model's predictions and the model to C. The
    plain cross-entropy sends a gradient too, but one that is content when all of a row lies on one class.

    Raises:
        InvalidArgument: on binding, for one class, or another K than before; in a step where the classes are not known.

    Source: Chhabra et al., "Label Smoothing++", BMVC 2024.
    """

    def __init__(self) -> None:
        super().__init__()
        self.table: nn.Parameter | UninitializedParameter = UninitializedParameter()

    def bind(self, info: ClassInfo) -> None:
        """Make the table for the data's number of classes."""
        classes = len(info.class_names)
        check_whole("classes", classes, 2, expected="at least 2, since a label's mass goes to the others")
        check_matrix(classes)
        if isinstance(self.table, UninitializedParameter):
            self.table = nn.Parameter(torch.zeros(classes, classes - 1))
        if len(self.table) != classes:
            raise InvalidArgument("classes", classes, f"{len(self.table)}, as before")

    def matrix(self) -> Tensor:
        """C ``(K, K)``, with a gradient."""
        classes = len(self.table)
        others = torch.softmax(self.table, 1).reshape(classes - 1, classes)
        # all but the first element of a square matrix, in rows of K + 1: the diagonal is what stands last in each
        return F.pad(F.pad(others, (0, 1)).flatten(), (1, 0)).reshape(classes, classes)

    def forward(self, step: Step) -> PerClass:
        """The matrix, whose row the label picks."""
        if isinstance(self.table, UninitializedParameter):
            raise InvalidArgument("classes", None, "Smoother.bind with those of the data, before the optimizer is made")
        return PerClass(self.matrix())
