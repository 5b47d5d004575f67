"""Small cases whose answers can be worked out on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest

from smoothlab import metrics
from smoothlab.errors import InvalidArgument

# confidences 0.9, 0.8, 0.8, 0.6 of which the second of the tied pair and the last are wrong
P = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.6, 0.4]])
Y = np.array([0, 0, 0, 1])
KNOWN = {"from_logits": False}


def test_the_risk_coverage_curve_takes_ties_in_part():
    coverage, risk = metrics.RiskCoverage.of(P, Y, **KNOWN).curve()
    assert coverage.tolist() == [0.25, 0.75, 1.0]
    assert risk.tolist() == pytest.approx([0, 1 / 3, 1 / 2])
    assert metrics.risk_at_coverage(P, Y, coverage=0.5, **KNOWN) == pytest.approx(0.25)  # half an error in two
    assert metrics.risk_at_coverage(P, Y, coverage=0.3, **KNOWN) == pytest.approx(0.25)  # rounded up to two
    assert metrics.risk_at_coverage(P, Y, coverage=1e-9, **KNOWN) == 0.0
    assert metrics.coverage_at_risk(P, Y, risk=0.0, **KNOWN) == 0.25
    assert metrics.coverage_at_risk(P, Y, risk=0.25, **KNOWN) == 0.5
    assert metrics.coverage_at_risk(P, Y, risk=0.5, **KNOWN) == 1.0
    assert metrics.coverage_at_risk(P[3:], Y[3:], risk=0.5, **KNOWN) == 0.0


def test_the_areas():
    risks = [0, 0.25, 1 / 3, 1 / 2]
    assert metrics.aurc(P, Y, **KNOWN) == pytest.approx(np.mean(risks))
    assert metrics.aurc(P, Y, rule="origin", **KNOWN) == pytest.approx((sum(risks) - 0.25) / 4)
    assert metrics.aurc(P, Y, rule="trapezoid", **KNOWN) == pytest.approx((sum(risks) - 0.25) / 3)
    oracle = np.mean([0, 0, 1 / 3, 1 / 2])
    assert metrics.excess_aurc(P, Y, **KNOWN) == pytest.approx(np.mean(risks) - oracle)
    low, high = metrics.RiskCoverage.of(P, Y, **KNOWN).bounds()
    assert (low, high) == pytest.approx((np.mean([0, 0, 1 / 3, 1 / 2]), np.mean([0, 1 / 2, 1 / 3, 1 / 2])))
    assert metrics.confidence_auroc(P, Y, **KNOWN) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert math.isnan(metrics.confidence_auroc(P[:1], Y[:1], **KNOWN))


def test_scores_of_your_own():
    curve = metrics.RiskCoverage.from_scores([3.0, 2.0, 1.0], [True, False, True], [1, 1, 0])
    assert (curve.total, curve.error_rate) == (2.0, 0.5)
    for score, correct, weight in (([], [], None), ([1.0], [2.0], None), ([1.0], [1.0], [0.0])):
        with pytest.raises(InvalidArgument):
            metrics.RiskCoverage.from_scores(score, correct, weight)


def test_equal_mass_bins_share_ties_out():
    bins = metrics.reliability_bins(P, Y, num_bins=2, scheme="mass", **KNOWN)
    assert bins.count.tolist() == [2, 2]
    assert bins.confidence.tolist() == pytest.approx([0.7, 0.85])
    assert bins.accuracy.tolist() == pytest.approx([0.25, 0.75])
    assert bins.lower.tolist() == [0.6, 0.8]
    assert bins.upper.tolist() == [0.8, 0.9]
    more = metrics.reliability_bins(P, Y, num_bins=6, scheme="mass", **KNOWN)
    assert more.count.tolist() == [1, 1, 1, 1, 0, 0]


def test_the_debiased_error_takes_the_variance_of_a_bin_off():
    p = np.tile([[0.9, 0.1]], (10, 1))
    y = np.array([0] * 6 + [1] * 4)
    expected = 0.3**2 - 0.6 * 0.4 / 9
    assert metrics.rmsce_debiased(p, y, num_bins=1, **KNOWN) == pytest.approx(math.sqrt(expected))
    assert metrics.rmsce_debiased(p, [0] * 9 + [1], num_bins=1, **KNOWN) == 0.0


def test_the_parts_of_brier_for_one_forecast_a_bin():
    p = np.array([[0.2, 0.8]] * 5 + [[0.9, 0.1]] * 5)
    y = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 1])
    parts = metrics.brier_parts(p, y, num_bins=10, **KNOWN)
    assert parts.reliability == pytest.approx(2 * (0.5 * 0.0 + 0.5 * 0.1**2))
    assert parts.resolution == pytest.approx(2 * 0.3**2)
    assert parts.uncertainty == pytest.approx(2 * 0.25)
    assert parts.within_bins == pytest.approx(0.0, abs=1e-12)


def test_sharpness_runs_from_uniform_to_one_hot():
    assert metrics.sharpness(np.full((3, 4), 0.25), **KNOWN) == pytest.approx(0.0)
    assert metrics.sharpness(np.eye(4), **KNOWN) == 1.0
    assert metrics.sharpness([[0.0, -math.inf]], from_logits=True) == 1.0


def test_binary_and_multi_label_by_hand():
    p, y = np.array([[0.9, 0.4], [0.2, 0.6]]), np.array([[1, 0], [0, 0]])
    by_hand = metrics.multilabel_metrics(p, y, **KNOWN)
    assert by_hand["accuracy"] == 0.75
    assert by_hand["subset_accuracy"] == 0.5
    assert by_hand["brier"] == pytest.approx((0.01 + 0.16 + 0.04 + 0.36) / 4)
    assert by_hand["confidence_gap"] == pytest.approx(2.1 / 4 - 0.25)
    assert by_hand["macro_f1"] == pytest.approx(0.5)
    unknown = metrics.multilabel_metrics(
        np.where(y == 0, p, p), [[1, -1], [0, 0]], mask=[[True, False], [True, True]], **KNOWN
    )
    assert unknown["accuracy"] == pytest.approx(2 / 3)
    shares = metrics.multilabel_metrics(p, [[0.75, 0.0], [0.25, 0.5]], **KNOWN)
    assert shares["brier"] == pytest.approx((0.15**2 + 0.4**2 + 0.05**2 + 0.1**2) / 4)
    assert shares["accuracy"] == 0.75
    logits = np.array([40.0, -800.0])
    assert metrics.binary_metrics(logits, [0, 1], from_logits=True)["nll"] == pytest.approx(420.0)
    for values, labels in (([[math.nan]], [[1]]), ([[0.5]], [[2]]), ([[1.5]], [[1]]), ([[0.5]], [[1, 0]])):
        with pytest.raises(InvalidArgument):
            metrics.multilabel_metrics(values, labels, **KNOWN)


def test_the_kernel_error_of_two_samples_is_the_other_ones_label():
    p, y = np.array([[0.7, 0.3], [0.4, 0.6]]), np.array([0, 1])
    for bandwidth in (0.01, 1.0):
        error = metrics.ece_kde(p, y, bandwidth=bandwidth, **KNOWN)
        assert error == pytest.approx((abs(0 - 0.7) * 2 + abs(1 - 0.4) * 2) / 2)
    assert 0 <= metrics.ece_kde(P, Y, **KNOWN) <= 2
    with pytest.raises(InvalidArgument):
        metrics.ece_kde(p[:1], y[:1], **KNOWN)
