"""A stream of Parquet files gives every row once, encoded as a table in memory is, in memory that does not grow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from smoothlab.data import ParquetStream, TableData
from smoothlab.data.parquet.stream import ParquetBatches
from smoothlab.errors import InvalidArgument, UserMistake

ROWS = 1000
SETTINGS = {"fractions": [0.64, 0.16, 0.2], "split_seed": 1, "shuffle_seed": 2, "batch_size": 32, "eval_batch_size": 64}


def table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    amount = draw.normal(1e4, 3, rows)
    amount[draw.random(rows) < 0.1] = np.nan
    words = np.array(["red", "green", "blue", "rare"], dtype=object)
    colour = words[draw.choice(4, rows, p=[0.5, 0.3, 0.198, 0.002])]
    colour[draw.random(rows) < 0.05] = None
    return pd.DataFrame(
        {
            "row": np.arange(rows) * 3 % rows,
            "amount": amount,
            "count": draw.integers(0, 9, rows),
            "small": draw.normal(size=rows).astype(np.float32),
            "yes": draw.random(rows) < 0.5,
            "colour": colour,
            "day": pd.Timestamp("2020-03-01") + pd.to_timedelta(draw.integers(0, 900, rows), "D"),
            "written": [f"2021-0{month}-1{day}" for month, day in draw.integers(1, 9, (rows, 2))],
            "source": np.array(["a", "b"], dtype=object)[draw.integers(0, 2, rows)],
            "w": draw.random(rows) + 0.1,
            "label": np.array(["ham", "spam", "eggs"], dtype=object)[draw.choice(3, rows, p=[0.6, 0.3, 0.1])],
        }
    )


def write(frame: pd.DataFrame, path: Path, rows: int = 70) -> str:
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=rows)
    return str(path)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    return write(table(), tmp_path_factory.mktemp("parquet") / "table.parquet")


def stream(path, target="label", **options) -> ParquetStream:
    data = ParquetStream(path, target=target, **{**SETTINGS, "drop": ["row"], **options})
    data.setup()
    return data


def rows_of(batches) -> list[int]:
    return [row for batch in batches for row in batch.rows.tolist()]


def epoch_of(loader, epoch: int) -> list[int]:
    loader.sampler.set_epoch(epoch)
    return rows_of(loader)


def test_every_row_is_in_one_split_and_comes_once(path):
    data = stream(path, window=150)
    splits = {
        "train": rows_of(data.train_dataloader()),
        "val": rows_of(data.loader("val")),
        "test": rows_of(data.loader("test")),
    }
    assert sorted(splits["train"] + splits["val"] + splits["test"]) == list(range(ROWS))
    assert [len(splits[name]) / ROWS for name in splits] == pytest.approx([0.64, 0.16, 0.2], abs=0.05)
    assert splits["val"] == sorted(splits["val"])  # evaluation is in the order of the rows
    assert data.num_rows == ROWS
    assert data.num_samples == len(splits["train"])


def test_all_batches_but_the_last_are_full_and_their_number_is_known(path):
    loader = stream(path, window=150).train_dataloader()
    sizes = [len(batch) for batch in loader]
    assert len(sizes) == len(loader)
    assert set(sizes[:-1]) == {32}
    assert 1 <= sizes[-1] <= 32


def test_the_order_depends_on_seed_and_epoch_and_nothing_else(path):
    loader = stream(path, window=150).train_dataloader()
    first = epoch_of(loader, 0)
    torch.rand(7)
    np.random.random(7)  # noqa: NPY002  the global generators have no say
    assert epoch_of(loader, 0) == first
    assert epoch_of(loader, 1) != first
    assert sorted(epoch_of(loader, 1)) == sorted(first)
    resumed = stream(path, window=150).train_dataloader()
    assert epoch_of(resumed, 1) == epoch_of(loader, 1)
    assert epoch_of(stream(path, window=150, shuffle_seed=3).train_dataloader(), 0) != first


def test_rows_of_several_row_groups_are_mixed_in_a_window(path):
    first_batch = next(iter(stream(path, window=300).train_dataloader()))
    assert len({row // 70 for row in first_batch.rows.tolist()}) >= 4


@pytest.mark.parametrize(("ranks", "workers"), [(1, 1), (2, 2), (3, 1), (2, 0), (40, 1)])
@pytest.mark.parametrize("split", ["train", "val"])
def test_shards_of_ranks_and_workers_partition_the_rows(path, ranks, workers, split, monkeypatch):
    data = stream(path, window=150)
    expected = rows_of(data.train_dataloader() if split == "train" else data.loader(split))
    seed = 2 if split == "train" else None
    rows, steps = [], []
    for rank in range(ranks):
        batches = ParquetBatches(
            data.source, split, 32, window=150, shuffle_seed=seed, rank=rank, ranks=ranks, workers=workers
        )
        own = []
        for worker in range(max(workers, 1)):
            info = type("Info", (), {"id": worker})() if workers else None
            monkeypatch.setattr("smoothlab.data.parquet.stream.get_worker_info", lambda info=info: info)
            own.append(rows_of(batches))
        rows += own
        steps.append(len(batches))
        assert sum(-(-len(part) // 32) for part in own) <= len(batches)
    lengths = [len(part) for part in rows]
    assert max(lengths) - min(lengths) <= 1
    assert sorted(row for part in rows for row in part) == sorted(expected)
    assert len(set(steps)) == 1  # all ranks take so many steps


def test_worker_processes_give_the_same_rows(path):
    alone, helped = stream(path, window=150), stream(path, window=150, workers=2)
    loader = helped.train_dataloader()
    assert sorted(rows_of(loader)) == sorted(rows_of(alone.train_dataloader()))
    assert epoch_of(loader, 1) == epoch_of(loader, 1)
    assert epoch_of(loader, 1) != epoch_of(loader, 0)


@pytest.mark.parametrize(
    ("categories", "missing", "scaling"),
    [
        ("one_hot", True, "standard"),
        ("one_hot", False, "standard"),
        ("codes", True, "standard"),
        ("codes", False, "robust"),
        ("one_hot", True, "quantile"),
    ],
)
def test_encoder_and_features_are_those_of_the_table_in_memory(path, tmp_path, categories, missing, scaling):
    splits = stream(path)
    frame = table().drop(columns="row")
    options = {"categories": categories, "missing": missing, "scaling": scaling, "rare": 4, "metadata": ["source", "w"]}
    frame["part"] = "train"
    for split in ("val", "test"):
        frame.loc[rows_of(splits.loader(split)), "part"] = split
    file = write(frame, tmp_path / "split.parquet")
    chosen = {**SETTINGS, **options, "split": "column", "split_column": "part"}
    streamed, whole = ParquetStream(file, target="label", **chosen), TableData(path=file, target="label", **chosen)
    streamed.setup()
    whole.setup()
    assert streamed.class_names == whole.class_names
    assert streamed.class_counts == whole.class_counts
    theirs, ours = whole.net_arguments, streamed.net_arguments
    for quantile, other in zip(theirs.pop("quantiles"), ours.pop("quantiles"), strict=True):
        assert quantile == pytest.approx(other, rel=1e-6, abs=1e-6)
    assert ours == theirs
    assert streamed.encoder.names == whole.encoder.names
    assert streamed.metadata_categories == whole.metadata_categories
    for split in ("train", "val", "test"):
        expected = whole.split(split)
        batches = list(streamed.loader(split))
        features = torch.cat([batch.features for batch in batches])
        torch.testing.assert_close(features, expected.features, rtol=1e-6, atol=1e-6)
        assert torch.equal(torch.cat([batch.labels for batch in batches]), expected.labels)
        assert torch.equal(torch.cat([batch.rows for batch in batches]), expected.rows)
        for name, column in expected.metadata.items():
            assert torch.equal(torch.cat([batch.metadata[name] for batch in batches]), column)


@pytest.mark.parametrize("coded", [False, True])
def test_words_for_missing_and_bounds_are_those_of_the_table_in_memory(tmp_path, coded):
    frame = table(120)[["label"]]
    draw = np.random.default_rng(3)
    amount, word = draw.uniform(0, 9, 120).round(2), draw.choice(["low", "high", "?", ""], 120)
    frame["amount"] = [f"{value}" if value > 1 else "?" for value in amount]
    frame["word"] = pd.Categorical(word) if coded else word
    frame["level"] = ["<1" if value < 1 else ">8" if value > 8 else f"{value}" for value in amount]
    data = stream(write(frame, tmp_path / "words.parquet"), rare=1, drop=[])
    assert data.encoder.names[:2] == ["amount", "amount missing"]
    assert data.encoder.names[-2:] == ["level", "level bound"]
    assert not {"?", ""} & set(data.encoder.columns[1].words)
    for batch in data.loader("train"):
        level = frame["level"].to_numpy()[batch.rows.numpy()]
        sides = [-1 if cell[0] == "<" else 1 if cell[0] == ">" else 0 for cell in level]
        assert batch.features[:, -1].tolist() == sides
        missing = frame["amount"].to_numpy()[batch.rows.numpy()] == "?"
        assert batch.features[:, 1].tolist() == missing.tolist()
    memory = data.encoder.encode(data.encoder.as_read(frame.astype({"word": object})))
    first = next(iter(data.loader("train")))
    assert torch.allclose(memory[first.rows], first.features, atol=1e-6)


def test_features_labels_and_rows_stay_together_when_they_are_shuffled(path):
    data = stream(path, window=150)
    first_epoch = {
        int(row): (feature, label) for batch in data.loader("train") for row, feature, label in triples(batch)
    }
    for batch in data.train_dataloader():
        for row, feature, label in triples(batch):
            assert torch.equal(first_epoch[int(row)][0], feature)
            assert first_epoch[int(row)][1] == label


def triples(batch):
    return zip(batch.rows, batch.features, batch.labels.tolist(), strict=True)


def test_a_large_mean_costs_no_digits(tmp_path):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"x": 1e9 + draw.normal(size=ROWS), "label": draw.integers(0, 2, ROWS)})
    data = stream(write(frame, tmp_path / "large.parquet", 10), drop=[])
    train = frame["x"].to_numpy()[sorted(rows_of(data.train_dataloader()))]
    column = data.encoder.columns[0]
    assert column.mean == pytest.approx(train.mean(), rel=1e-15)
    assert column.deviation == pytest.approx(train.std(), rel=1e-7)


def test_a_folder_of_files_and_a_file_for_each_split(tmp_path):
    frame = table().drop(columns="row")
    (tmp_path / "many").mkdir()
    for part in range(4):
        write(frame.iloc[part * 250 : part * 250 + 250], tmp_path / "many" / f"{part}.parquet")
    data = stream(str(tmp_path / "many"), drop=[])
    assert sorted(rows_of(data.train_dataloader())) == sorted(
        rows_of(stream(write(frame, tmp_path / "one.parquet"), drop=[]).train_dataloader())
    )
    files = {"train": str(tmp_path / "many"), "test": write(frame.iloc[:100], tmp_path / "test.parquet")}
    data = stream(files, drop=[])
    assert rows_of(data.loader("test")) == list(range(1000, 1100))
    rows = rows_of(data.loader("train")) + rows_of(data.loader("val"))
    assert sorted(rows) == list(range(1000))
    assert len(rows_of(data.loader("val"))) == pytest.approx(200, abs=40)


def test_groups_stay_together(path):
    data = stream(path, split="group", split_column="written")
    group = table()["written"].to_numpy()
    seen = {split: set(group[rows_of(data.loader(split))]) for split in ("train", "val", "test")}
    assert not seen["train"] & (seen["val"] | seen["test"])
    assert not seen["val"] & seen["test"]


def test_rows_without_a_label_are_left_out(tmp_path):
    frame = table().drop(columns="row")
    frame.loc[::10, "label"] = None
    data = stream(write(frame, tmp_path / "gaps.parquet"), drop=[])
    rows = [row for split in ("train", "val", "test") for row in rows_of(data.loader(split))]
    assert sorted(rows) == [row for row in range(ROWS) if row % 10]
    assert "100 rows without a label are left out" in data.notes


def test_a_checkpoints_encoder_is_not_fitted_again(path, tmp_path):
    encoder = stream(path).encoder
    other = ParquetStream(write(table(300, seed=9), tmp_path / "other.parquet"), target="label", **SETTINGS)
    other.encoder = encoder
    other.setup()
    assert other.encoder is encoder
    assert other.first(2).features.shape == (2, encoder.num_features)


def test_weights_are_those_of_the_table_in_memory(tmp_path):
    frame = table().drop(columns="row")
    frame["part"] = np.array(["train", "val", "test"])[np.arange(ROWS) % 3]
    file = write(frame, tmp_path / "weights.parquet")
    chosen = {**SETTINGS, "weight": "w", "class_weight": "balanced", "split": "column", "split_column": "part"}
    streamed, whole = ParquetStream(file, target="label", **chosen), TableData(path=file, target="label", **chosen)
    streamed.setup()
    whole.setup()
    weights = torch.cat([batch.metadata["sample_weight"] for batch in streamed.loader("train")])
    torch.testing.assert_close(weights, whole.split("train").metadata["sample_weight"])


@pytest.mark.parametrize("kind", ["votes", "multilabel"])
def test_votes_and_several_labels_are_those_of_the_table_in_memory(tmp_path, kind):
    frame = table()[["amount", "count", "small"]]
    draw = np.random.default_rng(3)
    names = ["first", "second", "third"]
    for name in names:
        frame[name] = draw.integers(0, 2, ROWS).astype(float)
    frame.loc[frame[names].sum(axis=1) == 0, "third"] = 1
    frame.loc[::50, names] = np.nan
    frame["part"] = np.array(["train", "val", "test"])[np.arange(ROWS) % 3]
    file = write(frame, tmp_path / "votes.parquet")
    chosen = {**SETTINGS, "labels": kind, "split": "column", "split_column": "part"}
    streamed, whole = ParquetStream(file, target=names, **chosen), TableData(path=file, target=names, **chosen)
    streamed.setup()
    whole.setup()
    assert streamed.class_counts == whole.class_counts
    batches = list(streamed.loader("test"))
    expected = whole.split("test")
    assert torch.equal(torch.cat([batch.labels for batch in batches]), expected.labels)
    for name, column in expected.metadata.items():
        assert torch.equal(torch.cat([batch.metadata[name] for batch in batches]), column)


def test_a_column_that_is_empty_or_constant_at_first_is_known_by_all_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("smoothlab.data.parquet.module.SAMPLED_ROWS", 5)
    frame = table().drop(columns="row")
    frame["late"] = np.where(np.arange(ROWS) < 900, np.nan, 1.0 + np.arange(ROWS) % 7)
    frame["flag"] = (np.arange(ROWS) % 70 > 20).astype(int)  # the first rows of each group are 0
    frame["same"] = 4.0
    frame["number"] = np.arange(ROWS)
    data = stream(write(frame, tmp_path / "late.parquet"), drop=[])
    roles = {column.name: column.role for column in data.columns}
    assert (roles["late"], roles["flag"]) == ("feature", "feature")
    assert roles["same"] == "ignored"


def test_a_changed_cell_changes_the_fingerprint_and_a_copy_does_not(path, tmp_path):
    first = stream(path).fingerprint
    assert stream(write(table(), tmp_path / "copy.parquet")).fingerprint == first
    frame = table()
    frame.loc[ROWS - 1, "count"] += 1
    assert stream(write(frame, tmp_path / "changed.parquet")).fingerprint != first


# What is wrong ------------------------------------------------------------------------------------------------------


def refused(path, target="label", **options) -> str:
    with pytest.raises((UserMistake, InvalidArgument)) as caught:
        stream(path, target, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_truncated_file_is_one_line(path, tmp_path):
    content = Path(path).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(content[: len(content) // 2])
    assert "not readable as Parquet" in refused(str(tmp_path / "cut.parquet"))


def test_a_file_with_damaged_pages_is_one_line(path, tmp_path):
    content = bytearray(Path(path).read_bytes())
    content[200:4000] = b"\xff" * 3800
    (tmp_path / "damaged.parquet").write_bytes(bytes(content))
    assert "row group" in refused(str(tmp_path / "damaged.parquet"))


def test_files_that_are_not_there_not_parquet_or_without_rows_are_one_line(tmp_path):
    assert "no such file" in refused(str(tmp_path / "none.parquet"))
    (tmp_path / "text.csv").write_text("a,b\n")
    assert "data=table" in refused(str(tmp_path / "text.csv"))
    assert "no .parquet" in refused(str(tmp_path))
    assert "no rows" in refused(write(table().iloc[:0], tmp_path / "empty.parquet"))
    (tmp_path / "zero.parquet").write_bytes(b"")
    assert "not readable" in refused(str(tmp_path / "zero.parquet"))


def test_missing_columns_are_one_line(path, tmp_path):
    assert "no such column" in refused(path, "labels")
    assert "no such column" in refused(path, drop=["colour", "color"])
    (tmp_path / "two").mkdir()
    write(table(), tmp_path / "two" / "a.parquet")
    write(table().drop(columns="amount"), tmp_path / "two" / "b.parquet")
    assert "lacks the column 'amount'" in refused(str(tmp_path / "two"))
    encoder = stream(path).encoder
    other = ParquetStream(write(table().drop(columns="amount"), tmp_path / "c.parquet"), target="label", **SETTINGS)
    other.encoder = encoder
    with pytest.raises(UserMistake, match="column 'amount' is missing"):
        other.setup()


def test_cells_and_labels_that_cannot_be_used_are_one_line(tmp_path):
    frame = table().drop(columns="row")
    frame.loc[500, "small"] = np.inf
    message = refused(write(frame, tmp_path / "inf.parquet"), drop=[])
    assert "'small'" in message
    assert "row group 8" in message
    frame = table().assign(label="ham")
    assert "two classes" in refused(write(frame, tmp_path / "one.parquet"))
    frame = table().assign(label=np.random.default_rng(0).normal(size=ROWS))
    assert "quantity" in refused(write(frame, tmp_path / "quantity.parquet"))
    frame = table().assign(part=["train"] * 600 + ["test"] * 399 + ["nowhere"])
    message = refused(write(frame, tmp_path / "part.parquet"), split="column", split_column="part")
    assert "'nowhere'" in message


def test_options_that_need_all_rows_at_once_are_refused(path):
    assert "one of random, group, column" in refused(path, split="time", split_column="day")
    assert "window = 0" in refused(path, window=0)
    assert "fractions" in refused(path, fractions=[0.5, 0.5, 0.5])
