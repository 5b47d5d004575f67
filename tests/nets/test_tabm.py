"""An ensemble in one net: each member has its own loss, the probabilities are averaged."""

from __future__ import annotations

import json

import pytest
import torch
from run_directories import SHORT, only_run
from torch.nn import functional
from torch.testing import assert_close

import smoothlab
from smoothlab.commands import main
from smoothlab.data.batch import Batch
from smoothlab.errors import InvalidArgument
from smoothlab.nets import TabM
from smoothlab.smoothing import Constant, Smoother, Uniform
from smoothlab.tasks import ClassificationTask

SMALL = {"width": 6, "blocks": 2, "members": 4, "dropout": 0.0}
EDGES = [[0.0, 1.0, 2.0, 3.0], []]


def test_predictions_are_the_mean_of_the_members_probabilities():
    torch.manual_seed(0)
    net = TabM(3, in_features=5, **SMALL)
    rows = torch.randn(7, 5)
    members = net.train()(rows)
    assert members.shape == (7, 4, 3)
    assert_close(net.eval()(rows).exp(), members.softmax(-1).mean(1))


def test_members_begin_apart_and_share_their_weights():
    net = TabM(3, in_features=5, **SMALL)
    members = net.train()(torch.randn(7, 5))
    assert not torch.allclose(members[:, 0], members[:, 1])
    shared = [name for name, weights in net.named_parameters() if weights.shape in ((6, 5), (6, 6))]
    assert len(shared) == 2


@pytest.mark.parametrize("numbers", ["plain", "piecewise_linear", "periodic"])
def test_numbers_and_codes_come_in_as_in_other_nets(numbers):
    columns = {"num_numeric": 2, "cardinalities": [3], "quantiles": EDGES}
    net = TabM(3, **SMALL, **columns, numbers=numbers, bins=3).eval()
    assert net(torch.tensor([[0.5, 1.0, 2.0]])).shape == (1, 3)


def test_the_loss_is_the_mean_of_the_members_losses():
    torch.manual_seed(0)
    net = TabM(3, in_features=5, **SMALL)
    smoother = Smoother(strength=Constant(0.1), prior=Uniform())
    task = ClassificationTask(net, smoother, ["a", "b", "c"], optimizer=torch.optim.SGD)
    rows, labels = torch.randn(7, 5), torch.randint(0, 3, (7,))
    task.train()
    _, loss, penalties = task.terms(Batch(rows, labels, torch.arange(7), {}))
    each = [
        functional.cross_entropy(logits, labels, label_smoothing=0.1, reduction="sum") for logits in net(rows).unbind(1)
    ]
    assert_close(loss, torch.stack(each).mean())
    assert penalties == {}


@pytest.mark.parametrize("options", [{"width": 0}, {"blocks": 0}, {"members": 0}, {"dropout": 1.0}])
def test_wrong_arguments_are_named(options):
    with pytest.raises(InvalidArgument, match=f"{next(iter(options))} = "):
        TabM(3, in_features=5, **{**SMALL, **options})


def test_a_run_trains_with_penalties_and_predicts_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["net=tabm", "net.members=4", "net.width=16", "net.numbers=piecewise_linear", "penalty=confidence"]
    smoothlab.train([*SHORT, "threads=1", "progress=none", *words])
    results = json.loads((only_run() / "results.json").read_text())
    assert results["metrics"]["test"]["accuracy"] > 0.85
    frame = smoothlab.data.breast_cancer()
    predicted = smoothlab.load(only_run()).predict(frame)
    assert (predicted["prediction"].astype(str) == frame["diagnosis"].astype(str)).mean() > 0.85


def test_other_kinds_of_task_are_refused_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *SHORT, "experiment=agriculture/synthetic_grades", "net=tabm", "task=ordinal"]) == 2
    assert capsys.readouterr().err == "smoothlab: net: TabM is for task=classification, the task is ordinal\n"
