from __future__ import annotations

import inspect

import numpy as np
import pytest

from smoothlab import metrics

P, Y = np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1]]), np.array([0, 0, 1])
SHARED = ["values", "labels", "from_logits", "sample_weight", "mask"]


def test_the_shared_arguments_stand_before_those_of_one_metric():
    assert list(inspect.signature(metrics.ece).parameters) == [*SHARED, "num_bins"]
    assert list(inspect.signature(metrics.cost_metrics).parameters) == [*SHARED[:2], "costs", *SHARED[2:]]
    assert list(inspect.signature(metrics.ece_kde).parameters)[:4] == ["values", "labels", "from_logits", "mask"]
    assert inspect.signature(metrics.ece).parameters["num_bins"].default == 15
    assert metrics.ece.__name__ == "ece"
    assert metrics.ece.__doc__.startswith("Expected calibration error")


def test_values_and_labels_may_be_keywords():
    by_position = metrics.ece(P, Y, from_logits=False, num_bins=3)
    assert metrics.ece(values=P, labels=Y, from_logits=False, num_bins=3) == by_position
    costs = [[0, 1], [1, 0]]
    assert metrics.cost_metrics(P, Y, costs, from_logits=False) == metrics.cost_metrics(
        P, Y, costs=costs, from_logits=False
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.ece(P, Y), r"ece\(\) missing .* 'from_logits'"),
        (lambda: metrics.ece(P, Y, True), "from_logits"),
        (lambda: metrics.ece(P, Y, from_logits=False, bins=3), r"ece\(\) got an unexpected keyword argument 'bins'"),
        (lambda: metrics.ece_kde(P, Y, from_logits=False, sample_weight=Y), "unexpected .* 'sample_weight'"),
        (lambda: metrics.risk_at_coverage(P, Y, from_logits=False), r"risk_at_coverage\(\) missing .* 'coverage'"),
    ],
)
def test_a_wrong_call_is_refused_in_the_name_of_the_metric(call, message):
    with pytest.raises(TypeError, match=message):
        call()
