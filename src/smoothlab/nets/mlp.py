"""A multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from smoothlab.errors import InvalidArgument
from smoothlab.flat_keys import takes_keys
from smoothlab.nets.number_embeddings import PLAIN, EmbeddedNumbers
from smoothlab.nets.table_features import TableFeatures
from smoothlab.numbers import check_share, check_whole


class MLP(nn.Sequential):
    """Linear layers with ReLU and dropout between them; categories come in by their embeddings, numbers too if asked.

    Args:
        in_features: width of the input ``(N, in_features)``; None where there are categories.
        num_classes: width of the output, the logits ``(N, num_classes)``.
        hidden: widths of the hidden layers; none makes a linear model (of the embeddings, where there are some).
        dropout: share of the hidden units that a training step drops, in [0, 1).
        num_numeric: with categories, numeric columns of the input ``(N, num_numeric + C)``, codes last.
        cardinalities: how many categories each of the C columns with codes has.
        embedding: width of a category's embedding.
        numbers: whether numbers become vectors; its fields may be given as keywords (``numbers="periodic"``).

    Raises:
        InvalidArgument: for an argument outside its range, or where the width of the input is not said.
    """

    @takes_keys
    def __init__(
        self,
        in_features: int | None = None,
        num_classes: int | None = None,
        *,
        hidden: Sequence[int],
        dropout: float = 0.0,
        num_numeric: int = 0,
        cardinalities: Sequence[int] = (),
        embedding: int = 8,
        numbers: EmbeddedNumbers = PLAIN,
    ) -> None:
        check_hidden(dropout, hidden)
        layers: list[nn.Module] = []
        if cardinalities or numbers.numbers != "plain":
            columns = num_numeric if cardinalities else check_sizes(in_features, num_classes)[0]
            first = TableFeatures(columns, cardinalities, embedding, numbers)
            layers.append(first)
            in_features = first.out_features
        width, num_classes = check_sizes(in_features, num_classes)
        for size in hidden:
            layers += [nn.Linear(width, size), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
            width = size
        super().__init__(*layers, nn.Linear(width, num_classes))

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` for features ``(N, in_features)`` or ``(N, num_numeric + C)``."""
        for layer in self:
            features = layer(features)
        return features


def check_hidden(dropout: float, hidden: Sequence[int]) -> None:
    """Refuse what is no share, and widths below 1."""
    check_share("dropout", dropout)
    if any(width < 1 for width in hidden):
        raise InvalidArgument("hidden", list(hidden), "widths of at least 1")


def check_sizes(in_features: int | None, num_classes: int | None) -> tuple[int, int]:
    """Refuse features or classes whose number is not said, or none."""
    features = "the number of features; this net is for tables"
    return (
        check_whole("in_features", in_features, 1, expected=features),
        check_whole("num_classes", num_classes, 1, expected="the number of classes"),
    )
