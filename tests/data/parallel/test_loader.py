"""Batches of sentence pairs hold every token once, and no padding among the samples."""

import numpy as np
import pytest
import torch

from smoothlab.data.parallel import BucketLoader, LengthLoader
from smoothlab.data.parallel.corpus import Corpus, Truth
from smoothlab.data.parallel.ragged import Ragged
from smoothlab.errors import InvalidArgument

PAD, BEGIN, END, K = 0, 1, 2, 30
FIRST_TOKEN = 1000


def sentences(count: int, seed: int = 0) -> tuple[list[list[int]], list[list[int]]]:
    generator = np.random.default_rng(seed)
    sides = []
    for _ in range(2):
        lengths = generator.integers(1, 12, count)
        sides.append([[*generator.integers(3, K, length).tolist(), END] for length in lengths])
    return sides[0], sides[1]


def ragged(rows: list[list[int]]) -> Ragged:
    return Ragged(
        np.array([token for row in rows for token in row], dtype=np.int32), np.array([len(row) for row in rows])
    )


def corpus_of(count: int = 40, truth: bool = False) -> Corpus:
    source, target = (ragged(side) for side in sentences(count))
    frequency = torch.bincount(torch.from_numpy(target.flat).long(), minlength=K) / len(target.flat)
    known = Truth((target.flat % 3).astype(np.int32), torch.rand(3, K).softmax(1)) if truth else None
    return Corpus(source, target, FIRST_TOKEN, frequency, PAD, BEGIN, np.arange(count), truth=known)


def test_a_batch_is_what_sentences_one_by_one_would_make():
    source, target = sentences(40)
    corpus = corpus_of()
    rows = np.array([7, 0, 33, 12])
    batch = corpus.batch(rows)
    first = np.cumsum([0, *map(len, target)])
    labels, numbers, sequence, position, places = [], [], [], [], []
    longest = max(len(target[row]) for row in rows)
    for place, row in enumerate(rows):
        words = source[row]
        assert batch.features.source[place].tolist() == words + [PAD] * (batch.features.source.shape[1] - len(words))
        read = [BEGIN, *target[row][:-1]]
        assert batch.features.target[place].tolist() == read + [PAD] * (longest - len(read))
        for at, label in enumerate(target[row]):
            labels.append(label)
            numbers.append(FIRST_TOKEN + first[row] + at)
            sequence.append(row)
            position.append(at)
            places.append(place * longest + at)
    assert batch.features.source.shape[1] == max(len(source[row]) for row in rows)
    assert batch.labels.tolist() == labels
    assert batch.rows.tolist() == numbers
    assert batch.features.positions.tolist() == places
    assert batch.metadata["sequence"].tolist() == sequence
    assert batch.metadata["position"].tolist() == position
    assert torch.equal(batch.metadata["frequency"], corpus.frequency[batch.labels])
    assert len(batch) == len(labels)
    assert len(batch.features) == 4
    for column in (batch.labels, batch.rows, batch.features.source, batch.features.target, batch.features.positions):
        assert column.dtype == torch.int64


def test_the_labels_stand_where_the_positions_say():
    batch = corpus_of().batch(np.arange(10))
    read = batch.features.target
    flat = torch.cat([read[:, 1:], torch.full((10, 1), PAD)], 1).flatten()  # what is read one place later
    labels = flat[batch.features.positions]
    assert ((labels == batch.labels) | (batch.labels == END)).all()
    assert torch.equal(batch.labels == END, labels == PAD)


@pytest.mark.parametrize(
    "make", [lambda corpus: BucketLoader(corpus, 60, seed=3), lambda corpus: LengthLoader(corpus, 60)]
)
def test_an_epoch_has_every_token_once(make):
    corpus = corpus_of(300)
    loader = make(corpus)
    batches = list(loader)
    assert len(batches) == len(loader)
    assert sorted(torch.cat([batch.rows for batch in batches]).tolist()) == list(
        range(FIRST_TOKEN, FIRST_TOKEN + corpus.num_tokens)
    )
    for batch in batches:
        assert max(batch.features.source.numel(), batch.features.target.numel()) <= 60


def test_the_order_depends_on_the_seed_and_the_epoch_alone():
    def order(seed, epoch, noise):
        loader = BucketLoader(corpus_of(300), 60, seed=seed)
        torch.manual_seed(noise)
        np.random.seed(noise)  # noqa: NPY002 - what is global must not matter
        for passed in range(noise):
            loader.set_epoch(passed)
            list(loader)
        loader.sampler.set_epoch(epoch)
        return [batch.rows.tolist() for batch in loader]

    assert order(1, 2, noise=0) == order(1, 2, noise=2)
    assert order(1, 2, noise=0) != order(1, 3, noise=0)
    assert order(1, 2, noise=0) != order(2, 2, noise=0)


def test_what_is_known_of_a_token_is_for_evaluation_alone():
    corpus = corpus_of(300, truth=True)
    assert all("posterior" not in batch.metadata for batch in BucketLoader(corpus, 200))
    for batch in LengthLoader(corpus, 200):
        assert torch.equal(batch.metadata["posterior"], corpus.truth.distributions[batch.labels % 3])


def test_evaluation_goes_from_short_to_long_and_says_where_sentences_belong():
    corpus = corpus_of(300)
    batches = list(LengthLoader(corpus, 200))
    widths = [max(batch.features.source.shape[1], batch.features.target.shape[1]) for batch in batches]
    assert widths == sorted(widths)
    seen = torch.cat([batch.metadata["sequence"].unique() for batch in batches])
    assert sorted(seen.tolist()) == list(range(300))


def test_a_batch_moves_as_a_whole():
    moved = corpus_of().batch(np.arange(3)).to("meta")
    assert {moved.labels.device.type, moved.features.source.device.type, moved.features.positions.device.type} == {
        "meta"
    }


@pytest.mark.parametrize("tokens", [0, -1, 2.5, True, None])
def test_a_batch_has_a_token_at_least(tokens):
    with pytest.raises(InvalidArgument, match="batch_tokens"):
        BucketLoader(corpus_of(), tokens)
