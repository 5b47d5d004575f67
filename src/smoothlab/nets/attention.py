"""The blocks that transformers are made of."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

# Keys and values of one attention, (N, heads, T, W / heads) each.
KeysValues = tuple[Tensor, Tensor]


class EncoderBlock(nn.Module):
    """Attention, then two linear layers with a GELU, each added to what came in.

    Args:
        width: of a vector, a multiple of ``heads``.
        heads: of the attention.
        hidden: between the two linear layers.
        dropout: share of the attention and of what is added that a training step drops.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017; the normalisation before each part, as in Xiong
    et al., "On Layer Normalization in the Transformer Architecture", ICML 2020.
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.feed_forward = feed_forward(width, hidden, dropout)

    def forward(self, vectors: Tensor, seen: Tensor) -> Tensor:
        """Vectors ``(N, T, W)``; attention goes where ``seen`` ``(N, 1, 1, T)`` is true."""
        queries, keys, values = split_heads(self.queries_keys_values(self.attention_norm(vectors)), 3, self.heads)
        dropped = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=seen, dropout_p=dropped)
        attended = self.attended(join_heads(mixed))
        vectors = vectors + functional.dropout(attended, self.dropout, self.training)
        return vectors + self.feed_forward(vectors)


class DecoderBlock(nn.Module):
    """Attention to the tokens so far, attention to the encoder's memory, then two linear layers with a GELU.

    Args:
        width: of a vector, a multiple of ``heads``.
        heads: of both attentions.
        hidden: between the two linear layers.
        dropout: share of the attentions and of what is added that a training step drops.

    Source: as ``EncoderBlock``.
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.memory_norm = nn.LayerNorm(width)
        self.memory_queries = nn.Linear(width, width)
        self.memory_keys_values = nn.Linear(width, 2 * width)
        self.remembered = nn.Linear(width, width)
        self.feed_forward = feed_forward(width, hidden, dropout)

    def forward(self, vectors: Tensor, memory: KeysValues, seen: Tensor) -> Tensor:
        """Vectors ``(N, T, W)`` of whole sentences, of which each attends to itself and those before it.

        Args:
            vectors: of the decoder's tokens.
            memory: from ``remember``.
            seen: where the memory is no padding, ``(N, 1, 1, S)``.
        """
        queries, keys, values = self.project(vectors)
        dropped = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(queries, keys, values, dropout_p=dropped, is_causal=True)
        return self.finish(vectors, mixed, memory, seen)

    def remember(self, memory: Tensor) -> KeysValues:
        """Keys and values of the encoder's output ``(N, S, W)``, which stay the same for every token."""
        keys, values = split_heads(self.memory_keys_values(memory), 2, self.heads)
        return keys, values

    def project(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values ``(N, heads, T, W / heads)`` of the tokens ``(N, T, W)`` among themselves."""
        queries, keys, values = split_heads(self.queries_keys_values(self.attention_norm(vectors)), 3, self.heads)
        return queries, keys, values

    def finish(self, vectors: Tensor, mixed: Tensor, memory: KeysValues, seen: Tensor) -> Tensor:
        """What follows the attention among the tokens, whose result is ``mixed`` ``(N, heads, T, W / heads)``."""
        vectors = vectors + functional.dropout(self.attended(join_heads(mixed)), self.dropout, self.training)
        (queries,) = split_heads(self.memory_queries(self.memory_norm(vectors)), 1, self.heads)
        dropped = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(queries, *memory, attn_mask=seen, dropout_p=dropped)
        vectors = vectors + functional.dropout(self.remembered(join_heads(mixed)), self.dropout, self.training)
        return vectors + self.feed_forward(vectors)


def feed_forward(width: int, hidden: int, dropout: float) -> nn.Sequential:
    """A normalisation, then two linear layers with a GELU."""
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, hidden),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, width),
        nn.Dropout(dropout),
    )


def split_heads(projected: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """``parts`` views ``(N, heads, T, W / heads)`` of ``(N, T, parts * W)``."""
    count, length, width = projected.shape
    return projected.view(count, length, parts, heads, width // (parts * heads)).permute(2, 0, 3, 1, 4).unbind()


def join_heads(mixed: Tensor) -> Tensor:
    """``(N, T, W)`` of ``(N, heads, T, W / heads)``."""
    return mixed.transpose(1, 2).flatten(2)


def tokens_seen(is_token: Tensor) -> Tensor:
    """The mask ``(N, 1, 1, T)`` of an attention to tokens ``(N, T)`` of which some are padding.

    A text without any token attends to its first place, so that its vectors stay finite. The mask is made for batches
    without padding too: to look would wait for the device, and on a CPU attention without a mask is no faster.
    """
    seen = is_token[:, None, None, :].clone()
    seen[..., :1] = True
    return seen
