"""A rival's run is a run like any other: its directory, and the commands that read it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mixed_tables import mixed_table

import smoothlab
from smoothlab.config.allowed import ALLOWED
from smoothlab.errors import UserMistake
from smoothlab.kinds import KINDS
from smoothlab.models.making import make_net
from smoothlab.rundir.directory import RunDirectory

ORDER = "data.order=['class 0','class 1','class 2']"
# Arms of the list that have nothing to do with rivals.
OTHERS = (
    "gradual",
    "adaptive",
    "conditional",
    "agreement",
    "online",
    "hierarchical",
    "ordinal",
    "auto",
    "dropout",
    "confidence_penalty",
    "mixup",
    "focal",
    "margin",
    "acls",
    "max_suppression",
    "ensemble",
    "temperature",
)
RIVALS = ("logistic_regression", "boosting")


def words(table: Path, model: str, *more: str) -> list[str]:
    return ["data=table", f"data.path={table}", "data.target=label", f"model={model}", "logger=csv", *more]


@pytest.mark.parametrize("model", RIVALS)
def test_its_directory_has_what_every_run_has(table, model, drawn_figures):
    run = smoothlab.train(words(table, model, "calibrator=temperature"))
    results = run.results
    assert run.status["state"] == "done"
    assert set(results["metrics"]) == set(results["before_calibration"]) == {"val", "test"}
    before = results["before_calibration"]["val"]
    assert results["objective"]["name"] == "val/nll_scaled"  # what a calibrator has a run judged by
    assert results["objective"]["value"] == pytest.approx(before["nll_scaled"])
    assert results["model"]["kind"].lower() == model.replace("_", "")
    assert len(run.metrics) == results["epochs"]
    assert run.metrics["val/nll"].min() == pytest.approx(before["nll"], abs=1e-5)
    assert run.metrics["val/nll"].idxmin() == results["best_epoch"]
    assert (run.path / "figures" / "reliability_test.png").is_file()
    stored = pd.read_parquet(run.path / "predictions" / "test.parquet")
    assert {"row", "label", "prediction", "prob_class 0"} <= set(stored.columns)
    content = torch.load(run.path / "checkpoints" / "best.ckpt", weights_only=True)  # tensors and plain values alone
    assert content["smoothlab"]["calibrator"]["kind"] == "Temperature"
    read = run.model().predict(pd.read_csv(table).iloc[stored["row"]])
    assert read["prob_class 0"].to_numpy() == pytest.approx(stored["prob_class 0"].to_numpy(), abs=1e-6)


@pytest.mark.parametrize("model", RIVALS)
def test_the_commands_that_read_a_run_read_this_one(cli, table, model):
    runs = [smoothlab.train(words(table, model, f"seed={seed}", "data.split_seed=0")) for seed in (0, 1)]
    first = str(runs[0].path)
    code, _, err = cli("evaluate", f"run={first}", "output=numbers.json")
    assert (code, err) == (0, "")
    again = json.loads(Path("numbers.json").read_text())["metrics"]
    assert again["test"]["nll"] == pytest.approx(runs[0].results["metrics"]["test"]["nll"], abs=1e-9)
    assert cli("evaluate", f"run={first}", f"input={table}")[0] == 0
    assert cli("predict", f"run={first}", f"input={table}", "output=predicted.csv")[0] == 0
    assert len(pd.read_csv("predicted.csv")) == 400
    assert cli("ensemble", f"runs=[{first},{runs[1].path}]", "output=together")[0] == 0
    assert cli("report", "outputs/table")[0] == 0


def test_boosting_exports_to_a_graph_with_the_same_probabilities(cli, table):
    run = smoothlab.train(words(table, "boosting", "model.max_iter=5", "calibrator=temperature", "figures=false"))
    code, _, err = cli("export", f"run={run.path}", "output=model.pt2", "format=torch")
    assert code == 0, err
    assert json.loads(Path("model.json").read_text())["check"]["largest_difference"] < 1e-6


@pytest.mark.parametrize("model", RIVALS)
def test_the_same_command_gives_the_same_predictions(table, model):
    runs = [smoothlab.train(words(table, model, "figures=false")) for _ in range(2)]
    assert runs[0].results["identity"] == runs[1].results["identity"]
    first, other = (pd.read_parquet(run.path / "predictions" / "test.parquet") for run in runs)
    pd.testing.assert_frame_equal(first, other)


def test_the_net_that_it_stands_for_is_not_a_part_of_its_identity(table):
    from smoothlab.config.compose import compose_config, plain
    from smoothlab.rundir.identity import run_identity

    def identity(*more: str) -> str:
        return run_identity(plain(compose_config("train", [*words(table, "boosting"), *more])), "")

    assert identity() == identity("net.hidden=[3]", "trainer.max_epochs=7")
    assert identity() != identity("model.learning_rate=0.3")


def test_one_that_was_interrupted_is_found_and_fitted_anew(cli, table, monkeypatch):
    from smoothlab.rivals import Boosting

    with monkeypatch.context() as patch:

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(Boosting, "_fit", stop)
        assert cli("train", *words(table, "boosting"))[0] == 130
    (cut,) = (path for path in Path("outputs").glob("*/*/"))
    assert RunDirectory(cut).read_status()["state"] == "interrupted"
    code, _, err = cli("train", *words(table, "boosting", "resume=auto", "figures=false"))
    assert code == 0, err
    assert RunDirectory(cut).read_status()["state"] == "done"
    assert "fitted anew" in (cut / "run.log").read_text()


def test_a_sweep_over_nets_and_rivals(cli, table):
    sweep = ("trainer.max_epochs=1", "figures=false", "hydra.launcher.n_jobs=1")
    net = [word for word in words(table, "net") if not word.startswith("model=")]
    code, _, err = cli("train", "-m", *net, "model=net,boosting", "smoothing=none", *sweep)
    assert code == 0, err
    finished = [json.loads(file.read_text()) for file in Path("outputs/sweeps").rglob("results.json")]
    assert sorted("model" in results for results in finished) == [False, True]


def test_class_weights_move_the_probabilities(table):
    plain_run = smoothlab.train(words(table, "boosting", "figures=false"))
    weighted = smoothlab.train(
        words(table, "boosting", "figures=false", "data.class_weight={class 0:10,class 1:1,class 2:1}")
    )
    means = [
        pd.read_parquet(run.path / "predictions/test.parquet")["prob_class 0"].mean() for run in (plain_run, weighted)
    ]
    assert means[1] > means[0] + 0.02


def test_folds_and_two_classes(tmp_path):
    mixed_table(200, 2).to_csv("two.csv", index=False)
    rows = []
    for fold in (0, 1):
        run = smoothlab.train(words(Path("two.csv"), "boosting", "data.folds=2", f"data.fold={fold}", "figures=false"))
        rows += pd.read_parquet(run.path / "predictions/test.parquet")["row"].tolist()
    assert sorted(rows) == list(range(200))


def test_ordered_classes_are_taken_as_classes(table):
    run = smoothlab.train(
        words(table, "logistic_regression", "task=ordinal", "data.labels=ordinal", ORDER, "figures=false")
    )
    assert np.isfinite(run.results["metrics"]["test"]["ordinal_mae"])


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["smoothing=standard"], "smoothing: Boosting is fitted to the labels as they are"),
        (["penalty=confidence"], "penalty: Boosting is fitted to the labels as they are"),
        (["loss=focal"], "take loss=cross_entropy"),
        (["mixing=mixup"], "mixing: Boosting"),
        (["trainer.max_epochs=3"], "trainer.max_epochs: trains a net, and model=boosting is none"),
        (["net.hidden=[3]"], "net.hidden: trains a net"),
        (["optimizer=sgd"], "optimizer: trains a net"),
        (["model.learning_rate=0"], "model.learning_rate = 0: expected a number above 0"),
    ],
)
def test_what_means_nothing_to_it_is_one_line(cli, table, more, says):
    code, _, err = cli("train", *words(table, "boosting"), *more)
    assert code == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert not Path("outputs").exists()


def titles() -> list[str]:
    Path("t.csv").write_text("title,label\n" + "".join(f"word{n % 2} other{n},{n % 2}\n" for n in range(80)))
    return ["data=text", "data.path=t.csv", "data.text=title", "data.target=label"]


@pytest.mark.parametrize("data", ["titles", "pairs"])
def test_other_data_than_tables_are_refused_in_one_line(cli, data):
    more = titles() if data == "titles" else ["experiment=translation", "data=synthetic_translation"]
    code, _, err = cli("train", *more, "model=boosting")
    assert code == 2
    assert "model: Boosting is for" in err
    assert len(err.strip().splitlines()) == 1


def test_a_class_that_is_no_rival_is_refused():
    with pytest.raises(UserMistake, match="expected a class that extends"):
        make_net({"model": {"_target_": "torch.nn.Identity"}}, KINDS["classification"], 2, {"spans": []}, ALLOWED)


def test_compare_takes_them_as_arms_and_scales_one(cli, table):
    code, out, err = cli(
        "compare",
        "data=table",
        f"data.path={table}",
        "data.target=label",
        "take=[none,logistic_regression,boosting,boosting_temperature]",
        *("seeds=2", "grid=2", "epochs=2", "n_jobs=1", "output_root=compared"),
    )
    assert code == 0, err
    folder = next(Path("compared").rglob("comparison.json")).parent
    comparison = json.loads((folder / "comparison.json").read_text())
    assert set(comparison["arms"].values()) == {"none", "logistic_regression", "boosting", "boosting_temperature"}
    assert len(comparison["tried"]["boosting"]) == 2
    for name, arm in comparison["arms"].items():
        if arm == "boosting_temperature":
            results = json.loads((folder / "runs" / name / "results.json").read_text())
            (member,) = results["members"]
            assert comparison["arms"][member] == "boosting"
            assert results["temperature"] > 0
    lines = [line.split()[0] for line in out.splitlines() if line]
    assert {"logistic_regression", "boosting", "boosting_temperature"} <= set(lines)


def test_compare_leaves_them_out_where_the_data_are_no_table(cli):
    code, _, err = cli(
        *("compare", *titles(), "net=embedding_bag", "net.width=4"),
        *("seeds=2", "grid=1", "epochs=1", "n_jobs=1", f"without=[{','.join(OTHERS)}]"),
    )
    assert code == 0, err
    left_out = json.loads(next(Path("outputs").rglob("comparison.json")).read_text())["left_out"]
    assert all("for the columns of a table" in left_out[name] for name in RIVALS)
    assert left_out["boosting_temperature"] == "boosting is left out"


MINE = """
import torch
from smoothlab.rivals import Rival

class Prior(Rival):
    def _fit(self, train, val, seed):
        counts = torch.bincount(torch.from_numpy(train.labels), minlength=self.num_classes)[self.seen].double()
        self._learn(shares=counts.log())
        return [0.0]

    def scores(self, features):
        return self.shares.expand(len(features), -1)

    def summary(self):
        return {}

    def __init__(self, num_classes, spans):
        super().__init__(num_classes, spans)
        self._learn(shares=torch.zeros(0, dtype=torch.float64))
"""


def test_a_model_of_ones_own_is_a_file_of_the_group(table):
    Path("mine.py").write_text(MINE)
    Path("own/model").mkdir(parents=True)
    Path("own/model/prior.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /smoothing: none\nmodel:\n  _target_: mine.Prior\n"
    )
    run = smoothlab.train(words(table, "prior", "code=mine.py", "hydra.searchpath=[file://own]", "figures=false"))
    assert run.results["metrics"]["test"]["nll"] == pytest.approx(np.log(3), abs=0.05)
    assert run.results["model"] == {"kind": "Prior"}
