"""Which sentences share a batch: those of nearly equal length, as many as fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoothlab.errors import InvalidArgument

GROWTH = 1.15  # how much longer the longest of a bucket may be than its shortest, where there are enough batches
ENOUGH = 8  # batches of a bucket, from which on it is mixed well enough to be closed
MOST = 2.0  # how much longer at most, however few batches that makes


@dataclass(frozen=True)
class Bucket:
    """Sentences of nearly equal length.

    Args:
        rows: their places ``(n,)``.
        size: how many of them make a batch.
    """

    rows: NDArray[np.int64]
    size: int

    @property
    def batches(self) -> int:
        """Of one pass; the last may be smaller."""
        return -(-len(self.rows) // self.size)


def make_buckets(lengths: NDArray[np.int64], batch_tokens: int) -> list[Bucket]:
    """Sentences by rising length, cut into buckets; a batch of any of a bucket's sentences has room for them.

    Buckets and sizes depend on the lengths alone, so that each epoch has the same number of batches, whichever of a
    bucket's sentences it puts together. A bucket ends where its sentences have grown by 15 % and make eight batches, or
    where they have doubled.

    Args:
        lengths: tokens of each pair's longer side ``(N,)``.
        batch_tokens: padded tokens of a batch's longer side at most; a sentence that is longer is alone.
    """
    order = lengths.argsort(kind="stable")
    rising = lengths[order]
    buckets, start = [], 0
    while start < len(order):
        shortest = max(int(rising[start]), 1)
        # where the bucket may end: where a length is over for which it is time
        ends = np.flatnonzero(np.diff(rising[start:])) + start + 1
        tokens = (ends - start) * rising[ends - 1]
        grown, doubled = rising[ends] > GROWTH * shortest, rising[ends] > MOST * shortest
        closing = np.flatnonzero((grown & (tokens >= ENOUGH * batch_tokens)) | doubled)
        stop = int(ends[closing[0]]) if len(closing) else len(order)
        buckets.append(Bucket(order[start:stop], max(batch_tokens // max(int(rising[stop - 1]), 1), 1)))
        start = stop
    return buckets


def drawn_batches(buckets: list[Bucket], generator: np.random.Generator) -> list[NDArray[np.int64]]:
    """The rows of each batch of an epoch: sentences mixed within their buckets, batches over all of them."""
    batches = [
        part
        for bucket in buckets
        for part in np.split(generator.permutation(bucket.rows), range(bucket.size, len(bucket.rows), bucket.size))
    ]
    return [batches[place] for place in generator.permutation(len(batches))]


def fixed_batches(lengths: NDArray[np.int64], batch_tokens: int) -> list[NDArray[np.int64]]:
    """The rows of batches by rising length, each with as many sentences as fit; the same ones always.

    Args:
        lengths: see :func:`make_buckets`, as ``batch_tokens``.
        batch_tokens: at most.
    """
    order = lengths.argsort(kind="stable")
    rising = np.maximum(lengths[order], 1)
    batches, start = [], 0
    while start < len(order):
        most = max(batch_tokens // int(rising[start]), 1)
        padded = rising[start : start + most] * np.arange(1, len(rising[start : start + most]) + 1)
        size = max(int(np.searchsorted(padded, batch_tokens, side="right")), 1)
        batches.append(order[start : start + size])
        start += size
    return batches


def check_tokens(name: str, value: object) -> int:
    """Tokens of a batch.

    Raises:
        InvalidArgument: no integer of at least 1.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgument(name, value, "an integer of at least 1")
    return value
