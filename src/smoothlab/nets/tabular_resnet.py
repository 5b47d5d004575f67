"""A residual net for tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from smoothlab.errors import InvalidArgument
from smoothlab.flat_keys import takes_keys
from smoothlab.nets.mlp import check_hidden, check_sizes
from smoothlab.nets.number_embeddings import PLAIN, EmbeddedNumbers
from smoothlab.nets.table_features import TableFeatures
from smoothlab.numbers import check_choice, check_share, check_whole

Normalization = Literal["layer", "batch"]


class TabularResNet(nn.Module):
    """Blocks that add to what they get: ``x + Dropout(Linear(Dropout(ReLU(Linear(Norm(x))))))``.

    First a linear layer of the numbers and the categories' embeddings, last ``Linear(ReLU(Norm(x)))``. The authors
    normalise by batch; by layer, the default here, a step does not depend on how samples are cut into batches.

    Args:
        num_classes: width of the output, the logits ``(N, num_classes)``.
        width: of the stream that the blocks add to.
        blocks: how many, at least 0.
        hidden_factor: width inside a block, in widths of the stream; above 0.
        dropout: share of the units inside a block that a training step drops, in [0, 1).
        residual_dropout: the same of what a block adds.
        normalization: ``layer`` or ``batch``; by batch, one of a single sample takes the running statistics.
        embedding: width of a category's embedding.
        in_features: width of the input ``(N, in_features)``; None where there are categories.
        num_numeric: with categories, numeric columns of the input ``(N, num_numeric + C)``, codes last.
        cardinalities: how many categories each of the C columns with codes has.
        numbers: whether numbers become vectors; its fields may be given as keywords (``numbers="periodic"``).

    Raises:
        InvalidArgument: for an argument outside its range, or where the width of the input is not said.

    Source: Gorishniy, Rubachev, Khrulkov and Babenko, "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021.
    """

    @takes_keys
    def __init__(
        self,
        num_classes: int,
        *,
        width: int,
        blocks: int,
        hidden_factor: float,
        dropout: float = 0.1,
        residual_dropout: float = 0.0,
        normalization: Normalization = "layer",
        embedding: int = 8,
        in_features: int | None = None,
        num_numeric: int = 0,
        cardinalities: Sequence[int] = (),
        numbers: EmbeddedNumbers = PLAIN,
    ) -> None:
        super().__init__()
        check_hidden(dropout, [])
        check_share("residual_dropout", residual_dropout)
        check_whole("width", width, 1)
        check_whole("blocks", blocks, 0)
        hidden = round(width * hidden_factor)
        if hidden < 1:
            raise InvalidArgument("hidden_factor", hidden_factor, "a number that makes at least one hidden unit")
        check_choice("normalization", normalization, ("layer", "batch"))
        columns = num_numeric if cardinalities else check_sizes(in_features, num_classes)[0]
        self.features = TableFeatures(columns, cardinalities, embedding, numbers)
        self.first = nn.Linear(self.features.out_features, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                _norm(normalization, width),
                nn.Linear(width, hidden),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(hidden, width),
                nn.Dropout(residual_dropout),
            )
            for _ in range(blocks)
        )
        self.last = nn.Sequential(_norm(normalization, width), nn.ReLU(), nn.Linear(width, num_classes))

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` for features ``(N, in_features)`` or ``(N, num_numeric + C)``."""
        stream = self.first(self.features(features))
        for block in self.blocks:
            stream = stream + block(stream)
        return self.last(stream)


class _BatchNorm(nn.BatchNorm1d):
    """Normalisation by batch that takes the last batch of an epoch too, though it be one sample."""

    def forward(self, input: Tensor) -> Tensor:
        """As ever; a single sample by the running statistics."""
        if self.training and len(input) == 1:
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


def _norm(kind: str, width: int) -> nn.Module:
    return nn.LayerNorm(width) if kind == "layer" else _BatchNorm(width)
