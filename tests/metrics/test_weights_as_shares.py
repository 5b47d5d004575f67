"""Weights that are shares have no unit: what depends on the number of samples takes their mean as one sample."""

import inspect

import numpy as np
import pytest

import smoothlab.metrics as metrics
from smoothlab.metrics import ClassificationMetrics, RiskCoverage, multilabel_metrics

ROWS = 600


def drawn():
    random = np.random.default_rng(0)
    top = 0.9 + random.normal(size=ROWS) * 0.01
    return np.stack([top, 1 - top], 1), (random.random(ROWS) > 0.6).astype(int)


BINARY = {"multilabel_metrics", "labelwise_metrics", "ranking_metrics", "binary_metrics"}  # a question a column


def plain_metrics():
    """The metrics of values, labels and sample weights alone."""
    for name in metrics.__all__:
        function = getattr(metrics, name)
        if not inspect.isfunction(function):
            continue
        parameters = inspect.signature(function).parameters
        needed = [key for key, value in parameters.items() if value.default is value.empty]
        if needed == ["values", "labels", "from_logits"] and "sample_weight" in parameters:
            yield name


def numbers_of(result):
    if isinstance(result, dict):
        return {key: value for key, value in result.items() if isinstance(value, float)}
    return result if isinstance(result, float) else np.asarray(getattr(result, "gap", result), dtype=float)


@pytest.mark.parametrize("name", sorted(plain_metrics()))
def test_equal_weights_of_any_unit_are_none(name):
    function = getattr(metrics, name)
    values, labels = drawn()
    options = {"k": 1} if name == "top_k_accuracy" else {}
    if name in BINARY:
        values, labels = np.stack([values[:, 0], values[:, 0] / 2], 1), np.stack([labels, labels[::-1]], 1)
    if name == "binary_metrics":
        values, labels = values[:, 0], labels[:, 0]
    plain = numbers_of(function(values, labels, from_logits=False, **options))
    for unit in (1 / ROWS, 0.01, 0.5, 2.5):
        weight = np.full(ROWS, unit)
        weighted = numbers_of(function(values, labels, from_logits=False, sample_weight=weight, **options))
        assert weighted == pytest.approx(plain, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("rule", ["mean", "trapezoid", "origin"])
def test_areas_under_the_curve_do_not_depend_on_the_unit(rule):
    values, labels = drawn()
    plain = metrics.aurc(values, labels, from_logits=False, rule=rule)
    for unit in (1 / ROWS, 0.01, 3.5):
        weight = np.full(ROWS, unit)
        assert metrics.aurc(values, labels, from_logits=False, sample_weight=weight, rule=rule) == pytest.approx(plain)
        score, correct = values.max(1), (values.argmax(1) == labels).astype(float)
        assert RiskCoverage.from_scores(score, correct, weight).area(rule) == pytest.approx(plain)


def test_streaming_metrics_say_the_same_of_shares():
    values, labels = drawn()
    random = np.random.default_rng(1).random(ROWS)
    for weights in (random / random.sum(), np.full(ROWS, 0.01)):
        stream = ClassificationMetrics(2, from_logits=False)
        for part in np.array_split(np.arange(ROWS), 7):
            stream.update(values[part], labels[part], sample_weight=weights[part])
        exact = metrics.classification_metrics(values, labels, from_logits=False, sample_weight=weights)
        assert stream.compute() == pytest.approx(exact, rel=1e-9)


def test_whole_weights_stay_copies():
    values, labels = drawn()
    counts = np.random.default_rng(2).integers(1, 4, ROWS)
    copies = np.repeat(np.arange(ROWS), counts)
    weighted = metrics.rmsce_debiased(values, labels, from_logits=False, sample_weight=counts)
    assert weighted == pytest.approx(metrics.rmsce_debiased(values[copies], labels[copies], from_logits=False))


@pytest.mark.parametrize(("scores", "labels"), [([-np.inf, 2.0], [0, 1]), ([np.inf, 2.0], [1, 1])])
def test_a_certain_and_right_answer_costs_nothing(scores, labels):
    nll = multilabel_metrics([scores], [labels], from_logits=True)["nll"]
    assert nll == pytest.approx(np.log1p(np.exp(-2.0)) / 2)
    wrong = multilabel_metrics([scores], [[1 - labels[0], 1]], from_logits=True)["nll"]
    assert wrong == np.inf
