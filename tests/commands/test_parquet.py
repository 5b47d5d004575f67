"""A table beyond memory trains, is evaluated, resumes and is refused as any other data are."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from run_directories import only_run

import smoothlab
from smoothlab.data import ParquetStream
from smoothlab.data.loader import StreamLoader

RUN = ("data=parquet", "data.path=rows.parquet", "data.target=label", "data.batch_size=32", "data.window=150")
RUN += ("logger=csv", "progress=none", "scheduler=cosine", "trainer.max_epochs=3", "trainer.num_sanity_val_steps=2")


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr("smoothlab.scoring.outcome.save_figure", lambda *_: None)


@pytest.fixture(autouse=True)
def table(empty_folder) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    label = draw.integers(0, 3, 900)
    frame = pd.DataFrame({"a": label + draw.normal(size=900), "b": draw.normal(size=900), "label": label})
    frame.to_parquet("rows.parquet", row_group_size=80)
    return frame


def stream() -> ParquetStream:
    data = ParquetStream(
        "rows.parquet",
        target="label",
        fractions=[0.64, 0.16, 0.2],
        split_seed=0,
        shuffle_seed=0,
        batch_size=32,
        eval_batch_size=64,
    )
    data.setup()
    return data


def test_a_run_takes_every_batch_and_predicts_every_row_of_its_splits(table):
    run = smoothlab.train([*RUN, "seed=0"])
    data = stream()
    assert run.results["steps"] == 3 * len(data.train_dataloader())
    for split in ("val", "test"):
        predictions = pd.read_parquet(run.path / "predictions" / f"{split}.parquet")
        rows = [row for batch in data.loader(split) for row in batch.rows.tolist()]
        assert predictions["row"].tolist() == rows
        assert predictions["label"].astype(int).tolist() == table["label"].iloc[rows].tolist()
    assert run.results["metrics"]["test"]["accuracy"] > 0.45  # chance is 1/3
    assert "900 rows" in (run.path / "run.log").read_text()


def test_a_few_batches_are_a_run(cli):
    code, _, err = cli("train", *RUN, "trainer.limit_train_batches=2", "trainer.limit_val_batches=1")
    assert code == 0, err
    assert json.loads((only_run() / "results.json").read_text())["steps"] == 6


def test_a_run_that_was_cut_off_ends_with_the_same_weights(monkeypatch):
    whole = smoothlab.train([*RUN, "output_root=whole"])
    read = StreamLoader.__iter__

    def cut(loader):
        for number, batch in enumerate(read(loader)):
            if loader.stream.shuffle_seed is not None and loader.stream.epoch == 2 and number == 5:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(StreamLoader, "__iter__", cut)
    with pytest.raises(KeyboardInterrupt):
        smoothlab.train([*RUN, "output_root=cut"])
    monkeypatch.setattr(StreamLoader, "__iter__", read)
    resumed = smoothlab.train([*RUN, "output_root=cut", "resume=auto"])
    assert "resumed at step" in (resumed.path / "run.log").read_text()
    assert resumed.results["metrics"] == whole.results["metrics"]
    first, two = (torch.load(run.path / "checkpoints" / "last.ckpt", weights_only=True) for run in (whole, resumed))
    for key, weight in first["state_dict"].items():
        torch.testing.assert_close(weight, two["state_dict"][key], rtol=0, atol=0, equal_nan=True, msg=key)


def test_evaluation_finds_the_metrics_of_the_run_again(cli):
    run = smoothlab.train(list(RUN))
    before = run.results["metrics"]
    code, out, err = cli("evaluate", f"run={run.path}")
    assert code == 0, err
    assert f"{before['test']['nll']:.4f}" in out + err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.path=none.parquet"], "no such file"),
        (["data.path=cut.parquet"], "not readable as Parquet"),
        (["data.target=lable"], "no such column; the table has a, b, label; nearest: label"),
        (["data.fractions=[0.5,0.5,0.5]"], "data.fractions"),
        (["data.split=time", "data.split_column=a"], "data.split = 'time'"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(cli, words, message):
    content = Path("rows.parquet").read_bytes()
    Path("cut.parquet").write_bytes(content[:-100])
    code, _, err = cli("train", *RUN, *words)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not Path("outputs").exists()
