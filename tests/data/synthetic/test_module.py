"""Rows in memory and streamed ones are the same rows; every row comes once, on every rank and worker."""

import pytest
import torch
from synthetic_worlds import conditional, rows_of

from smoothlab.data import Batch
from smoothlab.data.loader import StreamLoader
from smoothlab.data.synthetic import SyntheticMemory, SyntheticStream, module, stream, synthetic_data
from smoothlab.data.synthetic.stream import RowStream
from smoothlab.errors import InvalidArgument

OPTIONS = {
    "rows": 3000,
    "val_rows": 500,
    "test_rows": 700,
    "row_seed": 0,
    "noise": "symmetric",
    "noise_rate": 0.2,
    "noisy_splits": ["train"],
    "sources": 2,
    "readers": 3,
    "label": "first",
    "stream": None,
    "workers": 0,
    "shuffle_seed": 0,
    "batch_size": 100,
    "eval_batch_size": 256,
}


def make(**changes):
    data = synthetic_data(conditional(classes=8, depth=2), **(OPTIONS | changes))
    data.setup()
    return data


def gathered(loader) -> Batch:
    parts = list(loader)
    everything = Batch(
        *(torch.cat([getattr(part, name) for part in parts]) for name in ("features", "labels", "rows")),
        {name: torch.cat([part.metadata[name] for part in parts]) for name in parts[0].metadata},
    )
    return everything.take(everything.rows.argsort())


def same(first: Batch, other: Batch) -> bool:
    tensors = [(first.features, other.features), (first.labels, other.labels), (first.rows, other.rows)]
    tensors += [(first.metadata[name], other.metadata[name]) for name in {*first.metadata, *other.metadata}]
    return all(torch.equal(a, b) for a, b in tensors)


def test_the_number_of_rows_decides_and_can_be_overruled(monkeypatch):
    assert isinstance(make(), SyntheticMemory)
    assert isinstance(make(stream=True), SyntheticStream)
    assert isinstance(make(rows=10**8), SyntheticStream)
    monkeypatch.setattr(module, "IN_MEMORY_ROWS", 4199)
    assert isinstance(make(), SyntheticStream)


def test_streamed_rows_are_those_in_memory():
    memory, streamed = make(), make(stream=True)
    for split in ("train", "val", "test"):
        assert same(gathered(memory.loader(split)), gathered(streamed.loader(split)))
    assert same(gathered(memory.train_dataloader()), gathered(streamed.train_dataloader()))
    assert same(memory.first(5), streamed.first(5))
    assert memory.fingerprint == streamed.fingerprint
    assert memory.num_rows == streamed.num_rows == 4200
    assert memory.num_samples == streamed.num_samples == 3000
    assert memory.class_tree is not None
    assert sum(memory.class_counts) == 3000
    for counted, expected in zip(memory.class_counts, streamed.class_counts, strict=True):
        assert counted == pytest.approx(expected, abs=4 * expected**0.5)


@pytest.mark.parametrize("streamed", [False, True])
def test_training_never_sees_the_truth(streamed):
    data = make(stream=streamed)
    for batch in (next(iter(data.train_dataloader())), data.first(2)):
        assert set(batch.metadata) == {"time", "source", "agreement"}
    assert {"posterior", "clean_posterior"} <= set(next(iter(data.loader("train"))).metadata)
    assert {"posterior"} == {name for name in next(iter(data.loader("test"))).metadata if "posterior" in name}


@pytest.mark.parametrize("batch_size", [1, 64, 100, 1500])
@pytest.mark.parametrize(("ranks", "workers"), [(1, 1), (3, 1), (1, 4), (2, 2), (9, 3)])
def test_every_row_comes_once_and_ranks_take_as_many_steps(batch_size, ranks, workers, monkeypatch):
    monkeypatch.setattr(stream, "PIECE", 128)
    monkeypatch.setattr(stream, "WINDOW", 3)
    rows, given, steps = rows_of(conditional(), 1000), [], set()
    for rank in range(ranks):
        options = {"shuffle_seed": 3, "rank": rank, "ranks": ranks}
        loader, batches = StreamLoader(RowStream(rows, "train", batch_size, **options)), 0
        for worker in range(workers):
            info = type("Info", (), {"id": worker, "num_workers": workers})
            monkeypatch.setattr(stream, "get_worker_info", lambda info=info: info)
            for batch in loader.stream:
                assert 1 <= len(batch) <= batch_size
                given += batch.rows.tolist()
                batches += 1
        monkeypatch.setattr(stream, "get_worker_info", lambda: None)
        assert batches <= len(loader)
        steps.add((len(loader), sum(1 for _ in loader)))
    assert sorted(given) == list(range(1000))
    ((logged, taken),) = steps
    assert logged == taken


@pytest.mark.parametrize("ranks", [1, 3])
def test_evaluation_gives_every_row_once_in_order(ranks):
    rows, given = rows_of(conditional(), 1000), []
    for rank in range(ranks):
        loader = StreamLoader(RowStream(rows, "train", 64, rank=rank, ranks=ranks))
        batches = [batch.rows.tolist() for batch in loader]
        assert len(batches) == len(loader) == -(-16 // ranks)  # all ranks give so many
        batches = [batch for batch in batches if batch]
        assert [batch[0] for batch in batches] == sorted(batch[0] for batch in batches)
        given += [row for batch in batches for row in batch]
    assert sorted(given) == list(range(1000))


def test_real_workers_give_the_rows_too():
    rows = rows_of(conditional(), 3000)
    alone = gathered(StreamLoader(RowStream(rows, "train", 100, shuffle_seed=1)))
    helped = StreamLoader(RowStream(rows, "train", 100, shuffle_seed=1), workers=2)
    assert same(alone, gathered(helped))
    in_order = StreamLoader(RowStream(rows, "train", 256), workers=2)
    assert torch.cat([batch.rows for batch in in_order]).tolist() == list(range(3000))


def test_the_order_of_training_follows_seed_and_epoch_and_mixes_the_time():
    rows = rows_of(conditional(drift=1.0), 30_000)

    def order(seed: int, epoch: int) -> list[int]:
        loader = StreamLoader(RowStream(rows, "train", 100, shuffle_seed=seed))
        loader.set_epoch(epoch)
        return torch.cat([batch.rows for batch in loader]).tolist()

    first = order(0, 0)
    assert order(0, 0) == first
    assert order(0, 1) != first
    assert order(1, 0) != first
    spread = torch.tensor(first[:10_000]).view(100, 100).double().std(1) / 30_000
    assert float(spread.mean()) > 0.8 / 12**0.5  # of rows drawn from all of the time: 1 / sqrt(12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 0}, "rows = 0: expected at least 1"),
        ({"val_rows": 0}, "val_rows = 0"),
        ({"workers": -1}, "workers = -1"),
        ({"label": "votes", "readers": 1}, "readers = 1: expected at least 2"),
        ({"label": "loudest"}, "label = 'loudest'"),
        ({"noisy_splits": ["dev"]}, "noisy_splits"),
        ({"row_seed": -1}, "row_seed = -1"),
        ({"batch_size": 0}, "batch_size = 0"),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(InvalidArgument, match=message):
        make(**change)
