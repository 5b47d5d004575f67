"""An efficient ensemble in one net for tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from smoothlab.flat_keys import takes_keys
from smoothlab.nets.mlp import check_sizes
from smoothlab.nets.number_embeddings import PLAIN, EmbeddedNumbers
from smoothlab.nets.table_features import TableFeatures
from smoothlab.numbers import check_share, check_whole


class TabM(nn.Module):
    """Members that share the weights of their layers and have scales and biases of their own, and a last layer each.

    In training it gives the logits of each member, ``(N, members, K)``, and a task takes the mean of their losses;
    else ``log(mean_m softmax(z_m))``, the logarithm of the members' mean probabilities.

    Args:
        num_classes: K.
        width: of the hidden layers.
        blocks: hidden layers, at least 1.
        members: at least 1.
        dropout: share of the hidden units that a training step drops, in [0, 1).
        embedding: width of a category's embedding.
        in_features: width of the input ``(N, in_features)``; None where there are categories.
        num_numeric: with categories, numeric columns of the input ``(N, num_numeric + C)``, codes last.
        cardinalities: how many categories each of the C columns with codes has.
        numbers: whether numbers become vectors; its fields may be given as keywords (``numbers="piecewise_linear"``).

    Raises:
        InvalidArgument: for an argument outside its range, or where the width of the input is not said.

    Source: Gorishniy, Kotelnikov and Babenko, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient
    Ensembling", ICLR 2025, by the layers of the authors' package tabm.
    """

    task_kinds: ClassVar[tuple[str, ...]] = ("classification",)  # of others the mean is another one

    @takes_keys
    def __init__(
        self,
        num_classes: int,
        *,
        width: int,
        blocks: int,
        members: int,
        dropout: float = 0.1,
        embedding: int = 8,
        in_features: int | None = None,
        num_numeric: int = 0,
        cardinalities: Sequence[int] = (),
        numbers: EmbeddedNumbers = PLAIN,
    ) -> None:
        from tabm import EnsembleView, LinearEnsemble, MLPBackboneBatchEnsemble  # when it is asked for

        super().__init__()
        check_share("dropout", dropout)
        check_whole("width", width, 1)
        check_whole("blocks", blocks, 1)
        check_whole("members", members, 1)
        columns = num_numeric if cardinalities else check_sizes(in_features, num_classes)[0]
        self.features = TableFeatures(columns, cardinalities, embedding, numbers)
        self.layers = nn.Sequential(
            EnsembleView(k=members),
            MLPBackboneBatchEnsemble(
                d_in=self.features.out_features,
                n_blocks=blocks,
                d_block=width,
                dropout=dropout,
                k=members,
                tabm_init=True,
                scaling_init="random-signs" if self.features.numbers is None else "normal",
                start_scaling_init_chunks=self.features.widths,
            ),
            LinearEnsemble(width, num_classes, k=members),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(N, members, K)`` in training, else ``(N, K)``, for features as of :class:`MLP`."""
        logits: Tensor = self.layers(self.features(features))
        return logits if self.training else mean_of_members(logits)


def mean_of_members(logits: Tensor) -> Tensor:
    """The logarithm ``(N, K)`` of the mean probabilities of members' logits ``(N, members, K)``."""
    return torch.log_softmax(logits, -1).logsumexp(1) - math.log(logits.shape[1])
