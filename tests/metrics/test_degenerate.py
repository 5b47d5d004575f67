"""Every public metric on degenerate data: one bin, empty bins and classes, K from 1 to 1000, N from 0, all equal.

What comes back is a number, or an error that names the argument; and it is what the definition gives in float64.
"""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics_by_definition import by_definition

from smoothlab import metrics
from smoothlab.classes import Hierarchy
from smoothlab.errors import InvalidArgument
from smoothlab.metrics.hierarchical import LABEL_SET_NAMES

KINDS = ("equal", "certain", "one_bin", "ties", "drawn", "tiny")


def probabilities(random, kind, n, size):
    """(n, size) distributions of a kind."""
    if kind == "equal":
        return np.full((n, size), 1.0 / size)
    if kind == "certain":
        return np.eye(size)[random.integers(0, size, n)]
    if kind == "tiny":  # none reaches the first edge, where there are enough classes
        raw = 1.0 + random.uniform(0, 0.01, (n, size))
    elif kind == "one_bin":
        raw = np.where(np.arange(size) == random.integers(0, size, n)[:, None], 19.0 * max(size - 1, 1), 1.0)
    else:
        raw = random.integers(0, 4, (n, size)) + 1.0 if kind == "ties" else random.exponential(size=(n, size)) ** 4
    return raw / raw.sum(1, keepdims=True)


@st.composite
def tables(draw, sizes=(1, 2, 3, 16, 20, 100, 1000), counts=(0, 1, 2, 3, 17, 40)):
    """Probabilities and labels; labels of one class alone, or of any."""
    size, n = draw(st.sampled_from(sizes)), draw(st.sampled_from(counts))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    p = probabilities(random, draw(st.sampled_from(KINDS)), n, size)
    return p, random.integers(0, size, n) if draw(st.booleans()) else np.zeros(n, dtype=np.int64), random


