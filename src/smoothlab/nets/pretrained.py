"""A text classifier on a pretrained encoder of the transformers library, frozen or trained along."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from smoothlab.data.text.pretrained import TextVectors, folder_of, load_model, untrained_model
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number, check_share, check_whole


class TokenHead(nn.Module):
    """From vectors of tokens to logits: a hidden layer for each token, its mean and largest value over the text.

    Args:
        width: of a token's vector.
        num_classes: K.
        hidden: units of the layer.
        dropout: share of inputs and of pooled units that a training step drops, in [0, 1).
    """

    def __init__(self, width: int, num_classes: int, *, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, hidden)
        self.output = nn.Linear(2 * hidden, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits ``(N, K)`` of vectors ``(N, T, D)``; a place without a token has a vector of zeros."""
        vectors = vectors.to(self.hidden.weight.dtype)
        there = (vectors != 0).any(-1, keepdim=True).to(vectors.dtype)
        units = torch.relu(self.hidden(self.dropout(self.norm(vectors)))) * there
        mean = units.sum(1) / there.sum(1).clamp_min(1)
        logits: Tensor = self.output(self.dropout(torch.cat([mean, units.amax(1)], -1)))
        return logits


class Pretrained(nn.Module):
    """A pretrained encoder of texts with a head for the classes.

    Frozen, the data have the encoder: they hand over its vectors, computed once, and only the head is here. Tuned, the
    encoder is a part of the net, in each checkpoint, and its blocks have learning rates by their depth.

    Args:
        num_classes: K.
        pretrained: folder or package of the encoder.
        encoder: ``frozen`` or ``tuned``.
        layers: of the encoder, whose vectors the head sees.
        hidden: units of the head's layer, at least 1.
        dropout: of the head, in [0, 1).
        encoder_rate: what the learning rate is multiplied by for the encoder's last block, above 0.
        decay: and again for each block below, in (0, 1].
        token_width: of the frozen encoder's vectors, from the data.
        encoder_config: of the model to be tuned, from the data.
        restoring: whether a checkpoint's weights follow, so that the encoder's own need not be read.

    Raises:
        InvalidArgument: for arguments outside their range, or an encoder that is not there.

    Source of rates by depth: Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL
    2018.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        pretrained: str | None,
        encoder: Literal["frozen", "tuned"] = "frozen",
        layers: Sequence[int] = (-1, -3),
        hidden: int = 256,
        dropout: float = 0.2,
        encoder_rate: float = 0.05,
        decay: float = 0.9,
        token_width: int | None = None,
        encoder_config: dict[str, Any] | None = None,
        restoring: bool = False,
    ) -> None:
        super().__init__()
        check_whole("hidden", hidden, 1)
        check_share("dropout", dropout)
        check_number("encoder_rate", encoder_rate, above=0)
        check_number("decay", decay, above=0, at_most=1)
        if pretrained is None:
            raise InvalidArgument("pretrained", None, "a folder, or an installed package with one")
        self.encoder: TextVectors | None = None
        self.encoder_rate, self.decay = encoder_rate, decay
        if encoder_config is not None:
            model = untrained_model(encoder_config) if restoring else load_model(folder_of(pretrained))
            self.encoder = TextVectors(model, layers)
            token_width = self.encoder.width
        if token_width is None:
            raise InvalidArgument(
                "pretrained", pretrained, "data=text, whose data.pretrained and data.encoder are its own"
            )
        self.head = TokenHead(token_width, num_classes, hidden=hidden, dropout=dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(N, K)`` of token ids ``(N, T)``, or of a frozen encoder's vectors ``(N, T, D)``."""
        logits: Tensor = self.head(features if self.encoder is None else self.encoder(features))
        return logits

    def rates(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Parameters of the encoder, and what the learning rate is multiplied by for each."""
        if self.encoder is None:
            return
        blocks = self.encoder.blocks
        for name, parameter in self.encoder.model.named_parameters():
            numbers = [int(part) for part in name.split(".") if part.isdigit()]
            depth = numbers[0] + 1 if numbers else 0  # embeddings and what stands below the blocks
            yield parameter, self.encoder_rate * self.decay ** (blocks - depth)
