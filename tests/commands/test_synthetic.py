"""Runs on synthetic domains report how far they are from the truth, and get near to it."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from run_directories import only_run

import smoothlab
from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.metrics.truth import NAMES

SMALL = ("data.rows=600", "data.val_rows=200", "data.test_rows=300", "trainer.max_epochs=3", "logger=csv")
PRESETS = ("medical/synthetic_votes", "retail/synthetic_segments", "retail", "finance", "finance/synthetic_market")
PRESETS += ("agriculture/synthetic_grades",)


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr("smoothlab.scoring.outcome.save_figure", lambda *_: None)


@pytest.mark.parametrize("domain", ["medical", "retail", "finance", "agriculture"])
def test_a_run_reports_its_distance_from_the_truth_and_saves_the_posterior(domain, cli):
    code, _, err = cli("train", f"data=synthetic_{domain}", *SMALL)
    assert code == 0, err
    assert "excess_nll" in err
    run = only_run()
    metrics = json.loads((run / "results.json").read_text())["metrics"]
    assert set(NAMES) <= set(metrics["val"])
    assert not [name for name in metrics["test"] if name.startswith("clean_")]
    test = metrics["test"]
    assert test["nll"] == pytest.approx(test["bayes_nll"] + test["excess_nll"], abs=0.15)  # less the draw of the labels
    assert test["accuracy"] == pytest.approx(test["true_accuracy"], abs=0.12)

    table = pd.read_parquet(run / "predictions" / "test.parquet")
    true, predicted = (torch.tensor(table.filter(regex=f"^{kind}_").to_numpy()).double() for kind in ("true", "prob"))
    excess = (true * (true.log() - predicted.log())).nan_to_num().sum(1).mean()
    assert float(excess) == pytest.approx(test["excess_nll"], abs=1e-5)
    assert (true.sum(1) - 1).abs().max() < 1e-5


def test_evaluate_repeats_the_numbers_and_predict_reads_raw_rows(cli, tmp_path):
    assert cli("train", "data=synthetic_medical", "data.noise=pair", *SMALL)[0] == 0
    run = only_run()
    assert cli("evaluate", f"run={run}", "output=again.json")[0] == 0
    before = json.loads((run / "results.json").read_text())["metrics"]
    assert json.loads((tmp_path / "again.json").read_text())["metrics"] == before
    # validation labels are noisy, test labels are not
    assert before["val"]["clean_excess_nll"] != before["val"]["excess_nll"]
    assert before["val"]["clean_bayes_nll"] < before["val"]["bayes_nll"]
    assert "clean_excess_nll" not in before["test"]

    data = build(smoothlab.Run(run).config["data"], "data")
    data.rows.frame("test", 0, 300).to_csv("rows.csv", index=False)
    assert cli("predict", f"run={run}", "input=rows.csv", "output=out.parquet")[0] == 0
    saved, again = pd.read_parquet(run / "predictions" / "test.parquet"), pd.read_parquet("out.parquet")
    names = [f"prob_{name}" for name in data.rows.domain.class_names]
    assert again[names].to_numpy() == pytest.approx(saved[names].to_numpy(), abs=1e-5)


@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_net_that_is_large_enough_gets_near_the_bayes_nll(stream):
    words = ["data=synthetic_medical", f"data.stream={stream}", "data.rows=20000", "data.test_rows=4000"]
    words += ["data.domain.features=3", "data.domain.classes=3", "data.domain.categories=[2]", "net.hidden=[32,32]"]
    words += ["data.batch_size=256", "trainer.max_epochs=12", "optimizer.lr=0.01", "scheduler=cosine", "smoothing=none"]
    test = smoothlab.train([*words, "logger=csv", "progress=none"]).results["metrics"]["test"]
    assert 0 < test["excess_nll"] < 0.01
    assert test["bayes_nll"] > 0.2
    assert test["true_calibration_error"] < 0.04
    assert test["true_accuracy"] > test["bayes_accuracy"] - 0.01


def test_votes_are_judged_by_the_posterior_too(cli):
    assert cli("train", "experiment=medical/synthetic_votes", "data.label=votes", *SMALL)[0] == 0
    test = json.loads((only_run("outputs/medical") / "results.json").read_text())["metrics"]["test"]
    assert test["nll"] == pytest.approx(test["bayes_nll"] + test["excess_nll"], abs=0.1)


def test_names_say_synthetic():
    """Of the configs and presets; and the data say so themselves, whatever the run is called."""
    conf = Path(__file__).resolve().parents[2] / "conf"
    using = [path for path in conf.rglob("*.yaml") if "override /data: synthetic" in path.read_text()]
    assert len(using) == 5
    assert {path.name for path in using if "synthetic" not in path.name} == {"translation.yaml"}  # says so in line 2
    data = build(plain(compose_config("train", ["data=synthetic_finance", *SMALL]))["data"], "data")
    data.setup()
    assert data.notes == ["synthetic data (Market): made-up rows with a known posterior, 1,100 in all"]


@pytest.mark.parametrize("preset", PRESETS)
def test_smoothing_none_turns_the_smoothing_of_a_preset_off(preset):
    config = plain(compose_config("train", [f"experiment={preset}", "smoothing=none"]))["smoothing"]
    assert config["strength"] == {"_target_": "smoothlab.smoothing.Constant", "epsilon": 0.0}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("data.rows=0", "data.rows = 0: expected at least 1"),
        ("data.rows=1e6", "data.rows = 1000000.0: expected an integer"),
        ("data.label=votes", "data.readers = 1: expected at least 2"),
        ("data.noise=loud", "data.noise = 'loud': expected none or symmetric or pair"),
        ("data.domain.depth=4", "data.domain.depth = 4: expected an integer in [1, 2] for 5 classes"),
        ("data.domain.classes=many", "data.domain.classes = 'many': expected an integer"),
        ("smoothing=agreement", "metadata column"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(word, message, cli, tmp_path):
    code, _, err = cli("train", "data=synthetic_medical", word, "logger=csv")
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "outputs").exists()
