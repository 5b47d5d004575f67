"""A transformer encoder-decoder that translates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from smoothlab.data.parallel.pairs import SentencePairs
from smoothlab.errors import InvalidArgument
from smoothlab.flat_keys import takes_keys
from smoothlab.nets.attention import DecoderBlock, EncoderBlock, KeysValues, tokens_seen
from smoothlab.numbers import check_choice, check_share, check_whole

GROWTH = 16  # places that a full cache gets more: few copies, little memory for nothing


@dataclass(frozen=True)
class Sizes:
    """How large the net is.

    Args:
        width: of a token's vector, an even multiple of ``heads``.
        encoder_blocks: how many, at least 1.
        decoder_blocks: how many, at least 1.
        heads: of an attention, at least 1.
        hidden: width between the two linear layers of a block, at least 1.
        dropout: share of the vectors, the attention and the hidden units that a training step drops, in [0, 1).
    """

    width: int = 64
    encoder_blocks: int = 2
    decoder_blocks: int = 2
    heads: int = 4
    hidden: int = 256
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("encoder_blocks", "decoder_blocks", "heads", "hidden"):
            check_whole(name, getattr(self, name), 1)
        if self.width < 1 or self.width % self.heads or self.width % 2:
            raise InvalidArgument("width", self.width, f"an even multiple of heads = {self.heads}")
        check_share("dropout", self.dropout)


class Seq2SeqTransformer(nn.Module):
    """Blocks of attention over the source, blocks that attend to it and to the target so far, one linear layer.

    Args:
        source_vocab_size: tokens of the source language.
        num_classes: tokens K of the target language, the width of the output.
        padding_index: the id in a source that is no token; nothing attends to it.
        begin_index: the id that a target begins with.
        end_index: the id that a sentence ends with.
        max_length: tokens of a sentence at most, the begin or the end token apart.
        sizes: of the blocks, or its keys.
        joint_vocabulary: whether a token of the source and one of the target with the same id are the same.
        tied: one table of vectors for the source, the target and the output, which needs one vocabulary for both.
        positions: waves of fixed frequencies, or vectors that are learned.

    Raises:
        InvalidArgument: for arguments outside their range, and sentences above ``max_length``.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017; the normalisation before each part, as in Xiong
    et al., "On Layer Normalization in the Transformer Architecture", ICML 2020; one table for three, as in Press and
    Wolf, "Using the Output Embedding to Improve Language Models", EACL 2017.
    """

    @takes_keys
    def __init__(
        self,
        source_vocab_size: int,
        num_classes: int,
        *,
        padding_index: int,
        begin_index: int,
        end_index: int,
        max_length: int,
        sizes: Sizes = Sizes(),
        joint_vocabulary: bool = True,
        tied: bool = True,
        positions: Literal["sinusoidal", "learned"] = "sinusoidal",
    ) -> None:
        super().__init__()
        check_whole("max_length", max_length, 1)
        if tied and (source_vocab_size != num_classes or not joint_vocabulary):
            both = f"vocabularies of {source_vocab_size} tokens of the source and {num_classes} of the target"
            raise InvalidArgument("tied", tied, f"false for {both}, or one vocabulary for both languages")
        check_choice("positions", positions, ("sinusoidal", "learned"))
        self.padding_index, self.begin_index, self.end_index = padding_index, begin_index, end_index
        self.max_length = max_length
        width, block = sizes.width, (sizes.width, sizes.heads, sizes.hidden, sizes.dropout)
        self.tokens = nn.Embedding(num_classes, width)
        self.source_tokens = None if tied else nn.Embedding(source_vocab_size, width)
        self.output = None if tied else nn.Parameter(torch.empty(num_classes, width))
        self.bias = nn.Parameter(torch.zeros(num_classes))
        self.source_places = Places(max_length + 1, width, learned=positions == "learned")
        self.target_places = Places(max_length + 1, width, learned=positions == "learned")
        self.dropout = nn.Dropout(sizes.dropout)
        self.encoder = nn.ModuleList(EncoderBlock(*block) for _ in range(sizes.encoder_blocks))
        self.encoder_norm = nn.LayerNorm(width)
        self.decoder = nn.ModuleList(DecoderBlock(*block) for _ in range(sizes.decoder_blocks))
        self.decoder_norm = nn.LayerNorm(width)
        self._begin_weights(width)

    def _begin_weights(self, width: int) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        tables = [self.tokens.weight, self.output, None if self.source_tokens is None else self.source_tokens.weight]
        for table in tables:
            if table is not None:  # entries of about 1 when they come in, logits of about 1 when they go out
                nn.init.normal_(table, std=width**-0.5)

    @property
    def output_weight(self) -> Tensor:
        """``(K, W)`` of the last linear layer."""
        return self.tokens.weight if self.output is None else self.output

    @property
    def output_bias(self) -> Tensor:
        """``(K,)`` of the last linear layer."""
        return self.bias

    def forward(self, pairs: SentencePairs) -> Tensor:
        """Logits ``(M, K)`` at ``pairs.positions``."""
        return self.project(self.hidden(pairs))

    def hidden(self, pairs: SentencePairs) -> Tensor:
        """The last vectors ``(M, W)`` at ``pairs.positions``; padding is left out before the widest layer."""
        memory, seen = self._encode(pairs.source)
        vectors = self._vectors(self.tokens, self.target_places, pairs.target)
        for block in self._decoder_blocks():
            # what stands on the right is hidden from a token anyway, so that a target's padding needs no mask
            vectors = block(vectors, block.remember(memory), seen)
        return self.decoder_norm(vectors.flatten(0, 1).index_select(0, pairs.positions))

    def project(self, hidden: Tensor) -> Tensor:
        """Logits ``(..., K)`` of the last vectors ``(..., W)``."""
        return functional.linear(hidden, self.output_weight, self.bias)

    def begin(self, source: Tensor) -> CachedSentences:
        """Read sentences ``(N, S)``: their keys and values for every block of the decoder."""
        memory, seen = self._encode(source)
        return CachedSentences([block.remember(memory) for block in self._decoder_blocks()], seen)

    def next(self, tokens: Tensor, state: CachedSentences) -> Tensor:
        """Logits ``(B, K)`` after one more token ``(B,)`` a row of the state."""
        vectors = self._vectors(self.tokens, self.target_places, tokens[:, None], first=state.length)
        for number, block in enumerate(self._decoder_blocks()):
            queries, keys, values = block.project(vectors)
            keys, values = state.append(number, keys, values)
            mixed = functional.scaled_dot_product_attention(queries, keys, values)
            vectors = block.finish(vectors, mixed, state.memory[number], state.seen)
        state.length += 1
        return self.project(self.decoder_norm(vectors[:, 0]))

    def _decoder_blocks(self) -> list[DecoderBlock]:
        return [cast(DecoderBlock, block) for block in self.decoder]

    def _encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        seen = tokens_seen(source != self.padding_index)
        table = self.tokens if self.source_tokens is None else self.source_tokens
        vectors = self._vectors(table, self.source_places, source)
        for block in self.encoder:
            vectors = block(vectors, seen)
        return self.encoder_norm(vectors), seen

    def _vectors(self, table: nn.Embedding, places: Places, ids: Tensor, first: int = 0) -> Tensor:
        length = first + ids.shape[1]
        if length > self.max_length + 1:
            raise InvalidArgument("length", length - 1, f"sentences of at most max_length = {self.max_length} tokens")
        scale = math.sqrt(table.embedding_dim)  # beside the waves, whose entries are about 1
        return self.dropout(table(ids) * scale + places.vectors[first:length])


class Places(nn.Module):
    """A vector for each place in a sentence.

    Args:
        length: places.
        width: of a vector, even.
        learned: a parameter that begins at random; else sines and cosines of wave lengths from 2 pi to 20000 pi.
    """

    def __init__(self, length: int, width: int, *, learned: bool) -> None:
        super().__init__()
        self.vectors: Tensor
        if learned:
            self.register_parameter("vectors", nn.Parameter(torch.randn(length, width) * width**-0.5))
            return
        frequencies = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angles = torch.arange(length, dtype=torch.float64)[:, None] * frequencies  # (length, width / 2)
        waves = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
        self.register_buffer("vectors", waves.to(torch.get_default_dtype()), persistent=False)


@dataclass
class CachedSentences:
    """The decoder's state: keys and values of the source, made once, and of the target's tokens so far.

    Args:
        memory: of each block, ``(B, heads, S, W / heads)`` both.
        seen: where the source is no padding, ``(B, 1, 1, S)``.
        cache: keys and values of each block, ``(blocks, 2, B, heads, C, W / heads)``, of which ``length`` of the C
            places are filled.
        length: tokens so far.
        sentences: which of the rows that the state began with a row belongs to, ``(B,)``.
    """

    memory: list[KeysValues]
    seen: Tensor
    cache: Tensor | None = None
    length: int = 0
    sentences: Tensor | None = None

    def append(self, block: int, keys: Tensor, values: Tensor) -> KeysValues:
        """Add one token's keys and values ``(B, heads, 1, W / heads)``; returns those of all tokens so far."""
        cache, end = self.cache, self.length + 1
        if cache is None or end > cache.shape[4]:
            count, heads, _, width = keys.shape
            more = keys.new_empty(len(self.memory), 2, count, heads, GROWTH, width)
            self.cache = cache = more if cache is None else torch.cat([cache, more], dim=4)
        cache[block, 0, :, :, self.length] = keys[:, :, 0]
        cache[block, 1, :, :, self.length] = values[:, :, 0]
        return cache[block, 0, :, :, :end], cache[block, 1, :, :, :end]

    def select(self, index: Tensor) -> None:
        """Keep the rows ``index`` ``(B',)``, in this order."""
        if self.cache is not None:
            self.cache = self.cache.index_select(2, index)
        before = torch.arange(len(self.seen), device=index.device) if self.sentences is None else self.sentences
        self.sentences = before.index_select(0, index)
        if torch.equal(before, self.sentences):
            return  # hypotheses changed places within their sentence: the larger part of the state stays as it is
        self.memory = [(keys.index_select(0, index), values.index_select(0, index)) for keys, values in self.memory]
        self.seen = self.seen.index_select(0, index)
