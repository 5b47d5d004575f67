"""Numbers as vectors: the formulas of the paper, edges of the training rows in the checkpoint, all else untouched."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from run_directories import SHORT, only_run
from torch.testing import assert_close

import smoothlab
from smoothlab.commands import main
from smoothlab.data import Encoding, TableEncoder
from smoothlab.errors import InvalidArgument
from smoothlab.nets import MLP, TabularResNet
from smoothlab.nets.number_embeddings import NumberEmbeddings

EDGES = [[-1.0, 0.0, 2.0, 3.0], [], [0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 0.5, 4.0]]  # two numbers, at 0 and 3


def made(numbers: str, width: int = 5, bins: int = 3) -> NumberEmbeddings:
    torch.manual_seed(0)
    net = NumberEmbeddings(numbers, EDGES, width=width, bins=bins, frequency_scale=0.5)
    with torch.no_grad():
        for weights in net.parameters():
            weights.normal_()
    return net


def pieces(x: float, edges: list[float]) -> list[float]:
    shares = []
    for place, (low, high) in enumerate(pairwise(edges)):
        share = (x - low) / (high - low)
        share = share if place == 0 else max(share, 0.0)
        shares.append(share if place == len(edges) - 2 else min(share, 1.0))
    return shares


@pytest.mark.parametrize("row", [[-5.0, 1.0, 0.0, 9.0], [1.0, 0.0, 1.0, 0.25], [2.5, 7.0, 1.0, 2.0]])
def test_piecewise_linear_is_the_formula(row):
    net = made("piecewise_linear")
    vectors = net(torch.tensor([row]))[0]
    assert vectors[10:].tolist() == [row[1], row[2]]
    parts = net.embeddings
    for place, (column, edges) in enumerate([(0, [-1.0, 0.0, 2.0, 3.0]), (3, [0.0, 0.5, 4.0])]):
        shares = pieces(row[column], edges)
        weight = parts.linear.weight[place]
        used = torch.cat([weight[: len(shares) - 1], weight[-1:]])  # the last piece stands at the end
        expected = row[column] * parts.linear0.weight[place] + parts.linear0.bias[place] + torch.tensor(shares) @ used
        assert_close(vectors[5 * place : 5 * place + 5], expected)


def test_periodic_is_the_formula():
    net = made("periodic")
    row = torch.tensor([0.7, 1.0, 0.0, -1.2])
    waves = net.embeddings.periodic.weight
    for place, x in enumerate((0.7, -1.2)):
        angles = 2 * math.pi * waves[place] * x
        linear = net.embeddings.linear
        expected = torch.relu(torch.cat([angles.cos(), angles.sin()]) @ linear.weight.T + linear.bias)
        assert_close(net(row[None])[0, 5 * place : 5 * place + 5], expected)


def test_a_net_begins_as_one_that_is_linear_in_the_number():
    net = NumberEmbeddings("piecewise_linear", EDGES, width=4, bins=3, frequency_scale=0.1)
    x = torch.linspace(-3, 3, 7)
    rows = torch.stack([x, x, x, x], 1)
    steps = net(rows).diff(dim=0)
    assert_close(steps, steps[:1].expand_as(steps))


def test_at_most_so_many_bins_of_equally_many_rows():
    ranks = list(range(65))
    net = NumberEmbeddings("piecewise_linear", [[float(rank) for rank in ranks]], width=2, bins=4, frequency_scale=0.1)
    assert net.embeddings.impl.weight.shape == (1, 4)
    assert_close(net.embeddings.impl.weight, torch.full((1, 4), 1 / 16))


@pytest.mark.parametrize("numbers", ["piecewise_linear", "periodic"])
@pytest.mark.parametrize("net", [MLP, TabularResNet])
def test_categories_stay_embedded_beside_numbers(numbers, net):
    options = {MLP: {"hidden": [4]}, TabularResNet: {"width": 8, "blocks": 1, "hidden_factor": 2.0}}[net]
    codes = {"num_numeric": 4, "cardinalities": [3], "quantiles": EDGES, "embedding": 2}
    whole = net(num_classes=3, numbers=numbers, number_width=6, bins=3, **options, **codes)
    first = whole[0] if net is MLP else whole.features
    assert first.out_features == 2 * 6 + 2 + 2
    assert whole(torch.tensor([[1.0, 2.0, 1.0, 0.3, 2.0]])).shape == (1, 3)


def test_where_no_column_is_a_number_nothing_changes():
    net = NumberEmbeddings("periodic", [[], [0.0, 1.0]], width=4, bins=3, frequency_scale=0.1)
    rows = torch.randn(3, 2)
    assert torch.equal(net(rows), rows)
    assert net.out_features == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"numbers": "wavy"}, "numbers = 'wavy': expected one of plain, piecewise_linear, periodic"),
        (
            {"numbers": "periodic"},
            "numbers = 'periodic': expected plain: these data do not say which features are numbers",
        ),
        ({"number_width": 0}, "number_width = 0"),
        ({"bins": 1}, "bins = 1"),
        ({"frequency_scale": 0.0}, "frequency_scale = 0.0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        MLP(3, 2, hidden=[4], **arguments)


def test_features_of_words_missing_cells_and_dates_are_told_apart():
    frame = pd.DataFrame(
        {
            "size": [1.0, 2.0, None, 4.0] * 5,
            "colour": ["red", "green"] * 10,
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(range(20), "D"),
        }
    )
    kinds = {"colour": "categorical", "when": "date"}
    encoder = TableEncoder.fit(frame, kinds, may_be_missing=["size"], encoding=Encoding(rare=1))
    there = dict(zip(encoder.names, encoder.net_arguments["quantiles"], strict=True))
    assert [name for name, edges in there.items() if edges] == [
        "size", "when year", "when month", "when weekday", "when day",
    ]  # fmt: skip


@pytest.fixture
def steps(tmp_path, monkeypatch) -> pd.DataFrame:
    """A table whose label follows a number up and down."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    x = random.uniform(0, 8, 600)
    frame = pd.DataFrame({"x": x, "word": random.choice(["a", "b"], 600), "label": np.floor(x).astype(int) % 2})
    frame.to_csv("t.csv", index=False)
    return frame


@pytest.mark.parametrize("numbers", ["piecewise_linear", "periodic"])
def test_a_run_needs_no_data_to_predict_again(steps, numbers):
    words = ["data=table", "data.path=t.csv", "data.target=label", "net.hidden=[16]", f"+net.numbers={numbers}"]
    more = ["data.scaling=robust", "trainer.max_epochs=30", "optimizer.lr=0.02", "threads=1", "progress=none"]
    smoothlab.train([*SHORT, *words, *more, "smoothing=standard"])
    results = json.loads((only_run() / "results.json").read_text())
    assert results["metrics"]["test"]["accuracy"] > 0.85  # a linear model has about 0.5
    Path("t.csv").unlink()
    model = smoothlab.load(only_run())
    assert (model.predict(steps)["prediction"].astype(str) == steps["label"].astype(str)).mean() > 0.85


def test_data_that_do_not_say_are_refused_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *SHORT, "experiment=finance/synthetic_market", "+net.numbers=periodic"]) == 2
    assert "net.numbers = 'periodic': expected plain" in capsys.readouterr().err
    assert not Path("outputs").exists()
