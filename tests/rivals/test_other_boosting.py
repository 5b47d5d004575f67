"""Trees of other libraries say as tensors what the libraries say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smoothlab.data.layout import Span, number_spans
from smoothlab.errors import UserMistake
from smoothlab.rivals import CatBoost, LightGBM, OtherBoosting, Rows, XGBoost, other_boosting
from smoothlab.rivals.trees import Node, Trees

SPANS = [Span(0, 2, "number", missing=True), *number_spans(2, 2), Span(4, 5, "one_hot", False, 5)]


def drawn(rows: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = np.random.default_rng(0)
    x, word, missing = draw.normal(size=(rows, 3)), draw.integers(0, 5, rows), draw.random(rows) < 0.1
    labels = np.argmax(
        x[:, :classes] + (word[:, None] % classes == np.arange(classes)) + draw.normal(size=(rows, classes)), 1
    )
    x[missing, 0] = 0
    parts = [x[:, :1], missing[:, None], x[:, 1:], np.eye(5)[word]]
    return torch.from_numpy(np.concatenate(parts, 1).astype(np.float32)), torch.from_numpy(labels)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("make", [CatBoost, LightGBM, XGBoost])
def test_the_tensors_have_the_probabilities_and_the_rounds_of_the_library(make, classes):
    pytest.importorskip(make.package, reason="the extra boosters is not installed")
    features, labels = drawn(450, classes)
    model = make(classes, SPANS, learning_rate=0.2, patience=4)
    train = Rows.of(features[:300], labels[:300], torch.linspace(0.5, 1.5, 300))
    history = model.fit(train, Rows.of(features[300:], labels[300:]))  # compares the two
    with torch.no_grad():
        p = torch.softmax(model(features[300:]).double(), 1).numpy()
    assert -np.log(p[np.arange(150), labels[300:].numpy()]).mean() == pytest.approx(min(history), abs=1e-5)
    assert model.summary()["rounds"] == model.best_round + 1 < len(history)


def test_a_library_that_is_not_there_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(other_boosting, "find_spec", lambda name: None)
    for make in (CatBoost, LightGBM, XGBoost):
        with pytest.raises(UserMistake, match=rf"{make.package}: pip install 'smoothlab\[boosters\]'"):
            make.check_installed()
    assert issubclass(LightGBM, OtherBoosting)


def test_trees_of_nodes_go_where_the_nodes_say():
    by_set = [Node(1, 0.0, 1, 2, categories=[0, 2]), Node(value=1.0), Node(value=2.0)]
    by_number = [
        Node(0, 0.5, 1, 2, missing_left=True),
        Node(value=10.0),
        Node(0, 1.5, 3, 4),
        Node(value=20.0),
        Node(value=30.0),
    ]
    trees = Trees.of_nodes([by_set, by_number])
    assert int(trees.depth) == 2
    cells = torch.tensor([[0.5, 2.0], [0.6, 1.0], [2.0, torch.nan], [torch.nan, 0.0]], dtype=torch.float64)
    assert trees.values(cells, 2).tolist() == [[1, 10], [2, 20], [2, 30], [1, 10]]