def hierarchy(size):
    names = [str(k) for k in range(size)]
    return Hierarchy({"left": names[: size // 2], "right": names[size // 2 :]}, names)


def costs(size):
    return np.abs(np.arange(size)[:, None] - np.arange(size)) * 1.0


P = {"from_logits": False}
PLAIN = """
    accuracy ace augrc aurc brier brier_parts classification_metrics confidence_auroc confidence_gap
    confidence_gap_per_bin confidence_gap_per_class ece ece_classwise ece_equal_mass excess_aurc macro_f1 mce
    nll ordinal_metrics reliability_bins rmsce rmsce_classwise_debiased rmsce_debiased smece
"""
# How each public function is called with probabilities and labels; its numbers by name.
CALLS = {
    **{name: lambda p, y, name=name: getattr(metrics, name)(p, y, **P) for name in PLAIN.split()},
    "bootstrap": lambda p, y: metrics.bootstrap(p, y, resamples=20, metrics=("nll", "ece", "mce", "aurc"), **P),
    "ece_bias": lambda p, y: metrics.ece_bias(p, y, draws=20, **P),
    "ece_kde": lambda p, y: metrics.ece_kde(p, y, bandwidth=0.1, **P),
    "risk_at_coverage": lambda p, y: metrics.risk_at_coverage(p, y, coverage=0.5, **P),
    "coverage_at_risk": lambda p, y: metrics.coverage_at_risk(p, y, risk=0.3, **P),
    "top_k_accuracy": lambda p, y: metrics.top_k_accuracy(p, y, k=min(2, p.shape[1]), **P),
    "sharpness": lambda p, y: metrics.sharpness(p, **P),
    "cost_metrics": lambda p, y: metrics.cost_metrics(p, y, costs(p.shape[1]), **P),
    "hierarchical_metrics": lambda p, y: metrics.hierarchical_metrics(p, y, hierarchy(p.shape[1]), **P),
    "hierarchical_distance": lambda p, y: metrics.hierarchical_distance(p, y, hierarchy(p.shape[1]), **P),
    "mistake_severity": lambda p, y: metrics.mistake_severity(p, y, hierarchy(p.shape[1]), **P),
    "truth_metrics": lambda p, y: metrics.truth_metrics(p, np.eye(p.shape[1])[y], **P),
    "score_parts": lambda p, y: {
        f"{name}_{part}": value
        for name, parts in metrics.score_parts(p, y, **P).items()
        for part, value in parts._asdict().items()
    },
    # labels that are each present or absent
    "binary_metrics": lambda p, y: metrics.binary_metrics(p[:, 0], y == 0, **P),
    "labelwise_metrics": lambda p, y: metrics.labelwise_metrics(p, np.eye(p.shape[1])[y], **P),
    "multilabel_metrics": lambda p, y: metrics.multilabel_metrics(p, np.eye(p.shape[1])[y], **P),
    "ranking_metrics": lambda p, y: metrics.ranking_metrics(p, np.eye(p.shape[1])[y], **P),
    "multilabel_hierarchical_metrics": lambda p, y: metrics.multilabel_hierarchical_metrics(
        p, np.eye(p.shape[1])[y], hierarchy(p.shape[1]), **P
    ),
}
NO_METRICS = {"cost_matrix", "hierarchical_names"}
# Not defined, hence NaN, on some data: what it is a rate of is not there.
UNDEFINED = {
    "confidence_auroc": "",
    "ordinal_metrics": "quadratic_kappa",
    "binary_metrics": "auroc f1",
    "labelwise_metrics": "average_precision",
    "multilabel_metrics": "macro_f1 micro_f1",
    "ranking_metrics": "macro_map micro_map",
    "hierarchical_metrics": "mistake_severity",
    "mistake_severity": "",
    "multilabel_hierarchical_metrics": " ".join(LABEL_SET_NAMES),
    "reliability_bins": "confidence accuracy",  # of an empty bin
    "confidence_gap_per_bin": "",
    "confidence_gap_per_class": "",
}
INFINITE = {"nll_refinement", "nll", "excess_nll"}  # where a label has probability 0

STREAMS = {
    "ClassificationMetrics": (lambda size: metrics.ClassificationMetrics(size, **P), "classification_metrics", False),
    "OrdinalMetrics": (lambda size: metrics.OrdinalMetrics(**P), "ordinal_metrics", False),
    "CostMetrics": (lambda size: metrics.CostMetrics(costs(size), **P), "cost_metrics", False),
    "HierarchicalMetrics": (
        lambda size: metrics.HierarchicalMetrics(hierarchy(size), **P),
        "hierarchical_metrics",
        False,
    ),
    "MultilabelMetrics": (lambda size: metrics.MultilabelMetrics(size, **P), "multilabel_metrics", True),
    "RankingMetrics": (lambda size: metrics.RankingMetrics(size, **P), "ranking_metrics", True),
    "MultilabelHierarchicalMetrics": (
        lambda size: metrics.MultilabelHierarchicalMetrics(hierarchy(size), **P),
        "multilabel_hierarchical_metrics",
        True,
    ),
}
NO_STREAMS = {"ScaledNLL", "ScoreParts", "BrierParts", "ECEBias", "Interval", "ReliabilityBins", "RiskCoverage"}


def numbers(result):
    """(name, number) of whatever a metric gives."""
    if isinstance(result, dict):
        return [(name, value) for name, values in result.items() for _, value in numbers(values)]
    if isinstance(result, float):
        return [("", result)]
    if hasattr(result, "_asdict"):
        return numbers(result._asdict())
    if hasattr(result, "__dataclass_fields__"):
        return numbers({name: getattr(result, name) for name in result.__dataclass_fields__})
    return [("", float(value)) for value in np.asarray(result).ravel()]


def test_no_public_metric_is_left_out():
    public = [(name, getattr(metrics, name)) for name in metrics.__all__]
    assert {name for name, member in public if inspect.isfunction(member)} == set(CALLS) | NO_METRICS
    assert {name for name, member in public if inspect.isclass(member)} == set(STREAMS) | NO_STREAMS


@pytest.mark.parametrize("name", sorted(CALLS))
@given(tables())
def test_a_metric_is_finite_or_an_error_that_names_the_argument(name, table):
    p, y, _ = table
    try:
        result = CALLS[name](p, y)
    except InvalidArgument:
        assert len(y) < 2 or p.shape[1] == 1  # no rows, too few of them for kernels, or one class
        return
    assert len(y)
    for key, value in numbers(result):
        undefined = name in UNDEFINED and key in [*UNDEFINED[name].split(), ""]
        infinite = value == math.inf and (key in INFINITE or name in INFINITE)
        assert math.isfinite(value) or infinite or (math.isnan(value) and undefined), (key, value)


@given(tables(sizes=(2, 3, 16, 20, 100, 400), counts=(1, 2, 3, 17, 40)))
def test_metrics_are_what_their_definitions_give(table):
    p, y, _ = table
    expected = by_definition(p.tolist(), y.tolist())
    results = {}
    for name in ("classification_metrics", "ordinal_metrics", *(set(expected) & set(CALLS))):
        result = CALLS[name](p, y)
        results |= result if isinstance(result, dict) else {name: result}
    for name, value in expected.items():
        assert results[name] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize("name", sorted(STREAMS))
@given(tables(sizes=(1, 2, 3, 16, 20, 200, 1000)))
def test_streams_are_their_functions(name, table):
    p, y, random = table
    make, function, several = STREAMS[name]
    try:
        stream = make(p.shape[1])
    except InvalidArgument:
        assert p.shape[1] == 1
        return
    labels = np.eye(p.shape[1])[y] if several else y
    cut = int(random.integers(0, len(y) + 1))
    for part in (slice(0, cut), slice(cut, None)):
        try:
            stream.update(p[part], labels[part])
        except InvalidArgument:
            assert p.shape[1] == 1
            return
    values = stream.compute()
    if not len(y):
        assert all(math.isnan(value) for value in values.values())
        return
    exact = CALLS[function](p, y)
    assert list(values) == list(exact)
    for key, value in exact.items():
        if key in ("macro_map", "micro_map"):  # of counts by steps of the logit, within which all are ties
            assert 0 <= values[key] <= 1
        else:
            assert values[key] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), key


@given(tables(sizes=(2, 3, 16, 20, 200), counts=(1, 2, 3, 17, 40)), st.sampled_from(["float32", "float64"]))
def test_logits_give_in_both_forms_the_same(table, precision):
    p, y, random = table
    logits = np.log(np.maximum(p, 1e-30)).astype(precision)
    logits = np.take_along_axis(logits, random.permuted(np.tile(np.arange(p.shape[1]), (len(y), 1)), axis=1), 1)
    exact = metrics.classification_metrics(logits, y, from_logits=True)
    stream = metrics.ClassificationMetrics(p.shape[1])
    stream.update(logits, y)
    values = stream.compute()
    for key in ("nll", "brier", "accuracy", "macro_f1", "confidence_gap", "smece", "aurc"):  # no edges to fall across
        assert values[key] == pytest.approx(exact[key], rel=1e-6, abs=1e-6), key


@pytest.mark.parametrize("num_bins", [1, 2, 15, 100])
@pytest.mark.parametrize("size", [2, 16, 20, 1000])
def test_no_class_reaches_the_second_bin(num_bins, size):
    p = np.full((5, size), 1.0 / size)
    y = np.arange(5) % size
    expected = np.mean([np.abs(1 / size - (y == k).mean()) for k in range(size)])  # all of a class are in one bin
    assert metrics.ece_classwise(p, y, from_logits=False, num_bins=num_bins) == pytest.approx(expected)
