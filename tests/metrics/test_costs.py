"""Expected costs: by hand, by brute force, against the theory, and the streaming form against the exact one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smoothlab import InvalidArgument, metrics
from smoothlab.calibration.decision import Costs

CREDIT = {"bad": {"good": 5}, "good": {"bad": 1}}
NAMES = ["good", "bad"]


def test_the_matrix_of_names_has_true_classes_as_rows():
    assert metrics.cost_matrix(CREDIT, NAMES).tolist() == [[0, 1], [5, 0]]
    assert metrics.cost_matrix({1: {2: 1}, 2: {1: 5, 2: -0.5}}, ["1", "2"]).tolist() == [[0, 1], [5, -0.5]]
    assert metrics.cost_matrix([[0, 1], [5, 0]], NAMES).tolist() == [[0, 1], [5, 0]]


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ({"bad": {"good": 5}}, "costs.good = \"no 'bad'\": expected the cost of each wrong decision"),
        ({"bad": {"good": 5}, "god": {"bad": 1}}, "costs = \"the class 'god'\": expected classes among good, bad"),
        ({"bad": {"goood": 5}, "good": {"bad": 1}}, "costs.bad = \"the class 'goood'\": expected classes among"),
        ({"bad": 5, "good": {"bad": 1}}, "costs.bad = 5: expected {decision: cost}"),
        ([[0, 1]], "expected 2 rows of 2 finite numbers"),
        ([[0, 1], [5]], "expected 2 rows of 2 finite numbers"),
        ([[0, 1], [float("nan"), 0]], "expected 2 rows of 2 finite numbers"),
        ({"bad": {"good": "much"}, "good": {"bad": 1}}, "expected 2 rows of 2 finite numbers"),
        (3, "expected 2 rows of 2 finite numbers"),
    ],
)
def test_a_matrix_that_makes_no_sense_is_refused(costs, message):
    with pytest.raises(InvalidArgument) as error:
        metrics.cost_matrix(costs, NAMES)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_by_hand():
    """At 5 to 1 the credit is refused from a sixth on: of 0.1, 0.2 and 0.3 for bad, the last two."""
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    values = metrics.cost_metrics(p, [1, 0, 1], [[0, 1], [5, 0]], from_logits=False)
    assert values == {"expected_cost": pytest.approx((5 + 1 + 0) / 3), "expected_cost_of_argmax": pytest.approx(10 / 3)}


@given(st.integers(2, 6), st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_they_are_those_of_brute_force(classes, seed, voted, weighted):
    random = np.random.default_rng(seed)
    logits, costs = random.normal(size=(7, classes)), random.uniform(-1, 5, (classes, classes))
    votes = random.dirichlet(np.ones(classes), 7) if voted else np.eye(classes)[random.integers(0, classes, 7)]
    labels = votes if voted else votes.argmax(1)
    weights = random.uniform(0.1, 2, 7) if weighted else np.ones(7)
    cheapest = argmax = 0.0
    for row, true, weight in zip(logits, votes, weights, strict=True):
        p = np.exp(row) / np.exp(row).sum()
        risks = [sum(p[i] * costs[i, j] for i in range(classes)) for j in range(classes)]
        cheapest += weight * sum(true[i] * costs[i, int(np.argmin(risks))] for i in range(classes))
        argmax += weight * sum(true[i] * costs[i, int(row.argmax())] for i in range(classes))
    values = metrics.cost_metrics(logits, labels, costs, from_logits=True, sample_weight=weights)
    assert values["expected_cost"] == pytest.approx(cheapest / weights.sum())
    assert values["expected_cost_of_argmax"] == pytest.approx(argmax / weights.sum())


def test_equal_costs_give_the_error_rate(predictions):
    logits, labels = predictions(400, 4)
    values = metrics.cost_metrics(logits, labels, 1 - np.eye(4), from_logits=True)
    error = 1 - metrics.accuracy(logits, labels, from_logits=True)
    assert values == {"expected_cost": pytest.approx(error), "expected_cost_of_argmax": pytest.approx(error)}


def test_calibration_lowers_the_cost_at_the_same_accuracy():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 2, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    costs = [[0, 1], [5, 0]]
    true, sure = (metrics.cost_metrics(scale * logits, labels, costs, from_logits=True) for scale in (1, 5))
    assert true["expected_cost_of_argmax"] == sure["expected_cost_of_argmax"]
    assert true["expected_cost"] < 0.95 * sure["expected_cost"] < 0.95 * sure["expected_cost_of_argmax"]


def test_costs_of_other_classes_are_refused():
    with pytest.raises(InvalidArgument, match="3 classes, as in the costs"):
        metrics.cost_metrics([[0.0, 1.0]], [0], 1 - np.eye(3), from_logits=True)
    with pytest.raises(InvalidArgument, match="K >= 2"):
        metrics.CostMetrics([[0.0, 1.0]])


def test_batches_add_up(predictions):
    logits, labels = predictions(200, 3)
    costs = np.arange(9.0).reshape(3, 3)
    streaming = metrics.CostMetrics(costs)
    for part in (slice(0, 7), slice(7, 7), slice(7, 200)):
        streaming.update(logits[part], labels[part])
    assert streaming.compute() == pytest.approx(metrics.cost_metrics(logits, labels, costs, from_logits=True))


def test_equally_cheap_decisions_are_the_first_in_batches_of_any_size():
    size = 200
    probabilities, labels = np.full((64, size), 1 / size), np.arange(64)
    costs = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))  # two decisions in the middle cost the same
    together = metrics.cost_metrics(probabilities, labels, costs, from_logits=False)["expected_cost"]
    alone = [metrics.cost_metrics(probabilities[[n]], labels[[n]], costs, from_logits=False) for n in range(64)]
    assert together == np.mean([each["expected_cost"] for each in alone]) == np.mean(99.0 - labels)
    decided = Costs(costs.tolist(), [f"c{n}" for n in range(size)]).decide(torch.from_numpy(probabilities))
    assert set(decided.tolist()) == {99}
