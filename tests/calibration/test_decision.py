"""Thresholds are the best of all, costs decide as Bayes would, and operating points are counted right."""

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

from smoothlab import InvalidArgument
from smoothlab.calibration.decision import Costs, Threshold, decision_from_state, operating_point

NAMES = ["healthy", "ill"]
COSTS = {"ill": {"healthy": 8}, "healthy": {"ill": 1}}


def samples(seed=0, rows=300):
    generator = np.random.default_rng(seed)
    labels = (generator.random(rows) < 0.3).astype(int)
    score = np.clip(generator.normal(0.35 + 0.25 * labels, 0.2), 0.01, 0.99).round(2)  # with ties
    return torch.from_numpy(np.stack([1 - score, score], 1)), torch.from_numpy(labels)


def rates(score, labels, threshold):
    predicted = score >= threshold
    hits = (labels & predicted).sum()
    return {
        "sensitivity": hits / labels.sum(),
        "specificity": (~labels & ~predicted).sum() / (~labels).sum(),
        "precision": hits / max(predicted.sum(), 1),
        "f1": 2 * hits / (predicted.sum() + labels.sum()),
        "accuracy": (predicted == labels).mean(),
        "cost": -(8 * (labels & ~predicted) + (~labels & predicted)).mean(),
    }


WORTH = {
    "youden": lambda rate: rate["sensitivity"] + rate["specificity"],
    "f1": lambda rate: rate["f1"],
    "accuracy": lambda rate: rate["accuracy"],
    "cost": lambda rate: rate["cost"],
    "sensitivity": lambda rate: rate["specificity"] if rate["sensitivity"] >= 0.9 else -1,
    "specificity": lambda rate: rate["sensitivity"] if rate["specificity"] >= 0.9 else -1,
    "precision": lambda rate: rate["sensitivity"] if rate["precision"] >= 0.7 else -1,
}
HELD = {"sensitivity": 0.9, "specificity": 0.9, "precision": 0.7}


@pytest.mark.parametrize("positive", NAMES)
@pytest.mark.parametrize("objective", sorted(WORTH))
def test_no_threshold_at_all_is_better(objective, positive):
    p, labels = samples()
    if positive == "healthy":
        p, labels = p.flip(1), 1 - labels
    costs = {positive: {name: 8 for name in NAMES if name != positive}}
    costs |= {name: {positive: 1} for name in NAMES if name != positive}
    rule = Threshold(NAMES, positive, objective, HELD.get(objective), costs).fit(p, labels)
    which = NAMES.index(positive)
    score, truth = p[:, which].numpy(), labels.numpy() == which
    every = np.arange(0, 1.02, 0.005)
    best = max(WORTH[objective](rates(score, truth, threshold)) for threshold in every)
    assert WORTH[objective](rates(score, truth, rule.threshold)) == pytest.approx(best)
    assert (rule.decide(p) == which).numpy().tolist() == (score >= rule.threshold).tolist()


def test_of_equally_good_thresholds_it_is_the_one_nearest_to_a_half():
    p = torch.tensor([[0.99, 0.01], [0.98, 0.02], [0.3, 0.7], [0.2, 0.8]])
    assert Threshold(NAMES).fit(p, torch.tensor([0, 0, 1, 1])).threshold == pytest.approx(0.36)


def test_a_precision_out_of_reach_is_the_largest_there_is():
    p = torch.tensor([[0.1, 0.9], [0.2, 0.8], [0.8, 0.2]])
    rule = Threshold(NAMES, objective="precision", at_least=0.9).fit(p, torch.tensor([0, 1, 1]))
    assert rule.operating_point(p, torch.tensor([0, 1, 1]))["precision"] == pytest.approx(2 / 3)


def test_a_threshold_that_is_given_stays():
    rule = Threshold(NAMES, threshold=0.2).fit(*samples())
    assert rule.decide(torch.tensor([[0.8, 0.2], [0.81, 0.19]])).tolist() == [1, 0]


def test_costs_decide_for_the_smallest_expected_cost():
    """Of two classes the positive from a probability of C(alarm) / (C(alarm) + C(miss)) on."""
    score = torch.tensor([0.10, 0.12, 0.5, 0.9], dtype=torch.float64)
    p = torch.stack([1 - score, score], 1)
    assert Costs(COSTS, NAMES).decide(p).tolist() == [0, 1, 1, 1]  # 1 / 9 = 0.111
    matrix = [[0, 1, 4], [1, 0, 1], [4, 1, 0]]
    p = torch.tensor([[0.5, 0.1, 0.4]], dtype=torch.float64)
    assert Costs(matrix, ["a", "b", "c"]).decide(p).tolist() == [1]  # never the most probable, always near


@pytest.mark.parametrize("positive", [0, 1])
def test_the_operating_point_is_scikit_learns(positive):
    p, labels = samples(1)
    decided = (p[:, 1] >= 0.4).long()
    point = operating_point(labels, decided, NAMES, positive=positive, costs=np.array([[0, 1], [8, 0]]))
    truth, predicted = labels.numpy() == positive, decided.numpy() == positive
    assert point["sensitivity"] == pytest.approx(recall_score(truth, predicted))
    assert point["specificity"] == pytest.approx(recall_score(~truth, ~predicted))
    assert point["precision"] == pytest.approx(precision_score(truth, predicted))
    assert point["negative_predictive_value"] == pytest.approx(precision_score(~truth, ~predicted))
    assert point["f1"] == pytest.approx(f1_score(truth, predicted))
    table = confusion_matrix(labels, decided)
    assert point["expected_cost"] == pytest.approx((table[0, 1] + 8 * table[1, 0]) / 300)
    json.dumps(point, allow_nan=False)


def test_what_is_not_defined_is_left_out():
    point = operating_point([0, 0], [0, 0], NAMES, positive=1)
    assert "sensitivity" not in point
    assert "precision" not in point
    assert point["specificity"] == 1.0
    point = operating_point([0, 0, 1], [0, 1, 1], ["a", "b", "c"])
    assert point["recall"] == {"a": 0.5, "b": 1.0}
    assert point["precision"] == {"a": 1.0, "b": 0.5}


def test_the_state_makes_the_same_decisions_again():
    p, labels = samples()
    for rule in (Threshold(NAMES, "ill", "cost", costs=COSTS).fit(p, labels), Costs(COSTS, NAMES)):
        state = json.loads(json.dumps(rule.to_state()))
        assert decision_from_state(state, NAMES).decide(p).equal(rule.decide(p))
    with pytest.raises(InvalidArgument, match=r"decision.kind = 'eval'"):
        decision_from_state({"format": 1, "kind": "eval", "settings": {}}, NAMES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_names": ["a", "b", "c"]}, "threshold = '3 classes': expected two"),
        ({"positive": "dead"}, "positive = 'dead': expected one of healthy, ill"),
        ({"objective": "auc"}, "objective = 'auc': expected one of youden"),
        ({"objective": "precision"}, "at_least = None: expected a number"),
        ({"at_least": 0.5}, "at_least = 0.5: expected null"),
        ({"objective": "cost"}, "costs = None"),
        ({"threshold": 1.5}, "threshold = 1.5"),
        ({"costs": {"ill": {"well": 1}}}, "costs.ill = "),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_one_line(arguments, message):
    with pytest.raises(InvalidArgument) as caught:
        Threshold(**{"class_names": NAMES} | arguments)
    assert str(caught.value).startswith(message)
