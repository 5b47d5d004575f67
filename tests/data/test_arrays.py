"""Arrays of features and labels are split and encoded as tables are, and bad ones are refused in one line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from smoothlab.commands.main import main
from smoothlab.data import TableData, describe, encoder_from_state
from smoothlab.data.arrays import ArrayData
from smoothlab.errors import UserMistake

SHORT = ["logger=csv", "figures=false", "trainer.max_epochs=2", "data=arrays"]


def arrays_of(rows: int = 120, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % 3
    features = generator.normal(size=(rows, 4)).astype(np.float32) + labels[:, None]
    return {"features": features, "labels": labels, "site": np.array(["a", "b"])[labels % 2], "w": np.ones(rows)}


def set_up(source=None, **options) -> ArrayData:
    data = ArrayData(source, **options)
    data.setup()
    return data


def test_arrays_are_the_same_data_as_a_table_of_their_columns(tmp_path):
    arrays = arrays_of()
    np.savez(tmp_path / "a.npz", **arrays)
    frame = pd.DataFrame(arrays["features"], columns=["x0", "x1", "x2", "x3"]).assign(labels=arrays["labels"])
    table = TableData(lambda: frame, target="labels", missing=False)
    table.setup()
    for data in (set_up(arrays), set_up(lambda: arrays), set_up(path=str(tmp_path / "a.npz"))):
        assert data.class_names == ["0", "1", "2"]
        for split in ("train", "val", "test"):
            for name in ("features", "labels", "rows"):
                assert torch.equal(getattr(data.split(split), name), getattr(table.split(split), name))


def test_files_of_single_arrays_and_other_names(tmp_path):
    arrays = arrays_of()
    np.save(tmp_path / "x.npy", arrays["features"])
    np.save(tmp_path / "y.npy", arrays["labels"])
    paths = {"x": str(tmp_path / "x.npy"), "y": str(tmp_path / "y.npy")}
    assert set_up(path=paths, features="x", target="y").class_counts == set_up(arrays).class_counts


def test_splits_of_their_own_metadata_weights_and_groups():
    parts = {split: arrays_of(rows, seed) for seed, (split, rows) in enumerate({"train": 60, "test": 30}.items())}
    data = set_up({f"{split}_{name}": array for split, part in parts.items() for name, array in part.items()})
    assert data.split("test").rows.tolist() == list(range(60, 90))
    data = set_up(arrays_of(), metadata=["site"], weight="w")
    assert data.metadata_categories == {"site": ["a", "b"]}
    assert set(data.first(1).metadata) == {"site", "sample_weight"}
    patients = arrays_of() | {"patient": np.arange(120) // 6}
    data = set_up(patients, split="group", split_column="patient")
    groups = [set((data.split(split).rows // 6).tolist()) for split in ("train", "val", "test")]
    assert sum(map(len, groups)) == 20


def test_votes_and_several_labels():
    arrays = arrays_of()
    votes = set_up(arrays | {"labels": np.eye(3)[arrays["labels"]] * 2 + 1}, labels="votes", classes={"0": "cat"})
    assert votes.class_names == ["cat", "1", "2"]
    assert torch.allclose(votes.split("train").labels.sum(1), torch.ones(len(votes.split("train"))))
    several = set_up(arrays | {"labels": np.eye(3)[arrays["labels"]]}, labels="multilabel")
    assert several.label_kind == "multilabel"


def test_describe_and_the_state_of_the_encoder():
    data = set_up(arrays_of(), noise="symmetric", noise_rate=0.3)
    assert describe(data).columns[0]["kind"] == "numeric"
    assert any("symmetric noise" in note for note in data.notes)
    again = encoder_from_state(data.encoder.state())
    frame = pd.DataFrame(arrays_of()["features"], columns=again.raw_columns)
    assert torch.equal(again.encode(frame), data.encoder.encode(frame))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": None}, "no array 'features' \\(data.features\\); it has labels"),
        ({"labels": None}, "no array 'labels' \\(data.target\\); it has features"),
        ({"features": np.ones((120, 2, 2))}, r"features has the shape \(120, 2, 2\) and float64 values; expected"),
        ({"features": np.array([["a"]] * 120)}, "expected numbers"),
        ({"features": np.full((120, 2), np.nan)}, "row 1, column 0: expected a finite number, got nan \\(240 such"),
        ({"labels": np.arange(7)}, r"labels has the shape \(7,\) for 120 rows of features; expected \(120,\)"),
        ({"labels": np.zeros(120)}, "expected at least two classes"),
    ],
)
def test_mistakes_are_one_line(change, message):
    arrays = {name: array for name, array in (arrays_of() | change).items() if array is not None}
    with pytest.raises(UserMistake, match=message) as caught:
        set_up(arrays)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "a.npz").write_text("no zip")
    np.savez(tmp_path / "b.npz", features=np.array([{}, {}], dtype=object))
    (tmp_path / "c.txt").write_text("1 2")
    for name, message in (
        ("a.npz", "pickle"),
        ("b.npz", "pickled"),
        ("c.txt", "expected an .npz"),
        ("d.npz", "no such"),
    ):
        with pytest.raises(UserMistake, match=message) as caught:
            set_up(path=str(tmp_path / name))
        assert "\n" not in str(caught.value)
    with pytest.raises(UserMistake, match="got nothing"):
        set_up()


def test_a_run_trains_predicts_and_is_scored_on_a_new_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", **arrays_of())
    np.savez("new.npz", **arrays_of(seed=1))
    assert main(["train", *SHORT, "data.path=a.npz", "name=arrays"]) == 0
    (run,) = (tmp_path / "outputs" / "arrays").iterdir()
    np.save("rows.npy", arrays_of(seed=1)["features"])
    for source in ("new.npz", "rows.npy"):
        assert main(["predict", f"run={run}", f"input={source}", "output=p.csv"]) == 0
        assert len(pd.read_csv("p.csv")) == 120
    assert main(["evaluate", f"run={run}", "input=new.npz"]) == 0
    assert main(["data", "describe", "data=arrays", "path=a.npz"]) == 0
    assert "4 numeric" in " ".join(capsys.readouterr().out.split())
