"""The cells behind the features of a table: a number each, with nan where one is empty."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from smoothlab.data.layout import Span


def codes(features: Tensor, span: Span) -> Tensor:
    """The category of each row ``(N,)`` as its place among the span's."""
    part = features[:, span.start : span.start + span.width]
    return part.argmax(1) if span.kind == "one_hot" else part[:, 0].long()


def cells(features: Tensor, spans: Sequence[Span], ranks: Sequence[Tensor]) -> Tensor:
    """A column for each span ``(N, C)`` in float64, those of categories first.

    Args:
        features: encoded, ``(N, F)``.
        spans: what they stand for.
        ranks: what each category of each such column becomes, as of :func:`ranks_of`.
    """
    words = [span for span in spans if span.kind != "number"]
    columns = [rank[codes(features, span)] for span, rank in zip(words, ranks, strict=True)]
    for span in spans:
        if span.kind == "number":
            value = features[:, span.start].double()
            columns.append(value.masked_fill(features[:, span.start + 1] > 0.5, torch.nan) if span.missing else value)
    return torch.stack(columns, 1)


def ranks_of(features: Tensor, spans: Sequence[Span]) -> list[Tensor]:
    """For each column of categories what each of them becomes ``(categories,)``: those that are there, from 0.

    One that no row of ``features`` has, and "missing", become nan: they are missing values.
    """
    ranks = []
    for span in spans:
        if span.kind == "number":
            continue
        count = torch.bincount(codes(features, span), minlength=span.categories)
        if span.missing:
            count[1] = 0
        there = (count > 0).nonzero()[:, 0]
        rank = torch.full((span.categories,), torch.nan, dtype=torch.float64)
        rank[there] = torch.arange(len(there), dtype=torch.float64)
        ranks.append(rank)
    return ranks
