"""Ranking of labels: against scikit-learn and torchmetrics, with unknown labels, and streaming against exact."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    coverage_error,
    label_ranking_average_precision_score,
    label_ranking_loss,
)
from torchmetrics.classification import MultilabelAveragePrecision

from smoothlab import InvalidArgument, metrics


def drawn(rows=300, labels=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(rows, labels, generator=generator, dtype=torch.float64) - torch.arange(labels) / 2
    return logits, torch.bernoulli(torch.sigmoid(logits), generator=generator)


@given(st.integers(2, 6), st.integers(1, 20), st.booleans(), st.integers(0, 2**32 - 1))
def test_they_are_those_of_scikit_learn(size, count, weighted, seed):
    random = np.random.default_rng(seed)
    p, labels = random.integers(0, 5, (count, size)) / 4, random.integers(0, 2, (count, size))  # with ties
    known = {"sample_weight": random.uniform(0.1, 3, count) if weighted else None}
    values = metrics.ranking_metrics(p, labels, from_logits=False, **known)
    assert values["ranking_loss"] == pytest.approx(label_ranking_loss(labels, p, **known))
    assert values["coverage_error"] == pytest.approx(coverage_error(labels, p, **known))
    assert values["ranking_precision"] == pytest.approx(label_ranking_average_precision_score(labels, p, **known))
    each = [average_precision_score(labels[:, k], p[:, k], **known) for k in range(size) if labels[:, k].any()]
    if each:
        assert values["macro_map"] == pytest.approx(np.mean(each))
        assert values["micro_map"] == pytest.approx(average_precision_score(labels, p, average="micro", **known))
    else:
        assert math.isnan(values["macro_map"])
        assert math.isnan(values["micro_map"])


def test_map_is_that_of_torchmetrics():
    logits, labels = drawn()
    values = metrics.ranking_metrics(logits, labels, from_logits=True)
    for average in ("macro", "micro"):
        peer = MultilabelAveragePrecision(5, average=average)(torch.sigmoid(logits), labels.long())
        assert values[f"{average}_map"] == pytest.approx(float(peer), abs=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_a_sample_is_ranked_over_its_known_labels(seed):
    random = np.random.default_rng(seed)
    p, labels, known = random.random((6, 5)), random.integers(0, 2, (6, 5)), random.random((6, 5)) < 0.7
    known[:, :2] = True  # scikit-learn takes two columns at least
    values = metrics.ranking_metrics(p, labels, from_logits=False, mask=known)
    of_rows = [(y[there][None], q[there][None]) for y, q, there in zip(labels, p, known, strict=True)]
    peers = (label_ranking_loss, coverage_error, label_ranking_average_precision_score)
    for name, peer in zip(("ranking_loss", "coverage_error", "ranking_precision"), peers, strict=True):
        assert values[name] == pytest.approx(np.mean([peer(y, q) for y, q in of_rows]))
    each = [
        average_precision_score(labels[known[:, k], k], p[known[:, k], k])
        for k in range(5)
        if labels[known[:, k], k].any()
    ]
    if each:
        assert values["macro_map"] == pytest.approx(np.mean(each))


def test_nothing_known_is_refused():
    with pytest.raises(InvalidArgument, match="no counted label"):
        metrics.ranking_metrics([[0.1, 0.2]], [[0, 1]], from_logits=False, mask=[[False, False]])


@pytest.mark.parametrize("shift", [0.0, -6.0, 6.0])
def test_the_streaming_form_is_near_the_exact_one(shift):
    logits, labels = drawn(3000)
    mask = torch.rand(logits.shape, generator=torch.Generator().manual_seed(1)) < 0.8
    exact = metrics.ranking_metrics(logits + shift, labels, from_logits=True, mask=mask)
    streaming = metrics.RankingMetrics(5)
    for part in (slice(0, 10), slice(10, 10), slice(10, 3000)):
        streaming.update(logits[part] + shift, labels[part], mask=mask[part])
    values = streaming.compute()
    assert list(values) == list(exact)
    assert values == pytest.approx(exact, abs=2e-3)
    for name in ("ranking_loss", "coverage_error", "ranking_precision"):
        assert values[name] == pytest.approx(exact[name], abs=1e-12)


def test_its_state_is_bounded():
    assert metrics.RankingMetrics(5).counts.numel() == 2 * 5 * 4096
    assert metrics.RankingMetrics(10_000).counts.numel() <= 1 << 22


def test_nothing_counted_is_nan():
    streaming = metrics.RankingMetrics(2)
    streaming.update(torch.zeros(1, 2), torch.zeros(1, 2), mask=torch.zeros(1, 2, dtype=torch.bool))
    assert all(math.isnan(value) for value in streaming.compute().values())


def test_each_label_apart_is_that_label_alone():
    logits, labels = drawn(200, 4)
    mask = torch.rand(logits.shape, generator=torch.Generator().manual_seed(1)) < 0.6
    mask[:, 3] = False
    values = metrics.labelwise_metrics(logits, labels, from_logits=True, mask=mask)
    for k in range(3):
        alone = metrics.binary_metrics(logits[:, k], labels[:, k], from_logits=True, mask=mask[:, k])
        for name in ("nll", "ece", "confidence_gap"):
            assert values[name][k] == pytest.approx(alone[name])
        assert values["known"][k] == mask[:, k].sum()
        assert values["present"][k] == labels[mask[:, k], k].sum()
        expected = average_precision_score(labels[mask[:, k], k], logits[mask[:, k], k])
        assert values["average_precision"][k] == pytest.approx(expected)
    assert math.isnan(values["ece"][3])
    assert math.isnan(values["nll"][3])
    overall = metrics.multilabel_metrics(logits, labels, from_logits=True, mask=mask)
    assert np.nanmean(values["ece"]) == pytest.approx(overall["ece_labelwise"])
