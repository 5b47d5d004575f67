"""Equal confidences: up to rounding, in both forms, whole where bins must be independent, in any order of rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import label_ranking_average_precision_score, label_ranking_loss

from smoothlab import metrics
from smoothlab.metrics.prediction import Prediction
from smoothlab.metrics.selective import RiskCoverage
from smoothlab.reports.evidence import judged
from smoothlab.reports.stack import Stack


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [3, 10, 100, 127, 128, 1000])
def test_logits_that_are_permutations_of_each_other_tie_in_both_forms(size, dtype):
    generator = torch.Generator().manual_seed(size)
    for scale in (0.5, 2.0, 6.0):
        row = scale * torch.randn(size, generator=generator, dtype=torch.float64).to(dtype)
        logits = torch.stack([row[torch.randperm(size, generator=generator)] for _ in range(200)])
        labels = torch.where(
            torch.rand(200, generator=generator) < 0.6, logits.argmax(1), (logits.argmax(1) + 1) % size
        )
        error = float((labels != logits.argmax(1)).double().mean())
        stream = metrics.ClassificationMetrics(size)
        stream.update(logits, labels)
        assert metrics.aurc(logits, labels, from_logits=True) == pytest.approx(error, abs=1e-12)
        assert stream.compute()["aurc"] == pytest.approx(error, abs=1e-12)
        interval = metrics.bootstrap(logits, labels, from_logits=True, metrics=("aurc",))["aurc"]
        assert interval.bias == pytest.approx(0, abs=0.01)


def test_confidences_that_differ_by_more_than_rounding_do_not_tie():
    confidence = 0.7 + 1e-12 * np.arange(50)
    right = np.arange(50) % 2
    wrong = (1 - right)[::-1].cumsum()
    assert RiskCoverage.from_scores(confidence, right).area() == pytest.approx((wrong / np.arange(1, 51)).mean())


TRUTHS = ((0.75, 0.60, 400), (0.55, 0.55, 1000), (0.95, 0.80, 90))


def groups_of(confidences):
    """Rows of two classes, tie groups of the given (confidence, accuracy, count), and the closed form of the error."""
    p, labels, total = [], [], sum(count for *_, count in confidences)
    squared = 0.0
    for confidence, accuracy, count in confidences:
        p += [[confidence, 1 - confidence]] * count
        right = round(accuracy * count)
        labels += [0] * right + [1] * (count - right)
        rate = right / count
        squared += count / total * ((confidence - rate) ** 2 - rate * (1 - rate) / (count - 1))
    return np.array(p), np.array(labels), math.sqrt(max(0.0, squared))


@pytest.mark.parametrize("groups", [TRUTHS[:1], TRUTHS[:2], TRUTHS])
@pytest.mark.parametrize("num_bins", [10, 15, 40])
def test_debiased_errors_of_tie_groups_are_the_closed_form_in_any_order_of_rows(groups, num_bins):
    p, labels, expected = groups_of(groups)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(labels))
        known = {"from_logits": False, "num_bins": num_bins}
        assert metrics.rmsce_debiased(p[order], labels[order], **known) == pytest.approx(expected, abs=1e-9)
        # of two classes each has the same error, the one's gaps being the other's with another sign
        classwise = metrics.rmsce_classwise_debiased(p[order], labels[order], **known)
        assert classwise == pytest.approx(expected, abs=1e-9)
    if len(groups) == 1:
        assert expected == pytest.approx(0.15, abs=0.003)


def test_debiased_errors_of_ties_are_right_on_average():
    """Constant confidence 0.75, true 0.6: over draws the squared error is 0.0225, whatever ties a cut goes through."""
    random = np.random.default_rng(0)
    p = np.tile([0.75, 0.25], (60, 1))
    squared = [
        metrics.rmsce_debiased(p, (random.random(60) >= 0.6).astype(int), from_logits=False) ** 2 for _ in range(400)
    ]
    assert np.mean(squared) == pytest.approx(0.0225, abs=0.003)


def test_the_noise_of_a_comparison_does_not_depend_on_the_order_of_ties():
    random = np.random.default_rng(0)
    logits = np.round(random.normal(size=(240, 3)))
    labels = random.integers(0, 3, 240)
    by_label = np.lexsort((labels, Prediction.of(logits, labels, from_logits=True).confidence))
    sizes = []
    for order in (np.arange(240), by_label, by_label[::-1]):
        _, noise = judged(Prediction.of(logits[order], labels[order], from_logits=True), 15)
        sizes.append([noise[name] @ noise[name] for name in ("ece", "ece_equal_mass", "aurc")])
    np.testing.assert_allclose(sizes[1], sizes[0], rtol=0.25)  # blocks of resamples hold other rows
    np.testing.assert_allclose(sizes[2], sizes[0], rtol=0.25)
    prediction = Prediction.of(logits, labels, from_logits=True)
    shuffled = Prediction.of(logits[by_label], labels[by_label], from_logits=True)
    np.testing.assert_allclose(
        Stack(prediction, 1).influence_on_aurc[0, by_label],
        Stack(shuffled, 1).influence_on_aurc[0],
    )


def test_the_influence_on_the_area_is_that_of_leaving_a_sample_out_with_ties():
    random = np.random.default_rng(1)
    confidence, correct = random.integers(5, 10, 300) / 10, (random.random(300) < 0.7).astype(float)
    area = RiskCoverage.from_scores(confidence, correct).area()
    left_out = [
        RiskCoverage.from_scores(np.delete(confidence, i), np.delete(correct, i)).area() - area for i in range(300)
    ]
    two_classes = Prediction.of(np.stack([confidence, 1 - confidence], 1), (correct < 1).astype(int), from_logits=False)
    influence = Stack(two_classes, 1).influence_on_aurc[0]
    assert np.corrcoef(-np.array(left_out), influence)[0, 1] > 0.999


def test_ranking_is_scikit_learns_to_the_last_digits():
    random = np.random.default_rng(0)
    p, labels = random.random((500, 7)), random.integers(0, 2, (500, 7))
    values = metrics.ranking_metrics(p, labels, from_logits=False)
    stream = metrics.RankingMetrics(7, from_logits=False)
    stream.update(p, labels)
    for name, peer in (
        ("ranking_loss", label_ranking_loss),
        ("ranking_precision", label_ranking_average_precision_score),
    ):
        assert values[name] == pytest.approx(peer(labels, p), abs=1e-14)
        assert stream.compute()[name] == pytest.approx(peer(labels, p), abs=1e-14)
