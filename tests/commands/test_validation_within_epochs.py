"""Objective, row of metrics.csv and best.ckpt are of the same weights, wherever in an epoch a validation falls."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
import torch

import smoothlab
from smoothlab.tasks import ClassificationTask
from smoothlab.training.evaluating import evaluate

RUN = ("logger=csv", "progress=none", "figures=false", "trainer.max_epochs=4", "optimizer.lr=0.02", "net.dropout=0.2")
EVEN, ODD = "data.batch_size=32", "data.batch_size=30"  # 12 and 13 batches an epoch
CHECKS = [
    *(("trainer.val_check_interval=0.25", size) for size in (EVEN, ODD)),
    *(("trainer.val_check_interval=4", size) for size in (EVEN, ODD)),
    *(("trainer.val_check_interval=0.5", size) for size in (EVEN, ODD)),
    *(("trainer.check_val_every_n_epoch=2", size) for size in (EVEN, ODD)),
    *(("trainer.check_val_every_n_epoch=null trainer.val_check_interval=7", size) for size in (EVEN, ODD)),
    ("trainer.check_val_every_n_epoch=2 trainer.val_check_interval=0.4", ODD),
    ("trainer.val_check_interval=3 trainer.accumulate_grad_batches=2", ODD),
    ("trainer.val_check_interval=1 trainer.accumulate_grad_batches=3", ODD),
    ("+trainer.max_steps=17 trainer.val_check_interval=4", EVEN),
    ("trainer.val_check_interval=1.0", ODD),
]


def rows_of(run):
    return list(csv.DictReader((run.path / "metrics.csv").read_text().splitlines()))


def best_of(run):
    return torch.load(run.path / "checkpoints" / "best.ckpt", weights_only=True)


@pytest.mark.parametrize(("check", "size"), CHECKS)
def test_objective_results_and_row_are_of_the_best_checkpoint(check, size):
    run = smoothlab.train([*RUN, size, *check.split()])
    rows = rows_of(run)
    validated = [row for row in rows if row["val/nll"]]
    row = min(validated, key=lambda row: float(row["val/nll"]))
    best = best_of(run)
    assert int(row["step"]) == best["global_step"]
    objective = run.results["objective"]["value"]
    assert objective == run.results["metrics"]["val"]["nll"] == float(row["val/nll"])
    assert evaluate(run.path)["val"]["nll"] == objective
    # and by hand, of the predictions that the checkpoint's weights gave
    table = pd.read_parquet(run.path / "predictions" / "val.parquet")
    own = [getattr(line, f"prob_{line.label}") for line in table.itertuples()]
    assert -torch.tensor(own).log().mean().item() == pytest.approx(objective, rel=1e-6)
    steps = [int(row["step"]) for row in rows]
    assert steps == sorted(set(steps))  # a row a step, in order
    assert sum(bool(row["train/loss"]) for row in rows) == int(rows[-1]["epoch"]) + 1  # one of each epoch


def test_a_row_stands_for_each_validation_and_each_epoch():
    run = smoothlab.train([*RUN, ODD, "trainer.val_check_interval=4"])
    steps = [(int(row["step"]), bool(row["val/nll"]), bool(row["train/loss"])) for row in rows_of(run)]
    assert steps[:4] == [(4, True, False), (8, True, False), (12, True, False), (13, False, True)]
    even = smoothlab.train([*RUN, EVEN, "trainer.val_check_interval=4"])
    steps = [(int(row["step"]), bool(row["val/nll"]), bool(row["train/loss"])) for row in rows_of(even)]
    assert steps[:3] == [(4, True, False), (8, True, False), (12, True, True)]


def test_a_run_that_validates_within_epochs_resumes_to_the_same_bytes(monkeypatch):
    words = [*RUN, ODD, "trainer.val_check_interval=4", "scheduler=plateau", "scheduler.patience=0"]
    whole = smoothlab.train([*words, "output_root=whole"])
    validate = ClassificationTask.on_validation_epoch_end

    def cut_off(task):
        validate(task)
        if task.current_epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ClassificationTask, "on_validation_epoch_end", cut_off)
        with pytest.raises(KeyboardInterrupt):
            smoothlab.train([*words, "output_root=cut"])
    resumed = smoothlab.train([*words, "output_root=cut", "resume=auto"])
    assert (resumed.path / "metrics.csv").read_bytes() == (whole.path / "metrics.csv").read_bytes()
    assert resumed.results["objective"] == whole.results["objective"]
    last = [torch.load(run.path / "checkpoints" / "last.ckpt", weights_only=True) for run in (whole, resumed)]
    for name, weights in last[0]["state_dict"].items():
        torch.testing.assert_close(weights, last[1]["state_dict"][name], rtol=0, atol=0, equal_nan=True, msg=name)
    assert last[0]["smoothlab"]["validation"] == last[1]["smoothlab"]["validation"]


def test_early_stopping_counts_validations():
    words = ["callbacks.early_stopping.patience=2", "optimizer.lr=0.3", "trainer.max_epochs=40"]
    run = smoothlab.train([*RUN, ODD, "trainer.val_check_interval=4", *words])
    losses = [float(row["val/nll"]) for row in rows_of(run) if row["val/nll"]]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 or len(losses) == best + 4  # one more where the epoch ends after the last


def test_a_search_minimises_the_objective(cli):
    words = ["-m", "hydra/sweeper=smoothlab", "hydra.sweeper.n_trials=2", "optimizer.lr=interval(0.001,0.05)"]
    code, _, err = cli("train", *RUN, ODD, "trainer.val_check_interval=0.4", *words)
    assert code == 0, err
    results = [json.loads(path.read_text()) for path in Path("outputs").rglob("results.json")]
    assert len(results) == 2
    assert all(results["objective"]["value"] == results["metrics"]["val"]["nll"] for results in results)
