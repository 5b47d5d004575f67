"""A text classifier that pools its tokens' vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from smoothlab.errors import InvalidArgument
from smoothlab.nets.mlp import MLP
from smoothlab.numbers import check_whole

Pooling = Literal["mean", "root"]
SPREAD = 0.05  # of the vectors at the start: large ones of rare tokens would stay, as noise


class EmbeddingBag(nn.Module):
    """The tokens' vectors pooled, then linear layers: the order of the tokens does not count.

    Args:
        vocab_size: tokens, the ids ``(N, T)`` are below it.
        num_classes: width of the output, the logits ``(N, num_classes)``.
        padding_index: the id that is no token; a text of nothing else is pooled to 0.
        width: of a token's vector, at least 1.
        pooling: ``mean``, or ``root``: the sum over the square root of the number of tokens, so that a word counts
            more in a long text than in the mean.
        hidden: widths of hidden layers between pooled vector and logits; none makes a model that is linear in the
            token counts.
        dropout: share of the pooled vector, and of hidden units, that a training step drops, in [0, 1).

    Raises:
        InvalidArgument: for arguments outside their range.

    Sources: Joulin, Grave, Bojanowski and Mikolov, "Bag of Tricks for Efficient Text Classification", EACL 2017; here
    with subwords in place of words and hashed pairs of words. ``root``: Cer et al., "Universal Sentence Encoder", EMNLP
    2018.
    """

    def __init__(
        self,
        vocab_size: int,
        num_classes: int,
        *,
        padding_index: int,
        width: int,
        pooling: Pooling = "root",
        hidden: Sequence[int] = (),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        check_whole("width", width, 1)
        if pooling not in get_args(Pooling):
            raise InvalidArgument("pooling", pooling, f"one of {', '.join(get_args(Pooling))}")
        self.head = MLP(width, num_classes, hidden=hidden, dropout=dropout)  # checks hidden and dropout
        self.embeddings = nn.EmbeddingBag(vocab_size, width, mode="mean", padding_idx=padding_index)
        nn.init.normal_(self.embeddings.weight, std=SPREAD)
        with torch.no_grad():
            self.embeddings.weight[padding_index].zero_()
        self.padding_index = padding_index
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` for token ids ``(N, T)``."""
        pooled = self.embeddings(ids)
        if self.pooling == "root":
            pooled = pooled * (ids != self.padding_index).sum(1, keepdim=True).sqrt()
        return self.head(self.dropout(pooled))
