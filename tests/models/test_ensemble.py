"""An ensemble says the mean of what its runs say."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from untrained_runs import write_run

from smoothlab.commands import main
from smoothlab.data import TableEncoder
from smoothlab.models.loading import load

NAMES = ["calm", "warm", "hot"]
LINEAR = {"_target_": "smoothlab.nets.Linear"}
PROBABILITIES = [f"prob_{name}" for name in NAMES]


@pytest.fixture
def weather() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    return pd.DataFrame({"wind": draw.normal(size=90), "rain": draw.normal(size=90), "place": list("abc") * 30})


def make_run(path: Path, frame: pd.DataFrame, seed: int, *, names=NAMES, kind="classification") -> Path:
    encoder = TableEncoder.fit(frame, {"place": "categorical"})
    write_run(path, encoder, LINEAR, names, seed=seed, spread=9.0, kind=kind)
    (path / "predictions").mkdir()
    draw, table = np.random.default_rng(5), load(path).predict(frame)
    if kind == "classification":
        table.insert(0, "label", draw.choice(names, len(frame)))
    else:
        for name in names:
            table[f"label_{name}"] = np.where(draw.random(len(frame)) < 0.2, np.nan, draw.integers(0, 2, len(frame)))
    order = draw.permutation(len(frame))
    table.assign(row=range(len(frame))).iloc[order].to_parquet(path / "predictions" / "test.parquet")
    return path


@pytest.fixture
def runs(tmp_path, weather, monkeypatch) -> list[Path]:
    monkeypatch.chdir(tmp_path)
    return [make_run(tmp_path / name, weather, seed) for seed, name in enumerate("xyz")]


def test_predictions_are_the_mean_of_the_probabilities_wherever_the_folders_are_moved(runs, weather, tmp_path):
    assert main(["ensemble", "runs=[x,y,z]", "output=together/mean"]) == 0
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("x", "y", "z", "together"):
        shutil.move(name, moved / name)
    weather.to_csv("rows.csv", index=False)
    assert main(["predict", "run=moved/together/mean", "input=rows.csv", "output=out.csv"]) == 0
    out = pd.read_csv("out.csv")
    each = [load(moved / run.name).predict(weather)[PROBABILITIES].to_numpy() for run in runs]
    assert out[PROBABILITIES].to_numpy() == pytest.approx(np.mean(each, axis=0), abs=1e-6)
    assert out["prediction"].tolist() == [NAMES[at] for at in np.mean(each, axis=0).argmax(1)]


def test_its_metrics_are_those_of_the_mean_on_the_rows_that_all_runs_have(runs, capsys):
    assert main(["ensemble", "runs=[x,y,z]", "output=mean"]) == 0
    output = capsys.readouterr()
    tables = [pd.read_parquet(run / "predictions" / "test.parquet").sort_values("row") for run in runs]
    mean = np.mean([table[PROBABILITIES].to_numpy() for table in tables], axis=0)
    truth = [NAMES.index(name) for name in tables[0]["label"]]
    ensemble = json.loads(Path("mean/ensemble.json").read_text())
    assert ensemble["metrics"]["test"]["nll"] == pytest.approx(-np.log(mean[range(90), truth]).mean())
    assert ensemble["metrics"]["test"]["accuracy"] == pytest.approx((mean.argmax(1) == truth).mean())
    assert "val: no metrics of the ensemble, 3 runs have no predictions of it" in output.err
    assert "accuracy" in output.out
    predictions = pd.read_parquet("mean/predictions/test.parquet")
    assert predictions[PROBABILITIES].to_numpy() == pytest.approx(mean)
    assert predictions["label"].tolist() == tables[0]["label"].tolist()


def test_runs_of_other_test_rows_give_a_model_without_metrics(runs, capsys):
    file = runs[1] / "predictions" / "test.parquet"
    pd.read_parquet(file).assign(row=lambda frame: frame["row"] + 1).to_parquet(file)
    assert main(["ensemble", "runs=[x,y]", "output=mean"]) == 0
    assert "test: no metrics of the ensemble, its rows or labels are not the same" in capsys.readouterr().err
    assert json.loads(Path("mean/ensemble.json").read_text())["metrics"] == {}
    assert len(load("mean").models) == 2


def test_runs_that_use_different_columns_are_joined(runs, weather, tmp_path):
    make_run(tmp_path / "narrow", weather[["rain", "place"]], 7)
    assert main(["ensemble", "runs=[narrow,x]", "output=mean"]) == 0
    weather.to_csv("rows.csv", index=False)
    assert main(["predict", "run=mean", "input=rows.csv", "output=out.csv"]) == 0
    expected = (load("narrow").predict(weather)[PROBABILITIES] + load("x").predict(weather)[PROBABILITIES]) / 2
    assert pd.read_csv("out.csv")[PROBABILITIES].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6)


def test_several_labels_are_joined_label_by_label(weather, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate("pq"):
        make_run(tmp_path / name, weather, seed, kind="multilabel")
    assert main(["ensemble", "runs=[p,q]", "output=mean"]) == 0
    each = [load(name).predict(weather)[PROBABILITIES].to_numpy() for name in "pq"]
    assert load("mean").predict(weather)[PROBABILITIES].to_numpy() == pytest.approx(np.mean(each, axis=0), abs=1e-6)
    table = pd.read_parquet("p/predictions/test.parquet").sort_values("row")
    truth = table[[f"label_{name}" for name in NAMES]].to_numpy()
    mean = np.mean(each, axis=0)
    known = ~np.isnan(truth)
    by_hand = -np.log(np.where(truth == 1, mean, 1 - mean))[known].mean()
    metrics = json.loads(Path("mean/ensemble.json").read_text())["metrics"]["test"]
    assert metrics["nll"] == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["runs=[x]"], "runs: expected at least two runs"),
        (["runs=x"], "runs = 'x': expected a list of run directories"),
        (["runs=[x,x]"], "runs: one of them is there twice"),
        (["runs=[x,nowhere]"], "runs = 'nowhere': no such directory"),
        (["runs=[x,other]"], "runs: run 2 has other classes than the first: 'calm', 'cold', 'hot'; the first: 'calm'"),
        (["runs=[x,y]", "output=z"], "output = 'z': is a run; expected a folder"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_folder(runs, weather, tmp_path, capsys, words, message):
    make_run(tmp_path / "other", weather, 0, names=["calm", "cold", "hot"])
    before = sorted(path.name for path in tmp_path.iterdir())
    capsys.readouterr()
    assert main(["ensemble", "output=mean", *words]) == 2
    output = capsys.readouterr().err
    assert output.startswith(f"smoothlab: {message}")
    assert output.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_an_ensemble_whose_run_is_gone_says_which(runs, capsys):
    assert main(["ensemble", "runs=[x,y]", "output=mean"]) == 0
    shutil.rmtree("y")
    capsys.readouterr()
    assert main(["predict", "run=mean", "input=rows.csv", "output=out.csv"]) == 2
    assert "y': no such directory" in capsys.readouterr().err


def test_an_ensemble_that_is_made_anew_and_cut_off_at_its_sums_is_read(runs, weather, monkeypatch):
    assert main(["ensemble", "runs=[x,y]", "output=mean"]) == 0

    def cut_off(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("smoothlab.models.ensemble.write_sums", cut_off)
    assert main(["ensemble", "runs=[x,y,z]", "output=mean"]) == 130
    weather.to_csv("rows.csv", index=False)
    assert main(["predict", "run=mean", "input=rows.csv", "output=out.csv"]) == 0
