"""Ordinal metrics: against scikit-learn and torchmetrics, by hand, and the streaming form against the exact one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ranks import on_ranks
from sklearn.metrics import cohen_kappa_score, mean_absolute_error
from torchmetrics.classification import MulticlassCohenKappa

from smoothlab import InvalidArgument, metrics


def test_by_hand():
    values = np.eye(4)[[0, 1, 3, 3]]
    computed = metrics.ordinal_metrics(values, [0, 2, 3, 0], from_logits=False)
    # squared distances 0, 1, 0, 9; of all 16 pairs of a prediction and a label 58, so by chance 58 / 4
    assert computed == {"ordinal_mae": pytest.approx(4 / 4), "quadratic_kappa": pytest.approx(1 - 10 / (58 / 4))}


@given(st.integers(2, 9), st.integers(2, 40), st.booleans(), st.integers(0, 2**32 - 1))
def test_they_are_those_of_scikit_learn(classes, count, weighted, seed):
    random = np.random.default_rng(seed)
    values, labels = random.normal(size=(count, classes)), random.integers(0, classes, count)
    weights = random.uniform(0.1, 3, count) if weighted else None
    computed = metrics.ordinal_metrics(values, labels, from_logits=True, sample_weight=weights)
    predicted = values.argmax(1)
    known = {"sample_weight": weights}
    assert computed["ordinal_mae"] == pytest.approx(mean_absolute_error(labels, predicted, **known))
    if len(set(labels) | set(predicted)) > 1:
        expected = cohen_kappa_score(labels, predicted, labels=range(classes), weights="quadratic", **known)
        assert computed["quadratic_kappa"] == pytest.approx(expected, abs=1e-9)
    else:
        assert math.isnan(computed["quadratic_kappa"])


def test_kappa_is_that_of_torchmetrics(predictions):
    logits, labels = predictions(300, 6, seed=3)
    peer = MulticlassCohenKappa(6, weights="quadratic")(logits, labels)
    computed = metrics.ordinal_metrics(logits, labels, from_logits=True)
    assert computed["quadratic_kappa"] == pytest.approx(float(peer), abs=1e-6)


def test_one_class_alone_has_no_kappa_and_all_right_has_one():
    assert math.isnan(metrics.ordinal_metrics(np.eye(3)[[1, 1]], [1, 1], from_logits=False)["quadratic_kappa"])
    right = metrics.ordinal_metrics(np.eye(3)[[0, 2]], [0, 2], from_logits=False)
    assert right == {"ordinal_mae": 0.0, "quadratic_kappa": 1.0}


def test_votes_count_by_their_mode_and_masked_rows_do_not(predictions):
    logits, labels = predictions(50, 4)
    votes = torch.nn.functional.one_hot(labels, 4) * 3 + 1
    expected = metrics.ordinal_metrics(logits[:30], labels[:30], from_logits=True)
    assert metrics.ordinal_metrics(logits, votes, from_logits=True, mask=torch.arange(50) < 30) == expected


def test_nan_is_refused():
    with pytest.raises(InvalidArgument, match="logits without NaN"):
        metrics.ordinal_metrics([[0.0, math.nan]], [0], from_logits=True)


def test_batches_and_ranks_add_up(predictions):
    logits, labels = predictions(200, 5)
    expected = metrics.ordinal_metrics(logits, labels, from_logits=True)
    streaming = metrics.OrdinalMetrics()
    streaming.update(logits[:0], labels[:0])
    assert all(math.isnan(value) for value in streaming.compute().values())
    for part in (slice(0, 7), slice(7, 90), slice(90, 200)):
        streaming.update(logits[part], labels[part])
    assert streaming.compute() == expected
    assert streaming.half().sums.dtype is torch.float64


def _on_rank(rank):
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(60, 4, generator=generator), torch.randint(0, 4, (60,), generator=generator)
    whole = metrics.ordinal_metrics(logits, labels, from_logits=True)
    streaming = metrics.OrdinalMetrics()
    part = slice(0, 10) if rank == 0 else slice(10, 60)
    streaming.update(logits[part], labels[part])
    return streaming.compute(), whole


def test_two_ranks_give_what_one_process_gives():
    for computed, whole in on_ranks(_on_rank):
        assert computed == whole
