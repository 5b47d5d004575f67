"""`smoothlab train` leaves a run directory as the contract says, and repeats itself exactly."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from run_directories import SHORT, only_run

import smoothlab
from smoothlab.commands.train import next_command
from smoothlab.errors import RunFailed

CONTRACT = [
    ".hydra/config.yaml",
    ".hydra/overrides.yaml",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
    "config.yaml",
    "figures/classwise_test.png",
    "figures/confidence_test.png",
    "figures/epochs_val.png",
    "figures/reliability_test.png",
    "figures/reliability_val.png",
    "figures/risk_coverage_test.png",
    "SHA256SUMS",
    "metrics.csv",
    "predictions/test.parquet",
    "predictions/val.parquet",
    "results.json",
    "run.log",
    "status.json",
]


def test_a_run_leaves_what_the_contract_says(cli, drawn_figures):
    code, _, err = cli("train", *SHORT)
    assert code == 0
    run = only_run()
    assert [name for name in CONTRACT if not (run / name).is_file()] == []
    assert all((run / name).stat().st_size > 5_000 for name in CONTRACT if name.endswith("png"))
    assert json.loads((run / "status.json").read_text())["state"] == "done"
    assert "nll" in err
    assert str(run) in err  # the table and the path are the last thing that a user sees
    assert (run / "config.yaml").read_text().split("callbacks")[0].count("val/nll") == 1  # monitor
    assert yaml.safe_load((run / "config.yaml").read_text())["smoothing"]["strength"]["start"] == 0.3

    results = json.loads((run / "results.json").read_text())
    assert set(results["metrics"]) == {"val", "test"}
    assert {"nll", "accuracy", "ece", "brier", "confidence_gap"} <= set(results["metrics"]["test"])
    low, high = results["uncertainty"]["test"]["intervals"]["nll"]
    assert low < results["metrics"]["test"]["nll"] < high
    assert results["metrics_are"] == {"val": "exact", "test": "exact"}
    assert results["seed"] == 0
    assert results["versions"]["torch"].startswith("2.")

    rows = pd.read_csv(run / "metrics.csv")
    assert rows["epoch"].tolist() == [0, 1, 2, 3]
    assert rows["val/nll"].iloc[-1] < rows["val/nll"].iloc[0]
    assert (rows["train/kl"] <= rows["train/loss"]).all()
    assert rows["smoothing/epsilon"].iloc[0] == pytest.approx(0.3)
    assert rows["smoothing/epsilon"].iloc[-1] < 0.3
    assert results["smoothing"]["epsilon"] < 0.3
    assert f"smoothing=auto: {results['smoothing']['says']}\n" in err  # what epsilon became, and why
    assert "epsilon fell from 0.3 to" in err


def test_predictions_are_enough_to_compute_every_metric_again(cli):
    assert cli("train", *SHORT)[0] == 0
    table = pd.read_parquet(only_run() / "predictions" / "test.parquet")
    results = json.loads((only_run() / "results.json").read_text())["metrics"]["test"]
    from sklearn.metrics import log_loss

    probabilities = table[["prob_benign", "prob_malignant"]]
    assert len(table) == 114
    assert log_loss(table["label"], probabilities, labels=["benign", "malignant"]) == pytest.approx(results["nll"])
    assert (table["label"] == table["prediction"]).mean() == pytest.approx(results["accuracy"])


def test_two_runs_with_one_seed_are_identical():
    first, second = smoothlab.train(SHORT), smoothlab.train(SHORT)
    assert first.path != second.path
    assert (first.path / "metrics.csv").read_bytes() == (second.path / "metrics.csv").read_bytes()
    assert first.results["metrics"] == second.results["metrics"]
    other = smoothlab.train([*SHORT, "seed=1"])
    assert other.results["metrics"] != first.results["metrics"]


def test_from_python_a_run_gives_results_and_a_model():
    run = smoothlab.train([*SHORT, "smoothing=none"])
    assert run.status["state"] == "done"
    assert run.results["metrics"]["test"]["accuracy"] > 0.8
    assert run.metrics["smoothing/epsilon"].eq(0).all()
    from smoothlab.data import breast_cancer

    frame = breast_cancer().sample(20, random_state=0)
    table = smoothlab.load(run.path).predict(frame)
    assert table.index.equals(frame.index)
    assert table[["prob_benign", "prob_malignant"]].sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert (table["prediction"] == frame["diagnosis"]).mean() > 0.8


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_checkpoint(cli):
    words = ("train", "logger=csv", "trainer.max_epochs=30", "optimizer=sgd", "optimizer.lr=1e18")
    code, _, err = cli(*words)
    assert code == 1
    run = only_run()
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "failed"
    assert "non-finite at step" in status["error"]
    assert "optimizer.lr=1e+18 is probably too high" in err
    assert "Traceback" not in err
    assert not (run / "results.json").exists()
    with pytest.raises(RunFailed, match="non-finite"):
        smoothlab.train(words[1:])


def test_runs_of_one_second_do_not_share_a_directory(cli):
    for seed in (0, 1):
        assert cli("train", *SHORT, "hydra.run.dir=same", f"seed={seed}")[0] == 0
    for seed, suffix in ((0, ""), (1, "_2")):
        assert smoothlab.Run(f"same{suffix}").config["seed"] == seed


@pytest.mark.parametrize("name", ["it's", "a b=c,d", 'quo"ted', "back\\slash"])
def test_places_with_odd_names(name, empty_folder):
    run = smoothlab.train(
        [*SHORT, "trainer.max_epochs=1", f"output_root='{empty_folder / name!s}'".replace("it's", "it\\'s")]
    )
    assert run.path.is_relative_to(empty_folder / name)


def test_gathered_batches_take_the_step_of_one_big_batch():
    """Two batches of 180 and one of 4, gathered, weigh samples and not batches."""
    options = ["logger=csv", "trainer.max_epochs=2", "trainer.precision=64-true", "smoothing=standard"]
    whole = smoothlab.train([*options, "data.batch_size=400"])
    gathered = smoothlab.train([*options, "data.batch_size=180", "trainer.accumulate_grad_batches=3"])
    for column in ("train/loss", "val/nll"):
        assert gathered.metrics[column].to_numpy() == pytest.approx(whole.metrics[column].to_numpy(), rel=1e-9)


def test_own_code_comes_in_by_a_file(cli, empty_folder):
    (empty_folder / "linear_for_test.py").write_text(
        "import torch\n\n\nclass Linear(torch.nn.Linear):\n"
        "    def __init__(self, in_features, num_classes):\n        super().__init__(in_features, num_classes)\n"
    )
    words = (*SHORT, "net._target_=linear_for_test.Linear", "~net.hidden", "~net.dropout")
    code, _, err = cli("train", *words)
    assert code == 2
    assert "not allowed" in err
    assert cli("train", *words, "code=linear_for_test.py")[0] == 0
    run = only_run()
    code, _, err = cli("evaluate", f"run={run}")
    assert code == 2
    assert "code=" in err
    assert cli("evaluate", f"run={run}", "code=linear_for_test.py")[0] == 0


def test_twenty_classes_of_which_none_is_probable_train_to_results_and_are_evaluated(cli):
    """A first epoch: no probability reaches 1/15, and no class a second bin."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(200, 3)), columns=["a", "b", "c"]).assign(label=np.arange(200) % 20)
    table.to_csv("twenty.csv", index=False)
    few = ("trainer.max_epochs=1", "optimizer.lr=1e-4", "logger=none")
    code, _, _ = cli("train", "data=table", "data.path=twenty.csv", "data.target=label", "smoothing=none", *few)
    assert code == 0
    run = only_run()
    results = json.loads((run / "results.json").read_text())
    predicted = pd.read_parquet(run / "predictions" / "test.parquet")
    probabilities = predicted.filter(like="prob_")
    assert probabilities.to_numpy().max() < 1 / 15
    labels = "prob_" + predicted["label"]
    expected = np.mean([abs(probabilities[name].mean() - (labels == name).mean()) for name in probabilities])
    assert results["metrics"]["test"]["ece_classwise"] == pytest.approx(expected, abs=1e-9)
    for name, (low, high) in results["uncertainty"]["test"]["intervals"].items():
        assert low <= results["metrics"]["test"].get(name, low) <= high, name
    code, out, _ = cli("evaluate", f"run={run}", "input=twenty.csv")
    assert code == 0
    assert "ece_classwise" in out


