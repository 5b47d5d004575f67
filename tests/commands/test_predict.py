"""Predictions are written row by row, in order, whole or not at all, with what may be promised of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from untrained_runs import write_run

from smoothlab.data import TableEncoder
from smoothlab.models import predicting

NAMES = ["calm", "warm", "hot"]
LINEAR = {"_target_": "smoothlab.nets.Linear"}


@pytest.fixture
def weather() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    return pd.DataFrame({"wind": draw.normal(size=1000), "place": draw.choice(["01", "02", "b"], 1000)})


@pytest.fixture
def run(weather, tmp_path) -> Path:
    """A run whose probabilities are the truth: labels are drawn from them."""
    encoder = TableEncoder.fit(weather, {"place": "categorical"})
    path = write_run(tmp_path / "run", encoder, LINEAR, NAMES, spread=16.0)
    from smoothlab.models.loading import load

    table = load(path).predict(weather)
    draw = np.random.default_rng(1)
    labels = [draw.choice(NAMES, p=row) for row in table.filter(like="prob_").to_numpy()]
    (path / "predictions").mkdir()
    table.assign(label=labels, row=range(1000)).to_parquet(path / "predictions" / "val.parquet")
    return path


@pytest.mark.parametrize(("read", "written"), [("csv", "csv"), ("csv", "parquet"), ("parquet", "csv")])
def test_many_parts_give_what_one_part_gives_in_the_order_of_the_file(cli, run, weather, monkeypatch, read, written):
    weather.to_csv("rows.csv", index=False) if read == "csv" else weather.to_parquet("rows.parquet")
    words = (f"run={run}", f"input=rows.{read}", "conformal=aps", "abstain_at_risk=0.6")
    assert cli("predict", *words, f"output=whole.{written}")[0] == 0
    sizes = []
    monkeypatch.setattr(predicting, "PART_ROWS", 64)
    honest = predicting.Promises.beside
    monkeypatch.setattr(
        predicting.Promises, "beside", lambda self, frame: [sizes.append(len(frame)), honest(self, frame)][1]
    )
    code, _, err = cli("predict", *words, f"output=parts.{written}")
    assert code == 0
    assert "1000 rows written to" in err
    assert sizes == [64] * 15 + [40]
    read_back = pd.read_csv if written == "csv" else pd.read_parquet
    whole, parts = read_back(f"whole.{written}"), read_back(f"parts.{written}")
    pd.testing.assert_frame_equal(whole, parts)
    validated = pd.read_parquet(run / "predictions" / "val.parquet")
    assert parts["prediction"].tolist() == validated["prediction"].tolist()
    probabilities = parts[[f"prob_{name}" for name in NAMES]].to_numpy()
    assert parts["confidence"].to_numpy() == pytest.approx(probabilities.max(1))


def test_a_bad_row_far_down_leaves_the_old_file_as_it_is(cli, run, weather, monkeypatch):
    monkeypatch.setattr(predicting, "PART_ROWS", 64)
    weather.astype(object).assign(wind=[*weather["wind"][:900], *["strong"] * 100]).to_csv("rows.csv", index=False)
    Path("out.csv").write_text("what was there")
    code, _, err = cli("predict", f"run={run}", "input=rows.csv", "output=out.csv")
    assert code == 2
    assert "rows.csv: column 'wind', data row 901: expected a finite number, got 'strong'" in err
    assert Path("out.csv").read_text() == "what was there"
    assert sorted(path.name for path in Path().iterdir()) == ["out.csv", "rows.csv", "run"]


def test_predictions_that_are_kept_are_wrong_as_seldom_as_was_asked(cli, run, weather):
    weather.to_csv("rows.csv", index=False)
    words = (f"run={run}", "input=rows.csv", "output=out.csv")
    code, _, err = cli("predict", *words, "abstain_at_risk=0.2")
    assert code == 0
    out, label = pd.read_csv("out.csv"), pd.read_parquet(run / "predictions" / "val.parquet")["label"]
    answered = ~out["abstain"]
    assert answered.any()
    assert (out["prediction"][answered] != label[answered]).mean() < 0.2 < (out["prediction"] != label).mean()
    assert out["confidence"][answered].min() > out["confidence"][~answered].max()
    assert f"{answered.mean():.1%} are kept" in err
    code, _, err = cli("predict", *words, "abstain_at_risk=0.0001")
    assert code == 2
    assert err.startswith("smoothlab: abstain_at_risk = 0.0001: no threshold keeps it")


@pytest.mark.parametrize("kind", ["split", "aps", "raps", "class"])
def test_sets_hold_the_label_as_often_as_was_asked(cli, run, weather, kind):
    weather.to_parquet("rows.parquet")
    words = (f"run={run}", "input=rows.parquet", "output=out.csv", f"conformal={kind}", "alpha=0.2")
    assert cli("predict", *words)[0] == 0
    out, label = pd.read_csv("out.csv"), pd.read_parquet(run / "predictions" / "val.parquet")["label"]
    sets = out["set"].map(json.loads)
    held = np.array([label_name in there for label_name, there in zip(label, sets, strict=True)])
    groups = [label == name for name in NAMES] if kind == "class" else [np.ones(1000, bool)]
    assert all(held[group].mean() >= 0.8 for group in groups)
    assert sets.map(len).tolist() == out["set_size"].tolist()
    assert sets.map(lambda names: names[0]).tolist() == out["prediction"].tolist()  # the most probable class first
    assert 1 < sets.map(len).mean() < 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["conformal=set"], "conformal = 'set': expected one of none, split, aps, raps, class"),
        (["conformal=aps", "alpha=1"], "alpha = 1: expected a number in (0, 1)"),
        (["abstain_at_risk=5"], "abstain_at_risk = 5: expected a number in (0, 1)"),
        (["abstain_at_risk=0.1", "abstain_delta=0"], "abstain_delta = 0: expected a number in (0, 1)"),
        (["abstain_at_risk=0.1", "checkpoint=last"], "abstain_at_risk: is chosen by the validation predictions of"),
    ],
)
def test_mistakes_are_one_line(cli, run, weather, words, message):
    weather.to_csv("rows.csv", index=False)
    code, _, err = cli("predict", f"run={run}", "input=rows.csv", "output=out.csv", *words)
    assert code == 2
    assert err.startswith(f"smoothlab: {message}")
    assert err.count("\n") == 1
    assert not Path("out.csv").exists()


def test_a_run_without_validation_predictions_cannot_promise(cli, run, weather):
    weather.to_csv("rows.csv", index=False)
    (run / "predictions" / "val.parquet").unlink()
    code, _, err = cli("predict", f"run={run}", "input=rows.csv", "output=out.csv", "conformal=aps")
    assert code == 2
    assert "val.parquet: no such file; abstaining and sets are chosen by" in err
