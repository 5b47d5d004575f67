"""Thresholds give the probabilities of their definition; a run of them is scored, read and exported as any other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from smoothlab.commands import main
from smoothlab.errors import InvalidArgument
from smoothlab.kinds import KINDS, Thresholds
from smoothlab.losses import soft_cross_entropy
from smoothlab.smoothing import Constant, Smoother, Uniform
from smoothlab.targets import SoftTarget
from smoothlab.tasks import OrdinalTask

WORDS = [
    *("task=ordinal", "net=linear", "data=table", "data.path=grades.csv", "data.target=grade", "data.labels=ordinal"),
    *("calibrator=temperature", "trainer.max_epochs=3", "trainer.accelerator=cpu", "progress=none", "figures=true"),
]


def by_definition(outputs: np.ndarray) -> np.ndarray:
    """Differences of the sigmoids of falling cumulative logits, a sample after the other."""
    rows = []
    classes = outputs.shape[1] + 1
    even = [np.log(k / (classes - k)) for k in range(1, classes)]
    constants = np.log(np.exp(np.diff(even)) - 1)
    for first, *others in outputs:
        below = np.concatenate([[0.0], np.cumsum([np.log1p(np.exp(other)) for other in np.array(others) + constants])])
        cumulative = first + below.mean() - below
        above = np.concatenate([[1.0], 1 / (1 + np.exp(-cumulative)), [0.0]])
        assert (np.diff(above) < 0).all()
        rows.append(above[:-1] - above[1:])
    return np.array(rows)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_probabilities_are_those_of_the_definition(classes):
    outputs = torch.randn(50, classes - 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2
    log_probabilities = Thresholds(nn.Identity())(outputs)
    np.testing.assert_allclose(log_probabilities.exp().numpy(), by_definition(outputs.numpy()), rtol=1e-9, atol=1e-14)


def test_gradients_are_those_of_differences():
    outputs = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(Thresholds(nn.Identity()), (outputs,))


@pytest.mark.parametrize("classes", [2, 5])
def test_outputs_of_zero_are_uniform(classes):
    log_probabilities = Thresholds(nn.Identity())(torch.zeros(1, classes - 1))
    torch.testing.assert_close(log_probabilities.exp(), torch.full((1, classes), 1 / classes))


@pytest.mark.parametrize("size", [60.0, 1000.0])
def test_large_outputs_stay_finite_with_their_gradients(size):
    outputs = (torch.tensor([[1.0, -1, 1, -1], [-1, 1, -1, 1], [0, -1, -1, -1]]) * size).requires_grad_()
    loss = soft_cross_entropy(Thresholds(nn.Identity())(outputs), SoftTarget(torch.tensor([0, 4, 2]), 0.1, "uniform"))
    loss.backward()
    assert bool(loss.isfinite())
    assert bool(outputs.grad.isfinite().all())


def test_two_classes_are_binary_classification():
    outputs = torch.randn(20, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = SoftTarget(torch.arange(20) % 2, 0.2, "uniform")
    ordinal = soft_cross_entropy(Thresholds(nn.Identity())(outputs), target)
    binary = nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], target.dense(2, dtype=torch.float64)[:, 1])
    torch.testing.assert_close(ordinal, binary)


def test_classes_without_an_order_are_refused():
    net = KINDS["ordinal"].whole(nn.Linear(2, 2))
    with pytest.raises(InvalidArgument, match="ordered = False: expected true"):
        OrdinalTask(net, Smoother(Constant(0.1), Uniform()), ["a", "b", "c"], optimizer=torch.optim.SGD)


@pytest.fixture
def grades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    monkeypatch.chdir(tmp_path)
    numbers = np.random.default_rng(0).normal(size=(300, 3))
    grade = np.digitize(numbers[:, 0] + 0.3 * numbers[:, 2], [-1.0, 0.0, 1.0]) + 1
    frame = pd.DataFrame(numbers, columns=["x", "y", "z"]).assign(grade=grade)
    frame.to_csv("grades.csv", index=False)
    return frame


def test_a_run_is_scored_predicted_evaluated_and_exported(grades):
    assert main(["train", *WORDS]) == 0
    (run,) = Path("outputs").glob("*/*")
    results = json.loads((run / "results.json").read_text())
    assert results["task_kind"] == "ordinal"
    assert {"ordinal_mae", "quadratic_kappa", "nll", "ece"} <= set(results["metrics"]["test"])
    assert list((run / "figures").glob("confusion_test*"))
    assert main(["predict", f"run={run}", "input=grades.csv", "output=out.csv"]) == 0
    columns = pd.read_csv("out.csv").filter(like="prob_")
    assert list(columns) == [f"prob_{grade}" for grade in (1, 2, 3, 4)]
    np.testing.assert_allclose(columns.sum(axis=1), 1, atol=1e-9)
    assert main(["evaluate", f"run={run}"]) == 0
    assert main(["export", f"run={run}", "output=model", "format=torch"]) == 0


def test_unordered_data_are_one_line(grades, capsys):
    assert main(["train", *WORDS, "data.labels=single"]) == 2
    error = capsys.readouterr().err.strip()
    assert "task.ordered = False: expected true" in error
    assert len(error.splitlines()) == 1
