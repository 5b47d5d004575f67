"""A calibrator and a decision are fitted after training, and every command that uses the run applies them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from run_directories import SHORT, only_run

import smoothlab
from smoothlab.data import breast_cancer

BOTH = ("calibrator=temperature", "decision=threshold", "decision.objective=sensitivity", "decision.at_least=0.97")


def test_train_evaluate_and_predict_agree_on_calibrated_probabilities_and_decisions(cli, drawn_figures):
    assert cli("train", *SHORT, *BOTH)[0] == 0
    run = only_run()
    results = json.loads((run / "results.json").read_text())
    before, after = results["before_calibration"], results["metrics"]
    assert after["val"]["nll"] < before["val"]["nll"]
    assert after["val"]["accuracy"] == before["val"]["accuracy"]
    assert results["calibrator"]["kind"] == "Temperature"
    assert results["decision"]["val"]["sensitivity"] >= 0.97
    assert (run / "figures" / "calibration_test.png").is_file()

    # The decisions in the file are those of the operating point, on probabilities that were calibrated.
    test = pd.read_parquet(run / "predictions" / "test.parquet")
    ill, decided = test["label"] == "malignant", test["prediction"] == "malignant"
    point = results["decision"]["test"]
    assert point["sensitivity"] == pytest.approx((ill & decided).sum() / ill.sum())
    assert point["specificity"] == pytest.approx((~ill & ~decided).sum() / (~ill).sum())
    p = np.where(ill, test["prob_malignant"], test["prob_benign"])
    assert after["test"]["nll"] == pytest.approx(-np.log(p).mean(), abs=1e-6)

    assert cli("evaluate", f"run={run}", "output=again.json")[0] == 0
    assert json.loads(Path("again.json").read_text())["metrics"] == after
    raw = breast_cancer().drop(columns="diagnosis").iloc[test["row"]]
    predicted = smoothlab.load(run).predict(raw)
    assert predicted["prediction"].tolist() == test["prediction"].tolist()
    np.testing.assert_allclose(predicted["prob_malignant"], test["prob_malignant"], atol=1e-6)

    # The last checkpoint is another net: nothing was fitted to it.
    assert smoothlab.load(run, checkpoint="last").calibrator is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("calibrator=logit_norm",), "calibrator: LogitNormalisation needs three classes"),
        (("calibrator=unsmooth", "smoothing=gradual"), "calibrator.epsilon = None: smoothing has"),
        (("calibrator=histogram", "calibrator.num_bins=0"), "calibrator.num_bins = 0: expected an integer"),
        (("decision=costs",), "decision.costs = None: expected the cost"),
        (("decision=threshold", "decision.positive=ill"), "decision.positive = 'ill': expected one of"),
    ],
)
def test_mistakes_are_one_line_before_a_directory_is_made(cli, words, message):
    code, out, err = cli("train", *SHORT, *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"smoothlab: {message}")
    assert err.count("\n") == 1
    assert not Path("outputs").exists()


def epochs(run: Path, metric: str) -> list[float]:
    return pd.read_csv(run / "metrics.csv")[metric].dropna().tolist()


@pytest.mark.parametrize(
    ("words", "monitored"),
    [
        ((), "val/nll"),
        (("calibrator=temperature",), "val/nll_scaled"),
        (("calibrator=temperature", "monitor=val/nll"), "val/nll"),
        (("monitor=val/nll_scaled",), "val/nll_scaled"),
    ],
)
def test_with_a_calibrator_a_run_is_chosen_by_what_calibration_leaves(cli, words, monitored):
    assert cli("train", *SHORT, *words)[0] == 0
    run = only_run()
    results = json.loads((run / "results.json").read_text())
    scaled = epochs(run, "val/nll_scaled")
    assert all(least <= raw + 5e-5 for least, raw in zip(scaled, epochs(run, "val/nll"), strict=True))
    assert results["objective"]["name"] == monitored
    assert results["objective"]["value"] == pytest.approx(min(epochs(run, monitored)))
    for split, metrics in results["metrics"].items():
        parts = results["decomposition"][split]
        for name in ("nll", "brier"):
            assert sum(parts[name].values()) == pytest.approx(metrics[name], abs=1e-6)
        assert parts["nll"]["refinement"] == pytest.approx(metrics["nll_scaled"], abs=5e-5)
