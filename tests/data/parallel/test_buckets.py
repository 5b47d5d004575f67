"""Batches of sentences of nearly equal length, no larger than they may be."""

import numpy as np
import pytest

from smoothlab.data.parallel.buckets import drawn_batches, fixed_batches, make_buckets

LENGTHS = np.random.default_rng(0).gamma(4.0, 5.0, 20_000).astype(np.int64) + 2


def sizes(batches, lengths):
    return [len(rows) * int(lengths[rows].max()) for rows in batches]


@pytest.mark.parametrize("tokens", [64, 500, 4096])
@pytest.mark.parametrize("count", [1, 7, 200, 20_000])
def test_every_sentence_is_in_one_batch_and_no_batch_is_larger_than_it_may_be(tokens, count):
    lengths = LENGTHS[:count]
    drawn = drawn_batches(make_buckets(lengths, tokens), np.random.default_rng(1))
    for batches in (drawn, fixed_batches(lengths, tokens)):
        assert sorted(np.concatenate(batches).tolist()) == list(range(count))
        for rows, size in zip(batches, sizes(batches, lengths), strict=True):
            assert size <= tokens or len(rows) == 1


def test_a_sentence_longer_than_a_batch_is_one_of_its_own():
    lengths = np.array([3, 3, 50, 3, 60])
    for batches in (fixed_batches(lengths, 9), drawn_batches(make_buckets(lengths, 9), np.random.default_rng(0))):
        assert sorted(rows.tolist() for rows in batches if lengths[rows].max() > 9) == [[2], [4]]


def test_each_epoch_has_as_many_batches_of_other_sentences():
    buckets = make_buckets(LENGTHS, 4096)
    first, second = (drawn_batches(buckets, np.random.default_rng(epoch)) for epoch in range(2))
    assert len(first) == len(second) == sum(bucket.batches for bucket in buckets)
    of_second = {row: number for number, rows in enumerate(second) for row in rows.tolist()}
    full = [rows for rows in first if len(rows) > 40]
    spread = np.mean([len({of_second[row] for row in rows.tolist()}) for rows in full])
    assert spread > 5  # a batch's sentences meet others the next time


def test_batches_of_all_lengths_come_mixed():
    batches = drawn_batches(make_buckets(LENGTHS, 1024), np.random.default_rng(0))
    longest = [float(LENGTHS[rows].max()) for rows in batches]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.15


def test_hardly_any_of_a_batch_is_padding():
    batches = drawn_batches(make_buckets(LENGTHS, 4096), np.random.default_rng(0))
    assert LENGTHS.sum() / sum(sizes(batches, LENGTHS)) > 0.9
    fixed = fixed_batches(LENGTHS, 4096)
    assert LENGTHS.sum() / sum(sizes(fixed, LENGTHS)) > 0.98
    random = np.array_split(np.random.default_rng(0).permutation(len(LENGTHS)), len(batches))
    assert LENGTHS.sum() / sum(sizes(random, LENGTHS)) < 0.5


def test_batches_are_nearly_as_large_as_they_may_be():
    batches = fixed_batches(LENGTHS, 4096)
    assert all(size > 0.85 * 4096 for size in sizes(batches, LENGTHS)[:-1])
    assert np.mean(sizes(drawn_batches(make_buckets(LENGTHS, 4096), np.random.default_rng(0)), LENGTHS)) > 0.85 * 4096


def test_few_sentences_make_few_batches():
    assert len(drawn_batches(make_buckets(LENGTHS[:60], 4096), np.random.default_rng(0))) <= 4


def test_a_long_sentence_does_not_make_the_batches_of_the_short_ones_small():
    lengths = np.array([10] * 100 + [400])
    assert len(drawn_batches(make_buckets(lengths, 500), np.random.default_rng(0))) == 3
