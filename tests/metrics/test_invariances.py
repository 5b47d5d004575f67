"""What must change nothing: the order of samples and classes, copies for weights, how ties lie."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoothlab import metrics

FINITE = {"allow_nan": False, "allow_infinity": False}


@st.composite
def tables(draw, ties=True):
    """Probabilities (n, k) with labels; with ``ties`` few distinct values, so that rows often agree."""
    k, n = draw(st.integers(2, 5)), draw(st.integers(1, 24))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    raw = random.integers(0, 6, (n, k)) if ties else random.exponential(size=(n, k))
    raw = raw + (raw.sum(1, keepdims=True) == 0)
    return raw / raw.sum(1, keepdims=True), random.integers(0, k, n), random


def close(left, right, tolerance=1e-9):
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert right[name] == pytest.approx(value, rel=tolerance, abs=tolerance, nan_ok=True), name


@given(tables())
def test_the_order_of_samples_changes_nothing(table):
    p, y, random = table
    order = random.permutation(len(y))
    close(
        metrics.classification_metrics(p, y, from_logits=False),
        metrics.classification_metrics(p[order], y[order], from_logits=False),
    )


@given(tables(ties=False))
def test_the_order_of_classes_changes_nothing(table):
    p, y, random = table
    order = random.permutation(p.shape[1])
    close(
        metrics.classification_metrics(p, y, from_logits=False),
        metrics.classification_metrics(p[:, order], np.argsort(order)[y], from_logits=False),
    )


@given(tables())
def test_whole_weights_are_copies(table):
    p, y, random = table
    weights = random.integers(0, 4, len(y))
    weights[0] = 2
    close(
        metrics.classification_metrics(p, y, from_logits=False, sample_weight=weights),
        metrics.classification_metrics(np.repeat(p, weights, 0), np.repeat(y, weights), from_logits=False),
    )
    for function in (metrics.augrc, metrics.excess_aurc, metrics.rmsce_debiased, metrics.confidence_auroc):
        weighted = function(p, y, from_logits=False, sample_weight=weights)
        copied = function(np.repeat(p, weights, 0), np.repeat(y, weights), from_logits=False)
        assert weighted == pytest.approx(copied, abs=1e-9, nan_ok=True)
    for argument in ({"risk": 0.3}, {"risk": 0.0}):
        weighted = metrics.coverage_at_risk(p, y, from_logits=False, sample_weight=weights, **argument)
        copied = metrics.coverage_at_risk(
            np.repeat(p, weights, 0), np.repeat(y, weights), from_logits=False, **argument
        )
        assert weighted == pytest.approx(copied, abs=1e-9)


@given(tables(), st.floats(0.01, 100.0, **FINITE))
def test_the_scale_of_weights_matters_to_no_mean_and_no_error(table, scale):
    p, y, random = table
    weights = random.uniform(0.1, 2.0, len(y))
    left, right = (
        metrics.classification_metrics(p, y, from_logits=False, sample_weight=w) for w in (weights, weights * scale)
    )
    for name in ("aurc",):  # whose sum over k = 1..n reads weights as numbers of copies
        del left[name], right[name]
    close(left, right, 1e-7)


@given(tables(), st.integers(2, 4))
def test_duplicated_data_change_no_mean_and_no_fixed_bin(table, copies):
    p, y, _ = table
    once = metrics.classification_metrics(p, y, from_logits=False)
    more = metrics.classification_metrics(np.tile(p, (copies, 1)), np.tile(y, copies), from_logits=False)
    for name in ("aurc", "ece_equal_mass"):  # their steps are as fine as the samples are many
        del once[name], more[name]
    close(once, more, 1e-8)


@given(tables())
def test_masked_rows_may_hold_anything(table):
    p, y, random = table
    mask = random.uniform(size=len(y)) < 0.7
    mask[0] = True
    dirty, labels = np.where(mask[:, None], p, np.nan), np.where(mask, y, -100)
    close(
        metrics.classification_metrics(p[mask], y[mask], from_logits=False),
        metrics.classification_metrics(dirty, labels, from_logits=False, mask=mask),
    )


@given(tables())
def test_one_hot_votes_are_labels(table):
    p, y, _ = table
    close(
        metrics.classification_metrics(p, y, from_logits=False),
        metrics.classification_metrics(p, 3.0 * np.eye(p.shape[1])[y], from_logits=False),
    )


@given(tables())
def test_logits_and_their_probabilities_agree(table):
    p, y, random = table
    logits = np.log(p + 1e-3) + random.normal(size=(len(y), 1))
    q = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    left = metrics.classification_metrics(logits, y, from_logits=True)
    right = metrics.classification_metrics(q, y, from_logits=False)
    for name in ("nll", "brier"):  # in the others rounding may break a tie or cross a bin's edge
        assert left[name] == pytest.approx(right[name], abs=1e-9)


@given(tables())
def test_areas_are_means_over_all_orders_of_ties(table):
    p, y, random = table
    confidence, wrong = p.max(1), p.argmax(1) != y
    curve = metrics.RiskCoverage.of(p, y, from_logits=False)
    areas = []
    for _ in range(300):
        order = np.lexsort((random.uniform(size=len(y)), -confidence))
        areas.append((wrong[order].cumsum() / np.arange(1, len(y) + 1)).mean())
    low, high = curve.bounds()
    assert low - 1e-9 <= min(areas) <= max(areas) <= high + 1e-9
    assert low - 1e-9 <= curve.area() <= high + 1e-9
    assert curve.area() == pytest.approx(np.mean(areas), abs=5 * np.std(areas) / np.sqrt(300) + 1e-9)


@given(tables())
def test_relations_between_metrics_hold(table):
    p, y, _ = table
    known = {"from_logits": False}
    values = metrics.classification_metrics(p, y, **known)
    gap = abs(values["confidence_gap"])
    assert gap - 1e-9 <= values["ece"] <= values["mce"] + 1e-9
    assert gap - 1e-9 <= values["ece_equal_mass"]
    assert gap - 1e-9 <= values["smece"] <= 1 + 1e-9
    assert values["ece"] <= metrics.rmsce(p, y, **known) + 1e-9 <= values["mce"] + 2e-9
    parts = metrics.brier_parts(p, y, **known)
    whole = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bins
    assert whole == pytest.approx(values["brier"], abs=1e-12)
    assert min(parts.reliability, parts.resolution, parts.uncertainty) >= -1e-12
    assert 0 <= metrics.sharpness(p, **known) <= 1 + 1e-12
    auroc, right = metrics.confidence_auroc(p, y, **known), values["accuracy"]
    if not np.isnan(auroc):
        expected = (1 - auroc) * right * (1 - right) + (1 - right) ** 2 / 2
        assert metrics.augrc(p, y, **known) == pytest.approx(expected, abs=1e-9)
    assert metrics.top_k_accuracy(p, y, k=p.shape[1], **known) == pytest.approx(1.0)


@given(st.integers(1, 40), st.floats(0.0, 1.0, **FINITE))
def test_a_bin_edge_belongs_to_the_bin_above(num_bins, confidence):
    from smoothlab.metrics.bins import bin_index

    edges = np.arange(num_bins) / num_bins
    index = bin_index(np.append(edges, [1.0, confidence]), num_bins)
    assert index[:num_bins].tolist() == list(range(num_bins))
    assert index[num_bins] == num_bins - 1
    assert index[-1] == np.searchsorted(edges, confidence, side="right") - 1


@pytest.mark.parametrize("name", ["ece", "ece_equal_mass", "ece_classwise", "smece", "rmsce", "rmsce_debiased"])
def test_a_calibrated_source_drives_errors_to_zero_at_the_root_rate(name, predictions):
    sizes = (400, 6400, 102_400)
    errors = []
    for size in sizes:
        drawn = [predictions(size, 4, seed=seed, cold=1.0) for seed in range(4)]
        errors.append(np.mean([getattr(metrics, name)(*pair, from_logits=True) for pair in drawn]))
    assert errors[2] < 0.01
    for before, after in pairwise(errors):
        # 16 times the samples: a quarter of the error; smECE's width shrinks with it, so it falls a little slower.
        # The debiased error is 0 as often as not, so only an upper bound holds for it.
        if name != "rmsce_debiased":
            assert 0.15 < after / before < 0.5
