"""Numbers and category codes of a table's rows, as one vector of numbers a row."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from smoothlab.errors import InvalidArgument
from smoothlab.nets.number_embeddings import EmbeddedNumbers
from smoothlab.numbers import check_whole

# Whole numbers up to here are exact; beyond, two categories would be one.
EXACT = {torch.bfloat16: 1 << 8, torch.float16: 1 << 11, torch.float32: 1 << 24}


class TableFeatures(nn.Module):
    """An embedding for each category, behind the numeric columns, which stay as they are or become vectors too.

    All columns' embeddings stand in one table, so that a batch is one look-up. They begin uniform in
    ``[-1 / sqrt(embedding), 1 / sqrt(embedding)]``.

    Args:
        num_numeric: numeric columns, the first of the features ``(N, num_numeric + C)``.
        cardinalities: of each of the C columns with codes 0, 1, ..., how many there are.
        embedding: width of a category's embedding.
        numbers: what becomes of the numeric columns.

    Raises:
        InvalidArgument: no column at all, or a width below 1.

    Source: Gorishniy, Rubachev, Khrulkov and Babenko, "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021.
    """

    begins: Tensor  # (C,) of each column's categories in the table

    def __init__(
        self, num_numeric: int, cardinalities: Sequence[int], embedding: int, numbers: EmbeddedNumbers
    ) -> None:
        super().__init__()
        if num_numeric < 0 or (not num_numeric and not cardinalities):
            raise InvalidArgument("num_numeric", num_numeric, "at least one column, numeric or with codes")
        if any(categories < 1 for categories in cardinalities):
            raise InvalidArgument("cardinalities", list(cardinalities), "numbers of categories, at least 1")
        check_whole("embedding", embedding, 1)
        self.num_numeric = num_numeric
        self.embedding = embedding
        self.cardinalities = list(cardinalities)
        self.numbers = numbers.module(num_numeric)
        width = num_numeric if self.numbers is None else self.numbers.out_features
        self.out_features = width + embedding * len(cardinalities)
        if cardinalities:
            begins = torch.tensor([0, *cardinalities[:-1]]).cumsum(0)
            self.register_buffer("begins", begins, persistent=False)
            self.table = nn.Embedding(sum(cardinalities), embedding)
            nn.init.uniform_(self.table.weight, -(embedding**-0.5), embedding**-0.5)

    @property
    def widths(self) -> list[int]:
        """How many of ``out_features`` belong together: those of a number's vector, and of a category's embedding."""
        numbers = [1] * self.num_numeric if self.numbers is None else self.numbers.widths
        return [*numbers, *[self.embedding] * len(self.cardinalities)]

    def forward(self, features: Tensor) -> Tensor:
        """``(N, out_features)`` for features ``(N, num_numeric + C)``, codes last."""
        if not self.cardinalities:
            return features if self.numbers is None else self.numbers(features)
        numbers, places = split_codes(features, self.num_numeric, self.cardinalities, self.begins)
        numbers = numbers if self.numbers is None else self.numbers(numbers)
        return torch.cat([numbers, self.table(places).flatten(1).to(numbers.dtype)], 1)


def split_codes(
    features: Tensor, num_numeric: int, cardinalities: Sequence[int], begins: Tensor
) -> tuple[Tensor, Tensor]:
    """The numbers, and the codes as rows of a table in which one column's categories follow the other's.

    Raises:
        InvalidArgument: another number of columns, or floats too short for the codes.
    """
    if features.ndim != 2 or features.shape[1] != num_numeric + len(cardinalities):
        expected = f"shape (N, {num_numeric + len(cardinalities)})"
        raise InvalidArgument("features", f"shape {tuple(features.shape)}", expected)
    if max(cardinalities) > EXACT.get(features.dtype, 1 << 53):
        expected = f"floats that hold {max(cardinalities)} categories, such as trainer.precision=bf16-mixed or 32-true"
        raise InvalidArgument("features", str(features.dtype), expected)
    return features[:, :num_numeric], features[:, num_numeric:].long() + begins
