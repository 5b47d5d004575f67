"""smoothlab calibrate: a run's temperature or class priors, fitted to new rows, as a run of its own."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

import smoothlab
from smoothlab.calibration import shifted_priors


def rows_of(count, ill, seed=0):
    """Two overlapping classes, of which ``ill`` is the share of the second."""
    random = np.random.default_rng(seed)
    label = random.random(count) < ill
    return pd.DataFrame({"x": random.normal(2.0 * label), "label": np.where(label, "ill", "well")})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrate")
    rows_of(4000, 0.5).to_csv(folder / "old.csv", index=False)
    return smoothlab.train(
        ["data=table", f"data.path={folder / 'old.csv'}", "data.target=label", f"output_root={folder}", "logger=none",
         "net=linear", "smoothing=none",
         "calibrator=temperature", "optimizer.lr=0.1", "trainer.max_epochs=5", "figures=false", "progress=none"]
    )  # fmt: skip


def test_class_priors_of_new_rows_are_found_without_labels(run, tmp_path, cli):
    new = rows_of(2000, 0.1, seed=1)
    new.drop(columns="label").to_csv(tmp_path / "new.csv", index=False)
    code, out, err = cli("calibrate", f"run={run.path}", f"input={tmp_path / 'new.csv'}",
                         f"output={tmp_path / 'shifted'}", "method=priors")  # fmt: skip
    assert code == 0, err
    assert "ill: training 0." in out
    results = json.loads((tmp_path / "shifted" / "results.json").read_text())
    shares = {row["class"]: row["estimated"] for row in results["recalibrated"]["shares"]}
    assert shares["ill"] == pytest.approx((new["label"] == "ill").mean(), abs=0.03)
    before, after = (smoothlab.load(path).predict(new)["prob_ill"] for path in (run.path, tmp_path / "shifted"))
    odds = shares["ill"] / shares["well"] / (before_share := _training_share(run)) * (1 - before_share)
    assert np.allclose(after / (1 - after), before / (1 - before) * odds, rtol=1e-3)


def _training_share(run):
    ours = torch.load(run.path / "checkpoints" / "best.ckpt", weights_only=True)["smoothlab"]
    return ours["class_counts"][ours["class_names"].index("ill")] / sum(ours["class_counts"])


def test_labelled_rows_say_what_it_is_worth_and_the_old_run_stays(run, tmp_path, cli):
    rows_of(500, 0.1, seed=2).to_csv(tmp_path / "new.csv", index=False)
    old = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    words = [f"run={run.path}", f"input={tmp_path / 'new.csv'}"]
    for method in ("priors", "temperature"):
        code, out, err = cli("calibrate", *words, f"output={tmp_path / method}", f"method={method}")
        assert code == 0, err
        results = json.loads((tmp_path / method / "results.json").read_text())
        assert f"{results['recalibrated']['before']['nll']:.4f} -> {results['metrics']['test']['nll']:.4f}" in out
        assert smoothlab.load(tmp_path / method).calibrator is not None
    shifted = json.loads((tmp_path / "priors" / "results.json").read_text())
    assert shifted["metrics"]["test"]["nll"] < shifted["recalibrated"]["before"]["nll"] - 0.02
    assert all(path.read_bytes() == content for path, content in old.items())
    code, _, err = cli("calibrate", *words[1:], f"run={tmp_path / 'priors'}", f"output={tmp_path / 'again'}")
    assert code == 0, err


def test_mistakes_are_one_line(run, tmp_path, cli):
    rows_of(50, 0.3).to_csv(tmp_path / "new.csv", index=False)
    rows_of(50, 0.3).drop(columns="label").to_csv(tmp_path / "bare.csv", index=False)
    rows_of(3, 0.3).to_csv(tmp_path / "few.csv", index=False)
    new, out = f"input={tmp_path / 'new.csv'}", f"output={tmp_path / 'made'}"
    for words, says in (
        ([f"run={run.path}", new, out, "method=platt"], "expected one of temperature, priors"),
        ([f"run={run.path}", new, f"output={tmp_path}"], "is there already"),
        ([f"run={run.path}", f"input={tmp_path / 'bare.csv'}", out], "no column 'label'"),
        ([f"run={run.path}", f"input={tmp_path / 'few.csv'}", out], "3 rows"),
        ([f"run={tmp_path}", new, out], "run"),
    ):
        code, _, err = cli("calibrate", *words)
        assert code == 2
        assert says in err
        assert err.count("\n") == 1
    assert not (tmp_path / "made").exists()


def test_priors_are_those_of_the_rows_where_the_model_knows_the_posterior():
    random = np.random.default_rng(0)
    label = random.random(20_000) < 0.2
    x = torch.from_numpy(random.normal(2.0 * label))
    posterior = torch.softmax(torch.stack([-(x**2) / 2, -((x - 2) ** 2) / 2], 1), 1)  # at even shares
    new = shifted_priors(posterior, torch.tensor([0.5, 0.5]))
    assert float(new[1]) == pytest.approx(float(label.mean()), abs=0.01)


def test_what_a_kill_leaves_does_not_keep_the_next_call_from_its_folder(run, tmp_path, cli, monkeypatch):
    rows_of(50, 0.3).to_csv(tmp_path / "new.csv", index=False)
    words = ["calibrate", f"run={run.path}", f"input={tmp_path / 'new.csv'}", f"output={tmp_path / 'made'}"]
    with monkeypatch.context() as killed:
        killed.setattr(
            "smoothlab.models.recalibrating.add_to_checkpoint", lambda *_, **__: (_ for _ in ()).throw(MemoryError)
        )
        killed.setattr("shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(MemoryError):
            cli(*words)
    assert not (tmp_path / "made").exists()
    code, _, err = cli(*words)
    assert code == 0, err
    assert smoothlab.load(tmp_path / "made").calibrator is not None
