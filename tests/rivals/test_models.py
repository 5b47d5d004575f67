"""What rivals say is what scikit-learn says, on the cells that a table has."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression as Reference

from smoothlab.data.layout import Span, number_spans
from smoothlab.data.parts.encoding import Encoding
from smoothlab.data.table.encoder import TableEncoder
from smoothlab.errors import InvalidArgument
from smoothlab.rivals import Boosting, LogisticRegression, OneAgainstRest, Rows
from smoothlab.rivals.cells import cells, ranks_of

NUMBERS = number_spans(0, 4)


def drawn(rows: int, classes: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(rows, 4)).astype(np.float32)
    labels = np.argmax(features[:, :classes] + generator.normal(size=(rows, classes)), 1)
    return torch.from_numpy(features), torch.from_numpy(labels)


def split(features, labels, at=300, weights=None):
    return Rows.of(features[:at], labels[:at], weights), Rows.of(features[at:], labels[at:])


def probabilities(model, features) -> np.ndarray:
    with torch.no_grad():
        return torch.softmax(model(features).double(), 1).numpy()


@pytest.mark.parametrize("classes", [2, 3])
def test_boosting_says_what_scikit_learn_says_at_its_best_round(classes):
    features, labels = drawn(450, classes)
    weights = torch.linspace(0.5, 1.5, 300)
    train, val = split(features, labels, weights=weights)
    model = Boosting(classes, NUMBERS, learning_rate=0.2, patience=5)
    history = model.fit(train, val)
    whole = HistGradientBoostingClassifier(
        learning_rate=0.2, max_iter=len(history), early_stopping=False, scoring="loss"
    ).fit(features[:300].double().numpy(), labels[:300].numpy(), weights.numpy())
    staged = list(whole.staged_predict_proba(features[300:].double().numpy()))
    nll = [-np.log(p[np.arange(150), labels[300:].numpy()]).mean() for p in staged]
    assert history == pytest.approx(nll, abs=1e-6)
    assert model.best_round == int(np.argmin(nll)) < len(history) - 1
    assert probabilities(model, features[300:]) == pytest.approx(staged[model.best_round], abs=1e-5)
    assert model.summary()["rounds"] == model.best_round + 1


@pytest.mark.parametrize("classes", [2, 3])
def test_logistic_regression_says_what_scikit_learn_says_with_the_penalty_that_validation_likes(classes):
    features, labels = drawn(450, classes)
    model = LogisticRegression(classes, NUMBERS, C=[1e-4, 1.0])
    (nll,) = model.fit(*split(features, labels))
    reference = Reference(C=1.0, max_iter=1000).fit(features[:300].double().numpy(), labels[:300].numpy())
    expected = reference.predict_proba(features[300:].double().numpy())
    assert model.summary() == {"C": 1.0}
    assert probabilities(model, features[300:]) == pytest.approx(expected, abs=1e-5)
    assert nll == pytest.approx(-np.log(expected[np.arange(150), labels[300:].numpy()]).mean(), abs=1e-6)


@pytest.mark.parametrize("categories", ["one_hot", "codes"])
def test_empty_cells_are_missing_and_categories_are_one_column(categories):
    frame = pd.DataFrame({"x": [1.0, np.nan, 3.0, 5.0], "word": ["b", "a", None, "b"], "y": [0.0, 1.0, 2.0, 3.0]})
    encoder = TableEncoder.fit(
        frame, {"word": "categorical"}, may_be_missing=["x"], encoding=Encoding(categories=categories, rare=1)
    )
    features = encoder.encode(frame)
    assert sum(span.width for span in encoder.spans) == features.shape[1]
    ranks = ranks_of(features, encoder.spans)
    columns = cells(features, encoder.spans, ranks).numpy()
    assert columns[:, 0] == pytest.approx([1, 0, np.nan, 1], nan_ok=True)  # a, b by their order
    assert np.isnan(columns[:, 1]).tolist() == [False, True, False, False]
    assert np.all(np.diff(columns[[0, 2, 3], 1]) > 0)
    assert np.all(np.diff(columns[:, 2]) > 0)
    new = encoder.encode(pd.DataFrame({"x": [2.0], "word": ["never seen"], "y": [1.0]}))
    assert cells(new, encoder.spans, ranks)[0, 0].isnan()


def test_boosting_splits_by_sets_of_categories_and_sends_what_is_missing_where_training_rows_went():
    generator = np.random.default_rng(0)
    code = generator.integers(0, 6, 600)  # 1 is missing, and 5 stands for a category that training lacks
    features = torch.from_numpy(np.stack([code, generator.normal(size=600)], 1).astype(np.float32))
    labels = torch.from_numpy(np.isin(code, [1, 2, 4]).astype(np.int64))
    train = features[:, 0] != 5
    spans = [Span(0, 1, "code", missing=True, categories=6), Span(1, 1, "number")]
    model = Boosting(2, spans, max_iter=30)
    rows = torch.arange(600) < 400
    model.fit(
        Rows.of(features[rows & train], labels[rows & train]), Rows.of(features[~rows & train], labels[~rows & train])
    )
    reached = probabilities(model, features)[:, 1]
    assert np.all((reached > 0.5)[train.numpy()] == labels.numpy()[train.numpy()].astype(bool))
    assert np.all(np.abs(reached[code == 5] - reached[code == 1].mean()) < 0.2)  # as missing ones


def test_a_column_of_more_categories_than_sets_hold_is_split_by_their_order():
    features = torch.arange(900).remainder(300).float()[:, None]
    labels = (features[:, 0] > 149).long()
    model = Boosting(2, [Span(0, 1, "code", categories=300)], max_iter=20)
    model.fit(Rows.of(features, labels), Rows.of(features, labels))
    assert np.all((probabilities(model, features)[:, 1] > 0.5) == labels.numpy().astype(bool))


@pytest.mark.parametrize("kind", [Boosting, LogisticRegression])
def test_a_class_without_training_rows_keeps_the_probability_of_half_a_row(kind):
    features, labels = drawn(450, 2)
    labels = torch.where(labels == 1, 2, 0)
    labels[-1] = 1  # a validation row of it
    model = kind(3, NUMBERS)
    model.fit(*split(features, labels))
    reached = probabilities(model, features)
    assert reached[:, 1] == pytest.approx(0.5 / 300 / (1 + 0.5 / 300), rel=1e-5)
    assert reached.sum(1) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", [Boosting, LogisticRegression])
def test_votes_count_as_shares_of_a_row(kind):
    features, labels = drawn(450, 3)
    votes = torch.nn.functional.one_hot(labels, 3).float() * 5
    first, other = kind(3, NUMBERS), kind(3, NUMBERS)
    first.fit(*split(features, labels))
    other.fit(*split(features, votes))
    assert probabilities(first, features) == pytest.approx(probabilities(other, features), abs=1e-6)
    shared = Rows.of(features[:2], torch.tensor([[1.0, 3.0, 0.0], [0.0, 0.0, 2.0]]), torch.tensor([2.0, 1.0]))
    assert shared.labels.tolist() == [0, 1, 2]
    assert shared.weights.tolist() == [0.5, 1.5, 1.0]


@pytest.mark.parametrize("kind", [Boosting, LogisticRegression])
def test_what_was_fitted_is_tensors_that_a_new_model_takes(kind, tmp_path):
    features, labels = drawn(450, 3)
    model, new = kind(3, NUMBERS), kind(3, NUMBERS)
    assert not new(features).any()  # before it is fitted
    model.fit(*split(features, labels))
    torch.save(model.state_dict(), tmp_path / "state.pt")
    new.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(new(features), model(features))


@pytest.mark.parametrize(
    ("name", "value"), [("left", 10**6), ("roots", -1), ("column", 4), ("set_of", 0), ("depth", 10**9)]
)
def test_trees_that_lead_nowhere_are_refused(name, value):
    features, labels = drawn(450, 2)
    model = Boosting(2, NUMBERS, max_iter=3)
    model.fit(*split(features, labels))
    state = model.state_dict()
    state[name] = torch.full_like(state[name], value)
    with pytest.raises(ValueError, match="lead to no node"):
        Boosting(2, NUMBERS).load_state_dict(state)


def test_one_class_alone_cannot_be_fitted():
    features, labels = drawn(450, 2)
    with pytest.raises(ValueError, match="1 class; expected two"):
        Boosting(2, NUMBERS).fit(*split(features, labels * 0))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Boosting, {"learning_rate": 0}),
        (Boosting, {"max_iter": 0}),
        (Boosting, {"max_leaf_nodes": 1}),
        (Boosting, {"min_samples_leaf": 0}),
        (Boosting, {"l2_regularization": -1}),
        (Boosting, {"patience": 0}),
        (LogisticRegression, {"C": []}),
        (LogisticRegression, {"C": 1.0}),
        (LogisticRegression, {"C": [0.0]}),
        (LogisticRegression, {"max_iter": 0}),
    ],
)
def test_numbers_out_of_range_are_refused(kind, options):
    with pytest.raises(InvalidArgument, match=next(iter(options))):
        kind(2, NUMBERS, **options)


@pytest.mark.parametrize("make", [Boosting, LogisticRegression])
def test_several_labels_have_a_model_each_and_unknown_ones_do_not_count(make, tmp_path):
    features, _ = drawn(400, 2)
    present = np.stack([features[:, 0] > 0, features[:, 1] > 0.5, np.zeros(400)], 1).astype(np.float32)
    present[::5, 0] = -1
    build = partial(make, 2, number_spans(0, features.shape[1]))
    model = OneAgainstRest(3, number_spans(0, features.shape[1]), build)
    train, val = (Rows(features[part], present[part]) for part in (slice(0, 300), slice(300, 400)))
    (loss,) = model.fit(train, val)
    logits = model(features)
    single = build()
    there = present[:300, 0] >= 0
    single.fit(
        Rows(features[:300][there], present[:300, 0][there].astype(int), np.ones(there.sum())),
        Rows(features[300:][present[300:, 0] >= 0], present[300:, 0][present[300:, 0] >= 0].astype(int), None),
    )
    alone = single(features)
    assert torch.allclose(logits[:, 0], alone[:, 1] - alone[:, 0], atol=1e-5)
    assert logits[:, 2].tolist() == pytest.approx([-np.log(600)] * 400)
    assert 0 < loss < 0.4
    assert model.summary()["fitted"] == 2
    torch.save(model.state_dict(), tmp_path / "state.pt")
    fresh = OneAgainstRest(3, number_spans(0, features.shape[1]), build)
    fresh.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(fresh(features), logits)
