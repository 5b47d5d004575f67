"""Nets for tables: categories by their embeddings, residual blocks as in the paper, and a linear floor."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from run_directories import SHORT, only_run
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.testing import assert_close

import smoothlab
from smoothlab.errors import InvalidArgument
from smoothlab.nets import MLP, Linear, TabularResNet

CODES = {"num_numeric": 2, "cardinalities": [3, 5]}
RESNET = {"width": 8, "blocks": 2, "hidden_factor": 1.5}


def rows(count=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(count, 2, generator=generator)
    codes = torch.stack([torch.randint(0, size, (count,), generator=generator) for size in (3, 5)], 1)
    return torch.cat([numbers, codes], 1), codes


def test_an_mlp_of_codes_is_an_mlp_of_numbers_and_embeddings():
    torch.manual_seed(0)
    net = MLP(num_classes=3, hidden=[4], embedding=2, **CODES)
    features, codes = rows()
    table = net[0].table.weight
    first, second = table[:3][codes[:, 0]], table[3:][codes[:, 1]]
    by_hand = net[3](torch.relu(net[1](torch.cat([features[:, :2], first, second], 1))))
    assert_close(net(features), by_hand)


def test_a_linear_net_of_codes_is_that_of_one_hot_features():
    features, codes = rows()
    net, dense = Linear(num_classes=4, **CODES), nn.Linear(10, 4)
    with torch.no_grad():
        net.numbers.weight.copy_(dense.weight[:, :2])
        net.numbers.bias.copy_(dense.bias)
        net.categories.weight.copy_(dense.weight[:, 2:].T)
    one_hot = [nn.functional.one_hot(codes[:, k], size).float() for k, size in enumerate((3, 5))]
    assert_close(net(features), dense(torch.cat([features[:, :2], *one_hot], 1)))


def test_a_linear_net_finds_what_logistic_regression_finds():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 4, generator=generator, dtype=torch.float64)
    y = (
        x @ torch.randn(4, 3, generator=generator, dtype=torch.float64) + torch.randn(300, 3, generator=generator)
    ).argmax(1)
    net = Linear(4, 3).double()
    assert not net(x).any()
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=500, tolerance_change=1e-12, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        return loss

    optimizer.step(closure)
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x, y)
    assert_close(net(x).softmax(1), torch.from_numpy(peer.predict_proba(x)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("normalization", ["layer", "batch"])
def test_the_residual_net_is_the_one_of_the_paper(normalization):
    torch.manual_seed(0)
    net = TabularResNet(3, **RESNET, **CODES, normalization=normalization, embedding=4, dropout=0.0).train()
    features, codes = rows()
    table = net.features.table.weight
    x = net.first(torch.cat([features[:, :2], table[codes[:, 0]], table[3 + codes[:, 1]]], 1))

    def norm(x):
        if normalization == "layer":
            return nn.functional.layer_norm(x, [8])
        return (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt()

    for block in net.blocks:
        x = x + block[4](torch.relu(block[1](norm(x))))
    assert_close(net(features), net.last[2](torch.relu(norm(x))))
    assert net.blocks[0][1].out_features == 12


def test_a_batch_of_one_sample_trains():
    net = TabularResNet(3, **RESNET, **CODES, normalization="batch", dropout=0.0).train()
    net(rows(6)[0])
    before = net.last[0].running_mean.clone()
    net(rows(1)[0]).sum().backward()
    assert torch.equal(net.last[0].running_mean, before)


def test_by_layer_the_batch_does_not_matter():
    net = TabularResNet(3, **RESNET, **CODES, dropout=0.0).train()
    features, _ = rows()
    assert_close(net(features), torch.cat([net(row[None]) for row in features]))


@pytest.mark.parametrize("made", [MLP, Linear, TabularResNet])
def test_numbers_alone_need_no_embeddings(made):
    options = {MLP: {"hidden": [4]}, Linear: {}, TabularResNet: RESNET}[made]
    net = made(in_features=5, num_numeric=5, cardinalities=[], num_classes=3, **options)
    assert net(torch.zeros(2, 5)).shape == (2, 3)
    assert not any("table" in name or "categories" in name for name in net.state_dict())


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: MLP(num_classes=3, hidden=[4]), "in_features = None: expected the number of features"),
        (lambda: MLP(4, hidden=[4]), "num_classes = None"),
        (lambda: Linear(num_classes=3), "in_features = None"),
        (lambda: TabularResNet(3, **RESNET), "in_features = None"),
        (lambda: TabularResNet(3, **RESNET | {"width": 0}, in_features=2), "width = 0"),
        (lambda: TabularResNet(3, **RESNET | {"blocks": -1}, in_features=2), "blocks = -1"),
        (lambda: TabularResNet(3, **RESNET | {"hidden_factor": 0.0}, in_features=2), "hidden_factor = 0.0"),
        (lambda: TabularResNet(3, **RESNET, in_features=2, dropout=1.0), "dropout = 1.0"),
        (lambda: TabularResNet(3, **RESNET, in_features=2, residual_dropout=-1), "residual_dropout = -1"),
        (lambda: TabularResNet(3, **RESNET, in_features=2, normalization="group"), "normalization = 'group'"),
        (lambda: MLP(num_classes=3, hidden=[], embedding=0, **CODES), "embedding = 0"),
        (lambda: MLP(num_classes=3, hidden=[], **CODES)(torch.zeros(2, 3)), r"expected shape \(N, 4\)"),
    ],
)
def test_wrong_arguments_are_named(made, message):
    with pytest.raises(InvalidArgument, match=message):
        made()


def test_short_floats_that_would_merge_categories_are_refused():
    net = MLP(num_classes=2, hidden=[], num_numeric=1, cardinalities=[300]).bfloat16()
    with pytest.raises(InvalidArgument, match="floats that hold 300 categories"):
        net(torch.zeros(2, 2, dtype=torch.bfloat16))


@pytest.fixture
def categories_matter(tmp_path, monkeypatch):
    """A table whose label depends on one of 40 shops, and not on the number."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    shop = random.integers(0, 40, 900)
    label = np.where(random.random(900) < 0.05, random.integers(0, 2, 900), random.permutation(40)[shop] % 2)
    pd.DataFrame({"x": random.normal(size=900), "shop": [f"s{k}" for k in shop], "label": label}).to_csv("t.csv")


@pytest.mark.parametrize("net", ["mlp", "linear", "tabular_resnet"])
def test_codes_train_from_the_command_line_and_predict_again(categories_matter, net):
    words = ["data=table", "data.path=t.csv", "data.target=label", "data.categories=codes", f"net={net}"]
    smoothlab.train([*SHORT, "threads=1", "progress=none", *words, "trainer.max_epochs=8", "optimizer.lr=0.05"])
    results = json.loads((only_run() / "results.json").read_text())
    assert results["metrics"]["test"]["accuracy"] > 0.9
    frame = pd.read_csv("t.csv")
    model = smoothlab.load(only_run())
    assert (model.predict(frame)["prediction"].astype(str) == frame["label"].astype(str)).mean() > 0.9
