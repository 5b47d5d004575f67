"""A run that trains in a stack is the run that it is alone."""

from __future__ import annotations

import csv
import json
import math
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import smoothlab
from smoothlab.config.compose import compose_config, plain
from smoothlab.errors import RunFailed
from smoothlab.models.checkpoint import read_checkpoint
from smoothlab.rundir.directory import DONE, FAILED, INTERRUPTED, RunDirectory
from smoothlab.training.job import run_job
from smoothlab.training.stacked import job as stacked_job
from smoothlab.training.stacked.job import run_stacked
from smoothlab.training.stacked.loop import Stack

BASE = ("experiment=medical", "logger=csv", "progress=none", "figures=false", "net.hidden=[12,8]")
FOLDS = ("data.folds=5", "data.fold=0")
ARMS = {
    "none": ["smoothing=none"],
    "standard": ["smoothing=standard", "seed=3"],
    "gradual": ["smoothing=gradual", "trainer.max_epochs=4"],
    "online": ["smoothing=online", "data.fold=1"],
    "auto": ["smoothing=auto", "optimizer.lr=0.004"],
    "confidence": ["smoothing=none", "penalty=[confidence,margin]"],
    "focal": ["smoothing=standard", "loss=focal", "scheduler=cosine"],
    "mixup": ["smoothing=standard", "mixing=mixup"],
    "plateau": ["smoothing=conditional", "scheduler=plateau", "optimizer.weight_decay=0.3"],
}


def values_of(*overrides: str, engine: str = "batched", base=(*BASE, *FOLDS)) -> dict:
    given = {word.split("=")[0] for word in overrides}
    words = [word for word in base if word.split("=")[0] not in given]
    return {**plain(compose_config("train", [*words, *overrides])), "engine": engine}


def results(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "metrics.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The runs of ARMS in float64, in a stack and alone."""
    folder = tmp_path_factory.mktemp("engines")
    words = ["trainer.precision=64-true", "trainer.max_epochs=5"]
    values = {}
    for name, arm in ARMS.items():
        given = {word.split("=")[0] for word in arm}
        values[name] = values_of(*[word for word in words if word.split("=")[0] not in given], *arm)
    run_stacked([(of_run, str(folder / "stacked" / name)) for name, of_run in values.items()])
    for name in values:
        run_job({**values[name], "engine": "single"}, str(folder / "alone" / name))
    return folder


@pytest.mark.parametrize("name", ARMS)
def test_weights_and_scores_are_those_of_a_run_alone(both, name):
    together, alone = both / "stacked" / name, both / "alone" / name
    for file in ("last.ckpt", "best.ckpt"):
        ours, theirs = (read_checkpoint(folder / "checkpoints" / file) for folder in (together, alone))
        assert (ours["epoch"], ours["global_step"]) == (theirs["epoch"], theirs["global_step"])
        assert ours["state_dict"].keys() == theirs["state_dict"].keys()
        for key, value in theirs["state_dict"].items():
            torch.testing.assert_close(ours["state_dict"][key], value, rtol=0, atol=1e-10)
    ours, theirs = results(together), results(alone)
    assert (ours["engine"], theirs["engine"]) == ("batched", "single")
    assert ours.keys() == theirs.keys()
    for field in ("best_epoch", "epochs", "steps", "name", "seed", "checkpoint", "task_kind"):
        assert ours[field] == theirs[field]
    assert ours["objective"]["name"] == theirs["objective"]["name"]
    assert ours["objective"]["value"] == pytest.approx(theirs["objective"]["value"], abs=1e-10)
    for split, metrics in theirs["metrics"].items():
        assert ours["metrics"][split] == pytest.approx(metrics, abs=1e-9)


@pytest.mark.parametrize("name", ARMS)
def test_rows_of_epochs_are_those_of_a_run_alone(both, name):
    """Those of validation that are monitored or drawn; the others are left out."""
    ours, theirs = rows(both / "stacked" / name), rows(both / "alone" / name)
    assert len(ours) == len(theirs)
    for our_row, their_row in zip(ours, theirs, strict=True):
        assert {"val/nll", "val/accuracy", "val/ece", "val/confidence_gap", "train/loss", "lr"} <= our_row.keys()
        missing = {key for key in their_row.keys() - our_row.keys() if not key.startswith("val/")}
        assert not missing
        for key, value in our_row.items():
            in_float32 = key in ("smoothing/target_entropy", "train/kl")  # mixed labels are
            assert float(value) == pytest.approx(float(their_row[key]), abs=1e-6 if in_float32 else 1e-9), key


def test_files_are_those_of_a_run_alone(both):
    ours, theirs = (
        {str(path.relative_to(both / kind / "none")) for path in (both / kind / "none").rglob("*") if path.is_file()}
        for kind in ("stacked", "alone")
    )
    assert ours == theirs
    assert RunDirectory(both / "stacked" / "none").read_status()["state"] == DONE


def test_a_stacked_run_predicts(both):
    model = smoothlab.load(both / "stacked" / "standard")
    frame = smoothlab.data.breast_cancer().drop(columns="diagnosis").head(5)
    assert len(model.predict(frame)) == 5


def test_runs_in_float32_are_within_1e_5_after_50_steps(tmp_path):
    overrides = [["smoothing=standard", "trainer.max_epochs=5"], ["smoothing=none", "trainer.max_epochs=5", "seed=1"]]
    values = [values_of(*words) for words in overrides]
    began = time.monotonic()
    run_stacked([(of_run, str(tmp_path / f"stacked{place}")) for place, of_run in enumerate(values)])
    shares = [results(tmp_path / f"stacked{place}")["seconds"]["fit"] for place in (0, 1)]
    assert 0 < sum(shares) <= time.monotonic() - began
    for place, of_run in enumerate(values):
        run_job({**of_run, "engine": "single"}, str(tmp_path / f"alone{place}"))
        ours, theirs = (
            read_checkpoint(tmp_path / f"{kind}{place}" / "checkpoints" / "last.ckpt")["state_dict"]
            for kind in ("stacked", "alone")
        )
        for key, value in theirs.items():
            torch.testing.assert_close(ours[key], value, rtol=0, atol=1e-5)


def test_several_labels_stack_too(tmp_path):
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(90, 2))
    tags = ["|".join(tag for tag, there in zip("ab", row > 0, strict=True) if there) for row in numbers]
    frame = pd.DataFrame(numbers, columns=["x", "y"]).assign(tags=[each or "none" for each in tags])
    frame.to_csv(tmp_path / "tags.csv", index=False)
    words = ["task=multilabel", "data=table", f"data.path={tmp_path / 'tags.csv'}", "data.target=tags"]
    words += ["data.labels=multilabel", "data.label_separator=bar", "smoothing=multilabel", "trainer.max_epochs=3"]
    values = [values_of(*words, f"seed={seed}", base=BASE[1:]) for seed in (0, 1)]
    run_stacked([(of_run, str(tmp_path / f"stacked{place}")) for place, of_run in enumerate(values)])
    run_job({**values[1], "engine": "single"}, str(tmp_path / "alone"))
    ours, theirs = results(tmp_path / "stacked1"), results(tmp_path / "alone")
    assert ours["engine"] == "batched"
    assert ours["metrics"]["test"] == pytest.approx(theirs["metrics"]["test"], abs=1e-5)


