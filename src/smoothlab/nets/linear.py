"""Logistic regression: what any deeper net has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from smoothlab.nets.mlp import check_sizes
from smoothlab.nets.table_features import split_codes


class Linear(nn.Module):
    """``W x + b`` with, of each category, its own addition to each logit; begins at 0.

    The same model as with one-hot features, which codes save. The loss is convex in it, so that the start does not
    matter. Its L2 penalty is the optimizer's weight decay.

    Args:
        in_features: width of the input ``(N, in_features)``; None where there are categories.
        num_classes: width of the output, the logits ``(N, num_classes)``.
        num_numeric: with categories, numeric columns of the input ``(N, num_numeric + C)``, codes last.
        cardinalities: how many categories each of the C columns with codes has.

    Raises:
        InvalidArgument: the width of the input or the number of classes is not said.
    """

    begins: Tensor  # (C,) of each column's categories in their table

    def __init__(
        self,
        in_features: int | None = None,
        num_classes: int | None = None,
        *,
        num_numeric: int = 0,
        cardinalities: Sequence[int] = (),
    ) -> None:
        super().__init__()
        columns = num_numeric + len(cardinalities) if cardinalities else in_features
        width, num_classes = check_sizes(columns, num_classes)
        self.cardinalities = list(cardinalities)
        self.num_numeric = num_numeric if cardinalities else width
        self.numbers = nn.Linear(self.num_numeric, num_classes)
        nn.init.zeros_(self.numbers.weight)
        nn.init.zeros_(self.numbers.bias)
        if cardinalities:
            begins = torch.tensor([0, *cardinalities[:-1]]).cumsum(0)
            self.register_buffer("begins", begins, persistent=False)
            self.categories = nn.EmbeddingBag(sum(cardinalities), num_classes, mode="sum")
            nn.init.zeros_(self.categories.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` for features ``(N, in_features)`` or ``(N, num_numeric + C)``."""
        if not self.cardinalities:
            return self.numbers(features)
        numbers, places = split_codes(features, self.num_numeric, self.cardinalities, self.begins)
        return self.numbers(numbers) + self.categories(places)
