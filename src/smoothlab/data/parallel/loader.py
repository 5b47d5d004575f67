"""Loaders of sentence pairs: batches by the number of tokens, of sentences that are nearly equally long."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from smoothlab.data.batch import Batch
from smoothlab.data.loader import EpochLoader
from smoothlab.data.parallel.buckets import check_tokens, drawn_batches, fixed_batches, make_buckets
from smoothlab.data.parallel.corpus import Corpus


class BucketLoader(EpochLoader):
    """Shuffled batches of at most so many tokens, padding included; without what is known of synthetic tokens.

    The order depends on ``seed`` and the epoch's number alone, as that of :class:`smoothlab.data.MemoryLoader`; the
    number of batches is the same in each epoch (see :func:`smoothlab.data.parallel.buckets.make_buckets`).

    Several ranks take every ``ranks``-th sentence of each batch of ``ranks * batch_tokens``: together the step of one
    process with such batches. The share of a rank may be one sentence above ``batch_tokens``, or without any.

    Args:
        corpus: the pairs.
        batch_tokens: max(n S, n T) of a rank's batch at most; a longer sentence is a batch of its own.
        seed: where the orders start.
        rank: of this process.
        ranks: how many there are.
    """

    def __init__(self, corpus: Corpus, batch_tokens: int, *, seed: int = 0, rank: int = 0, ranks: int = 1) -> None:
        super().__init__(self)
        self.epoch = 0
        self.skipped = 0
        self.corpus = corpus
        self.buckets = make_buckets(corpus.longer, ranks * check_tokens("batch_tokens", batch_tokens))
        self.seed = seed
        self.rank = rank
        self.ranks = ranks

    def __len__(self) -> int:
        return sum(bucket.batches for bucket in self.buckets)

    def __iter__(self) -> Iterator[Batch]:
        skipped, self.skipped = self.skipped, 0
        batches = drawn_batches(self.buckets, np.random.default_rng([self.seed, self.epoch]))
        for rows in itertools.islice(batches, skipped, None):
            yield self.corpus.batch(rows[self.rank :: self.ranks])


class LengthLoader:
    """All pairs in a fixed order, the short ones first; metadata ``sequence`` says where each of them belongs.

    Several ranks take every ``ranks``-th batch, each of them equally many: the last ones may be without pairs.

    Args:
        corpus: the pairs; what is known of synthetic tokens comes along.
        batch_tokens: max(n S, n T) of a batch at most; a longer sentence is a batch of its own.
        rank: of this process.
        ranks: how many there are.
    """

    def __init__(self, corpus: Corpus, batch_tokens: int, *, rank: int = 0, ranks: int = 1) -> None:
        self.corpus = corpus
        batches = fixed_batches(corpus.longer, check_tokens("eval_batch_tokens", batch_tokens))
        none = np.empty(0, dtype=np.int64)
        self.batches = (batches + [none] * (-len(batches) % ranks))[rank::ranks]
        self.sampler = None
        self.batch_sampler = None

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        for rows in self.batches:
            yield self.corpus.batch(rows, truth=True)