class Finished:
    """What ``next_command`` asks of a run."""

    def __init__(self, gap, ends, config):
        self.path = Path("outputs/medical/run")
        self.config = config
        metrics = {"test": {"confidence_gap": gap, "accuracy": 0.8, "ece": 0.05}}
        self.results = {"metrics": metrics, "uncertainty": {"test": {"intervals": {"confidence_gap": ends}}}}


@pytest.mark.parametrize(
    ("gap", "words", "command"),
    [
        (
            (-0.04, [-0.06, -0.02]),
            ["my.csv", "target=label", "smoothing=standard", "smoothing.strength.epsilon=0.3", "data.drop=[a, b]"],
            "smoothlab train my.csv target=label 'data.drop=[a, b]' smoothing=auto",
        ),
        (
            (0.01, [-0.06, 0.08]),
            ["--config-dir", "my", "experiment=gentle", "smoothing=none", "seed=3", "figures=false"],
            "smoothlab compare --config-dir my experiment=gentle budget=quick",
        ),
        ((0.01, [-0.06, 0.08]), [], "smoothlab compare experiment=medical budget=quick"),
        (
            (0.001, [-0.002, 0.003]),
            [],
            "smoothlab predict run=outputs/medical/run input=<new rows> output=probabilities.csv",
        ),
    ],
)
def test_the_next_command_is_that_of_what_was_found(gap, words, command):
    config = {"smoothing": {"strength": {"_target_": "smoothlab.smoothing.Constant", "epsilon": 0.3}}}
    assert next_command(words, Finished(*gap, config)) == command


def test_a_run_ends_with_a_sentence_and_a_command(cli):
    code, _, err = cli("train", "debug=quick", "progress=none", "smoothing=none")
    assert code == 0
    *_, sentence, command = err.strip().splitlines()
    assert "test rows" in sentence
    assert command.startswith("next: smoothlab ")
    (log,) = Path("outputs").rglob("run.log")
    assert sentence in log.read_text()
