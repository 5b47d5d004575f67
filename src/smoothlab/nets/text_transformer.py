"""A small transformer encoder that classifies texts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from smoothlab.errors import InvalidArgument
from smoothlab.nets.attention import EncoderBlock, tokens_seen
from smoothlab.numbers import check_share, check_whole


class TextTransformer(nn.Module):
    """Token and position vectors, blocks of attention and two linear layers, then a linear layer on the tokens' mean.

    Args:
        vocab_size: tokens, the ids ``(N, T)`` are below it.
        num_classes: width of the output, the logits ``(N, num_classes)``.
        padding_index: the id that is no token: nothing attends to it, and it is not in the mean.
        max_length: T at most.
        width: of a token's vector, a multiple of ``heads``.
        blocks: how many, at least 1.
        heads: of an attention, at least 1.
        hidden: width between the two linear layers of a block, at least 1.
        dropout: share of the vectors, the attention and the hidden units that a training step drops, in [0, 1).

    Raises:
        InvalidArgument: for arguments outside their range.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017; the normalisation before each part, as in Xiong
    et al., "On Layer Normalization in the Transformer Architecture", ICML 2020.
    """

    def __init__(
        self,
        vocab_size: int,
        num_classes: int,
        *,
        padding_index: int,
        max_length: int,
        width: int,
        blocks: int = 2,
        heads: int = 4,
        hidden: int = 128,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        for name, value in (("blocks", blocks), ("heads", heads), ("hidden", hidden), ("max_length", max_length)):
            check_whole(name, value, 1)
        if width < 1 or width % heads:
            raise InvalidArgument("width", width, f"a multiple of heads = {heads}, at least {heads}")
        check_share("dropout", dropout)
        self.padding_index = padding_index
        self.tokens = nn.Embedding(vocab_size, width, padding_idx=padding_index)
        self.positions = nn.Parameter(torch.randn(max_length, width) * 0.02)
        nn.init.normal_(self.tokens.weight, std=0.02)
        with torch.no_grad():
            self.tokens.weight[padding_index].zero_()
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(EncoderBlock(width, heads, hidden, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` for token ids ``(N, T)``, T at most ``max_length``."""
        is_token = ids != self.padding_index
        seen = tokens_seen(is_token)  # the mean of a text without any token is 0 below
        vectors = self.dropout(self.tokens(ids) + self.positions[: ids.shape[1]])
        for block in self.blocks:
            vectors = block(vectors, seen)
        share = is_token / is_token.sum(1, keepdim=True).clamp_min(1)  # (N, T)
        mean = torch.einsum("nt,ntw->nw", share.to(vectors.dtype), self.norm(vectors))
        return self.head(self.dropout(mean))
