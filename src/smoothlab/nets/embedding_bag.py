"""A text classifier that takes the mean of its tokens."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from smoothlab.errors import InvalidArgument
from smoothlab.nets.mlp import MLP


class EmbeddingBag(nn.Module):
    """The mean of the tokens' vectors, then linear layers: the order of the tokens does not count.

    Args:
        vocab_size: tokens, the ids ``(N, T)`` are below it.
        num_classes: width of the output, the logits ``(N, num_classes)``.
        padding_index: the id that is no token; a text of nothing else has the mean 0.
        width: of a token's vector, at least 1.
        hidden: widths of hidden layers between mean and logits; none makes a model that is linear in the token shares.
        dropout: share of the mean, and of hidden units, that a training step drops, in [0, 1).

    Raises:
        InvalidArgument: for arguments outside their range.

    Source: Joulin, Grave, Bojanowski and Mikolov, "Bag of Tricks for Efficient Text Classification", EACL 2017; here
    with subwords in place of words and hashed pairs of words.
    """

    def __init__(
        self,
        vocab_size: int,
        num_classes: int,
        *,
        padding_index: int,
        width: int,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if width < 1:
            raise InvalidArgument("width", width, "an integer of at least 1")
        self.head = MLP(width, num_classes, hidden=hidden, dropout=dropout)  # checks hidden and dropout
        self.embeddings = nn.EmbeddingBag(vocab_size, width, mode="mean", padding_idx=padding_index)
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` for token ids ``(N, T)``."""
        return self.head(self.dropout(self.embeddings(ids)))
