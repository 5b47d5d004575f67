"""The memory loader gives every sample once, in an order that the seed and the epoch decide."""

import pytest
import torch

from smoothlab.data import Batch, Loading, MemoryLoader
from smoothlab.data.module import MemoryData
from smoothlab.errors import InvalidArgument


@pytest.fixture
def data() -> Batch:
    return Batch(torch.arange(10.0).unsqueeze(1), torch.arange(10), torch.arange(10))


def rows(loader: MemoryLoader) -> list[int]:
    return [int(row) for batch in loader for row in batch.rows]


def test_every_sample_comes_once_and_the_last_batch_is_smaller(data):
    loader = MemoryLoader(data, 4, shuffle=True, seed=3)
    assert [len(batch) for batch in loader] == [4, 4, 2]
    assert len(loader) == 3
    assert sorted(rows(loader)) == list(range(10))


def test_without_shuffling_the_order_stays(data):
    assert rows(MemoryLoader(data, 3)) == list(range(10))


def test_order_depends_on_seed_and_epoch_and_nothing_else(data):
    loader = MemoryLoader(data, 4, shuffle=True, seed=3)
    first = rows(loader)
    torch.rand(100)  # the global generator has no say
    assert rows(loader) == first
    loader.set_epoch(1)
    assert rows(loader) != first
    resumed = MemoryLoader(data, 4, shuffle=True, seed=3)
    resumed.set_epoch(1)
    assert rows(resumed) == rows(loader)
    assert rows(MemoryLoader(data, 4, shuffle=True, seed=4)) != first


def test_features_labels_and_rows_stay_together(data):
    for batch in MemoryLoader(data, 4, shuffle=True):
        assert torch.equal(batch.features[:, 0].long(), batch.labels)
        assert torch.equal(batch.rows, batch.labels)


def test_a_batch_size_below_one_is_refused(data):
    with pytest.raises(InvalidArgument, match="batch_size = 0"):
        MemoryLoader(data, 0)


@pytest.mark.parametrize(
    ("samples", "ranks", "size"),
    [(0, 1, 32), (2896, 1, 32), (2897, 1, 64), (8667, 1, 128), (8667, 3, 43), (10**6, 1, 1024)],
)
def test_a_batch_size_that_grows_with_the_samples(samples, ranks, size):
    assert Loading(batch_size="auto").samples_of_a_batch(samples, ranks) == size
    assert Loading(batch_size=7).samples_of_a_batch(samples, ranks) == 7


@pytest.mark.parametrize("value", ["automatic", 0, 2.5, True])
def test_what_is_no_batch_size_is_refused(value):
    with pytest.raises(InvalidArgument, match=r"an integer of at least 1, or auto"):
        Loading(batch_size=value)


def test_a_module_of_ones_own_may_set_its_batch_size():
    class Own(MemoryData):
        def __init__(self):
            super().__init__(batch_size="auto")
            self.batch_size = 7

        def read(self):
            raise AssertionError("nothing is read")

    assert Own().batch_size == 7
    own = Own()
    with pytest.raises(InvalidArgument, match="batch_size = 0"):
        own.batch_size = 0
