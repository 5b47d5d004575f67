"""Bootstrap intervals and the bias of ECE: against brute force, and against the truth of a synthetic source."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smoothlab import metrics
from smoothlab.metrics import intervals as boot

ALL = (*boot.MEANS, *boot.ERRORS)


def exact(name, values, labels):
    return getattr(metrics, name)(values, labels, from_logits=True)


def test_each_resample_is_the_metric_of_resampled_data(predictions, monkeypatch):
    logits, labels = predictions(90, 3)
    logits[::7] = logits[0]  # ties
    resampled = {}
    original = boot._resampled

    def keep(cells, counts, *rest):
        resampled["counts"], resampled["drawn"] = counts, original(cells, counts, *rest)
        return resampled["drawn"]

    monkeypatch.setattr(boot, "_resampled", keep)
    metrics.bootstrap(logits, labels, from_logits=True, metrics=ALL, resamples=5)
    curve = metrics.RiskCoverage.of(logits, labels, from_logits=True)
    p = torch.softmax(logits, 1)
    confidence, correct = p.amax(1).numpy(), (p.argmax(1) == labels).numpy()
    order = np.lexsort((correct, -confidence))
    assert curve.total == 90
    for row, counts in enumerate(resampled["counts"]):
        picked = np.repeat(order, counts.astype(int))
        assert len(picked) == 90
        for name in ALL:
            assert resampled["drawn"][name][row] == pytest.approx(
                exact(name, logits[picked], labels[picked]), abs=1e-9
            ), name


@pytest.mark.parametrize("n", [600, 6000])
def test_intervals_are_those_of_plain_resampling(predictions, n):
    logits, labels = predictions(n, 4, seed=2)
    names = ("nll", "brier", "accuracy", "confidence_gap", "aurc", "ece")
    ours = metrics.bootstrap(logits, labels, from_logits=True, metrics=names, resamples=400)
    random = np.random.default_rng(1)
    picks = [random.integers(0, n, n) for _ in range(60)]
    plain = [metrics.classification_metrics(logits[pick], labels[pick], from_logits=True) for pick in picks]
    for name in names:
        assert ours[name].estimate == pytest.approx(exact(name, logits, labels), abs=1e-12)
        width = ours[name].high - ours[name].low
        assert width == pytest.approx(3.92 * np.std([values[name] for values in plain]), rel=0.35), name


def test_intervals_cover_the_truth_about_as_often_as_they_say(predictions):
    names = ("nll", "accuracy", "confidence_gap", "ece")
    logits, labels = predictions(200_000, 3, seed=99)
    truth = {name: exact(name, logits, labels) for name in names}
    hits = dict.fromkeys(names, 0)
    for seed in range(60):
        intervals = metrics.bootstrap(*predictions(500, 3, seed=seed), from_logits=True, metrics=names, resamples=200)
        for name in names:
            hits[name] += intervals[name].low <= truth[name] <= intervals[name].high
    for name in names:
        assert hits[name] >= 51, (name, hits[name])  # 85% of 60; 95% is aimed at


def test_the_bias_of_ece_is_shown_and_taken_out(predictions):
    calibrated = [predictions(300, 4, seed=seed, cold=1.0) for seed in range(12)]
    biases = [metrics.ece_bias(*pair, from_logits=True, draws=200) for pair in calibrated]
    mean = np.mean([bias.ece for bias in biases])
    assert mean > 0.04  # though the source is calibrated
    assert np.mean([bias.calibrated for bias in biases]) == pytest.approx(mean, rel=0.15)
    assert np.mean([bias.p_value < 0.05 for bias in biases]) <= 0.25
    intervals = [metrics.bootstrap(*pair, from_logits=True, metrics=("ece",))["ece"] for pair in calibrated]
    assert np.mean([interval.corrected for interval in intervals]) < 0.75 * mean
    over = metrics.ece_bias(*predictions(3000, 4, cold=0.5), from_logits=True)
    assert over.p_value < 0.01
    assert over.ece > over.calibrated_high > over.calibrated


def test_large_and_small_ways_to_draw_the_calibrated_ece_agree(monkeypatch, predictions):
    from smoothlab.metrics import small_samples

    logits, labels = predictions(3000, 4)
    drawn = metrics.ece_bias(logits, labels, from_logits=True)
    monkeypatch.setattr(small_samples, "DRAW_ALL", 10)
    normal = metrics.ece_bias(logits, labels, from_logits=True)
    assert normal.calibrated == pytest.approx(drawn.calibrated, rel=0.05)


def test_the_same_seed_gives_the_same_interval(predictions):
    pair = predictions(200, 3)
    assert metrics.bootstrap(*pair, from_logits=True) == metrics.bootstrap(*pair, from_logits=True)
    assert metrics.bootstrap(*pair, from_logits=True) != metrics.bootstrap(*pair, from_logits=True, seed=1)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3, 10, 60]), st.sampled_from([2, 3, 30]), st.floats(0.1, 5.0))
def test_every_interval_holds_its_own_estimate(seed, n, k, cold):
    random = np.random.default_rng(seed)
    logits = np.round(random.normal(size=(n, k)) * 2)
    labels = (cold * logits + random.gumbel(size=logits.shape)).argmax(1)
    for name, interval in metrics.bootstrap(logits, labels, from_logits=True, metrics=ALL, resamples=40).items():
        assert interval.low <= interval.estimate <= interval.high, name
        assert interval.estimate == pytest.approx(exact(name, logits, labels), abs=1e-12)
        assert np.isfinite([interval.low, interval.high, interval.bias]).all()


def test_an_infinite_loss_has_an_infinite_interval_and_the_others_theirs():
    intervals = metrics.bootstrap([[1.0, 0.0], [0.4, 0.6], [0.3, 0.7]], [1, 1, 0], from_logits=False)
    assert (intervals["nll"].low, intervals["nll"].estimate, intervals["nll"].high) == (np.inf, np.inf, np.inf)
    assert all(
        np.isfinite([interval.low, interval.high]).all() for name, interval in intervals.items() if name != "nll"
    )


@pytest.mark.parametrize("cold", [1.0, 0.5])
def test_intervals_of_errors_cover_what_the_metric_is_on_average_at_this_size(predictions, cold):
    names = ("ece", "ece_equal_mass", "rmsce")
    bootstrapped = [
        metrics.bootstrap(*predictions(300, 4, seed=seed, cold=cold), from_logits=True, metrics=names, resamples=200)
        for seed in range(100)
    ]
    for name in names:
        truth = np.mean([intervals[name].estimate for intervals in bootstrapped])
        covered = np.mean([intervals[name].low <= truth <= intervals[name].high for intervals in bootstrapped])
        assert covered >= 0.88, (name, covered)  # 95% is aimed at; three standard errors are 6.5%