def test_a_net_with_batch_statistics_trains_alone_without_a_word(tmp_path, capfd):
    words = ("net=tabular_resnet", "net.normalization=batch", "trainer.max_epochs=1")
    values = [values_of(*words, f"seed={seed}", base=BASE[:4]) for seed in (0, 1)]
    run_stacked([(of_run, str(tmp_path / str(place))) for place, of_run in enumerate(values)])
    assert [results(tmp_path / place)["engine"] for place in "01"] == ["single", "single"]
    assert "fail" not in capfd.readouterr().err


def test_a_run_that_diverges_fails_alone_and_says_why(tmp_path):
    values = [values_of("trainer.max_epochs=2"), values_of("trainer.max_epochs=2", "optimizer.lr=1.0e+30")]
    with pytest.raises(RunFailed, match="1 of 2 runs failed"):
        run_stacked([(of_run, str(tmp_path / str(place))) for place, of_run in enumerate(values)])
    good, bad = (RunDirectory(tmp_path / place).read_status() for place in "01")
    assert good["state"] == DONE
    assert bad["state"] == FAILED
    assert "became non-finite" in bad["error"]
    assert not (tmp_path / "1" / "results.json").exists()
    assert math.isfinite(results(tmp_path / "0")["metrics"]["test"]["nll"])


def test_what_is_cut_off_counts_as_interrupted_and_is_trained_again(tmp_path, monkeypatch):
    values = [values_of(f"trainer.max_epochs={epochs}") for epochs in (1, 3)]
    jobs = [(of_run, str(tmp_path / str(place))) for place, of_run in enumerate(values)]

    def stop(stack: Stack, each_epoch) -> None:
        def then_stop(stack: Stack) -> None:
            raise KeyboardInterrupt

        whole(stack, then_stop)

    whole = Stack.train
    monkeypatch.setattr(stacked_job.Stack, "train", stop)
    with pytest.raises(KeyboardInterrupt):
        run_stacked(jobs)
    states = [RunDirectory(directory).read_status()["state"] for _, directory in jobs]
    assert states == [DONE, INTERRUPTED]  # the first had one epoch
    assert not (tmp_path / "1" / "results.json").exists()
    monkeypatch.setattr(stacked_job.Stack, "train", whole)
    run_stacked(jobs[1:])
    assert results(tmp_path / "1")["epochs"] == 3


def test_runs_of_one_process_read_their_data_once_and_say_what_auto_became(tmp_path, monkeypatch):
    opened = []
    real = stacked_job.open_data
    monkeypatch.setattr(stacked_job, "open_data", lambda values: opened.append(values) or real(values))
    words = ("data.batch_size=auto", "trainer.max_epochs=1", "smoothing=none")
    jobs = {"net": values_of(*words), "other": values_of(*words, "model=logistic_regression")}
    run_stacked([(values, str(tmp_path / name)) for name, values in jobs.items()])
    assert len(opened) == 1
    assert results(tmp_path / "net")["batch_size"] == 32
    assert "batch_size=auto is 32 (training samples: 364)" in (tmp_path / "net" / "run.log").read_text()
    assert "batch_size" not in results(tmp_path / "other")
