"""What a finished run writes, and what of it the loggers are shown."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from smoothlab.classes import ClassInfo
from smoothlab.inspection.epsilon import EpsilonCurve
from smoothlab.rundir.directory import RunDirectory
from smoothlab.scoring import drawing, outcome
from smoothlab.scoring.outcome import write_outcome
from smoothlab.scoring.translation_scores import TranslationScores
from smoothlab.smoothing import Constant, Smoother, Uniform

ABOUT = {"name": "words", "seed": 0, "identity": "0" * 64, "epoch": 1}


class Recorder:
    """A logger that takes everything but samples, unless it is told to."""

    def __init__(self, takes_samples: bool) -> None:
        self.takes_samples = takes_samples
        self.got: dict[str, object] = {}

    def log_image(self, key, images):
        self.got[key] = images

    def log_table(self, key, columns, data):
        self.got[key] = data

    def log_summary(self, values):
        self.got.update(values)

    def log_checkpoint(self, path, alias, about):
        self.got[alias] = (path.name, about["epoch"], about["metrics"]["test"]["bleu"])


def translated() -> TranslationScores:
    tokens = {
        "confidence": np.array([0.9, 0.6, 0.7]),
        "correct": np.array([1.0, 0.0, 1.0]),
        "nll": np.array([0.1, 1.2, 0.4]),
        "brier": np.array([0.02, 0.8, 0.2]),
        "predicted": np.array([0, 1, 1]),
        "labels": np.array([0, 0, 1]),
        "rows": np.array([0, 0, 1]),
        "sequence": np.array([0, 0, 1]),
        "position": np.array([0, 1, 0]),
    }
    sentences = pd.DataFrame(
        {
            **{name: ["of a person", "of another"] for name in ("source", "reference", "translation")},
            "bleu": [10.0, 20.0],
            "confidence": [0.7, 0.7],
        }
    )
    return TranslationScores(tokens, sentences, None, {"bleu": 15.0}, num_bins=5)  # type: ignore[arg-type]


def test_sentences_are_in_the_run_directory_and_only_in_loggers_that_ask_for_them(tmp_path):
    run = RunDirectory(tmp_path)
    run.checkpoints.mkdir()
    run.best_checkpoint.touch()
    run.metrics.write_text("epoch,step,val/nll,val/bleu\n0,10,2.0,9.0\n1,20,1.0,8.0\n2,30,1.5,\n")
    task = SimpleNamespace(class_names=["a", "b"], monitored={"val/nll": "min", "val/bleu": "max"}, smoother=None)
    plain, asking = Recorder(False), Recorder(True)
    write_outcome({"test": translated()}, run, task, None, [plain, asking], about=ABOUT)
    assert set(asking.got) - set(plain.got) == {"tables/samples_test"}
    assert len(pd.read_csv(run.predictions / "samples_test.csv")) == 2
    assert {f"figures/{path.stem}" for path in run.figures.glob("*.png")} == {
        call for call in plain.got if "figures" in call
    }
    assert plain.got["best"] == ("best.ckpt", 1, 15.0)
    assert "last" not in plain.got
    numbers = {name: value for name, value in plain.got.items() if isinstance(value, float | int)}
    # val/bleu has an epoch without a value, and so no best one
    assert numbers == {"final/test/bleu": 15.0, "best/val/nll": 1.0, "best/epoch": 1}


def smoothed(epsilons: list[float]) -> EpsilonCurve:
    return EpsilonCurve([float(epoch) for epoch in range(len(epsilons))], epsilons, epsilons, epsilons)


@pytest.fixture
def task_and_data():
    smoother = Smoother(Constant(0.2), Uniform())
    smoother.bind(ClassInfo(["a", "b", "c"], [2, 2, 2]))
    task = SimpleNamespace(smoother=smoother, class_names=["a", "b", "c"], mixing=None, kind="classification")
    rows = SimpleNamespace(labels=torch.tensor([0, 1, 2, 0, 1, 2]), metadata={}, rows=torch.arange(6))
    data = SimpleNamespace(class_counts=[2, 2, 2], split=lambda name: rows)
    return task, data


def test_epsilon_is_drawn_where_it_changed_and_soft_targets_where_anything_was_smoothed(task_and_data, monkeypatch):
    monkeypatch.setattr(drawing, "soft_target_map", lambda targets: "map")
    monkeypatch.setattr(drawing, "Probe", SimpleNamespace(of=lambda *_, **__: None))
    drawn = {
        name: set(drawing.of_smoothing(*task_and_data, used, 0, title="t"))
        for name, used in {
            "none": smoothed([0.0, 0.0]),
            "constant": smoothed([0.1, 0.1]),
            "falling": smoothed([0.2, 0.1]),
            "unknown": None,
        }.items()
    }
    assert drawn == {
        "none": set(),
        "constant": {"soft_targets"},
        "falling": {"soft_targets", "epsilon"},
        "unknown": set(),
    }


def test_a_figure_of_the_smoothing_that_fails_is_a_line_in_the_log_and_no_failed_run(task_and_data, monkeypatch):
    def fail(targets):
        raise ValueError("no such picture")

    messages = []
    monkeypatch.setattr(drawing, "soft_target_map", fail)
    monkeypatch.setattr(drawing, "Probe", SimpleNamespace(of=lambda *_, **__: None))
    monkeypatch.setattr(drawing.log, "warning", lambda text, *values: messages.append(text % values))
    assert drawing.of_smoothing(*task_and_data, smoothed([0.1]), 0, title="t") == {}
    assert messages == ["figures of the smoothing are left out: no such picture"]


def test_columns_of_metrics_are_those_that_are_full_in_the_epochs_that_count(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,step,a,b,c\n0,1,1.0,,3.0\n1,2,,4.0,\n2,3,2.0,,5.0\n")
    epochs, columns = outcome._columns(path, needed="a")
    assert epochs == [0, 2]
    assert columns == {"epoch": [0.0, 2.0], "step": [1.0, 3.0], "a": [1.0, 2.0], "c": [3.0, 5.0]}
    assert outcome._columns(tmp_path / "none.csv", needed="a") == ([], {})
