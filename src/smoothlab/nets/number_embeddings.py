"""Numbers as vectors, before the layers of a net for tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_choice, check_number, check_whole

Numbers = Literal["plain", "piecewise_linear", "periodic"]


@dataclass(frozen=True)
class EmbeddedNumbers:
    """Whether numbers become vectors, and which: a part of the nets for tables.

    Args:
        numbers: ``plain``: as they are; or as :class:`NumberEmbeddings` says.
        number_width: of a number's vector, at least 1.
        bins: pieces of a piecewise-linear one, at least 2.
        frequency_scale: of the frequencies of a periodic one at the start, above 0.
        quantiles: of each feature those of the training rows, none of one that is no number; from the data.

    Raises:
        InvalidArgument: for an argument outside its range.
    """

    numbers: Numbers = "plain"
    number_width: int = 8
    bins: int = 32
    frequency_scale: float = 0.1
    quantiles: Sequence[Sequence[float]] | None = None

    def __post_init__(self) -> None:
        check_choice("numbers", self.numbers, get_args(Numbers))
        check_whole("number_width", self.number_width, 1)
        check_whole("bins", self.bins, 2)
        check_number("frequency_scale", self.frequency_scale, above=0)

    def module(self, features: int) -> NumberEmbeddings | None:
        """What maps ``(N, features)`` to vectors; None where numbers stay as they are.

        Raises:
            InvalidArgument: the data do not say which features are numbers.
        """
        if self.numbers == "plain":
            return None
        if self.quantiles is None or len(self.quantiles) != features:
            raise InvalidArgument("numbers", self.numbers, "plain: these data do not say which features are numbers")
        return NumberEmbeddings(
            self.numbers,
            self.quantiles,
            width=self.number_width,
            bins=self.bins,
            frequency_scale=self.frequency_scale,
        )


PLAIN = EmbeddedNumbers()


class NumberEmbeddings(nn.Module):
    """A vector for each number of a row, so that a net need not be smooth in it; the other features as they are.

    ``piecewise_linear``: with edges b_0 < ... < b_T, the quantiles of the training rows, a number x is
    ``e_t = clamp((x - b_(t-1)) / (b_t - b_(t-1)), 0, 1)``, t = 1..T, the first and the last piece open to the outside;
    then ``w x + v + W e`` with weights of its own, W beginning at 0. ``periodic``: ``cos(2 pi c x)`` and
    ``sin(2 pi c x)`` of 48 learned frequencies c, then a linear layer that all numbers share and a ReLU.

    Features with one or two values among their quantiles, such as truth values, are no numbers here. The edges are
    buffers, so that a checkpoint has them.

    Args:
        numbers: ``piecewise_linear`` or ``periodic``.
        quantiles: of each feature those of the training rows, ascending; none of one that is no number.
        width: of a number's vector, at least 1.
        bins: T at most; equal quantiles make fewer.
        frequency_scale: standard deviation of the frequencies at the start, above 0.

    Source: Gorishniy, Rubachev and Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning", NeurIPS
    2022, by the authors' package rtdl_num_embeddings (version B there: Gorishniy, Kotelnikov and Babenko, "TabM", ICLR
    2025).
    """

    embedded: Tensor  # (E,) places of numbers
    others: Tensor  # (F - E,) places of the other features

    def __init__(
        self, numbers: Numbers, quantiles: Sequence[Sequence[float]], *, width: int, bins: int, frequency_scale: float
    ) -> None:
        from rtdl_num_embeddings import PeriodicEmbeddings, PiecewiseLinearEmbeddings  # when it is asked for

        super().__init__()
        edges = [_edges(values, bins) for values in quantiles]
        embedded = [place for place, values in enumerate(edges) if len(values) > 2]
        others = [place for place, values in enumerate(edges) if len(values) <= 2]
        self.register_buffer("embedded", torch.tensor(embedded, dtype=torch.int64), persistent=False)
        self.register_buffer("others", torch.tensor(others, dtype=torch.int64), persistent=False)
        self.widths = [width] * len(embedded) + [1] * len(others)
        self.out_features = sum(self.widths)
        self.embeddings: nn.Module | None = None
        if embedded and numbers == "periodic":
            options = {"frequency_init_scale": frequency_scale, "lite": True}
            self.embeddings = PeriodicEmbeddings(len(embedded), width, **options)
        elif embedded:
            bins_of = [edges[place] for place in embedded]
            self.embeddings = PiecewiseLinearEmbeddings(bins_of, width, activation=False, version="B")

    def forward(self, features: Tensor) -> Tensor:
        """``(N, out_features)`` for features ``(N, F)``: the vectors, then the other features."""
        if self.embeddings is None:
            return features
        vectors = self.embeddings(features.index_select(1, self.embedded)).flatten(1)
        return torch.cat([vectors, features.index_select(1, self.others)], 1)


def _edges(quantiles: Sequence[float], bins: int) -> Tensor:
    """Different values ``(T + 1,)``, at most ``bins + 1``, among quantiles, evenly spaced by rank."""
    if not len(quantiles):
        return torch.empty(0)
    places = np.linspace(0, len(quantiles) - 1, min(bins + 1, len(quantiles))).round().astype(int)
    return torch.tensor([quantiles[place] for place in places]).unique()
