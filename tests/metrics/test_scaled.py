"""The NLL after the best temperature: what a minimiser that sees all logits finds, however the rows are cut."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from smoothlab.calibration import Temperature
from smoothlab.metrics import ScaledNLL, brier, nll, score_parts


def drawn(count, classes, scale, beta, seed=0):
    """Logits of a spread, and labels that follow the softmax of beta times them."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, classes, generator=generator, dtype=torch.float64) * scale
    return logits, torch.multinomial(torch.softmax(beta * logits, 1), 1, generator=generator)[:, 0]


def least(logits, labels):
    """By scipy, from all logits; votes are distributions."""
    votes = labels.numpy() if labels.is_floating_point() else np.eye(logits.shape[1])[labels.numpy()]

    def loss(log_beta):
        return -np.mean((votes * log_softmax(math.exp(log_beta) * logits.numpy(), axis=1)).sum(1))

    inside = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9}).fun
    return min(inside, loss(-3.0), loss(3.0))


def streamed(logits, labels, cut=10**9, **options):
    metric = ScaledNLL(**options)
    for part, own in zip(logits.split(cut), labels.split(cut), strict=True):
        metric.update(part, own)
    return metric.compute()["nll_scaled"]


@pytest.mark.parametrize("classes", [2, 3, 10, 200])
@pytest.mark.parametrize("scale", [0.3, 2.0, 10.0])
@pytest.mark.parametrize("beta", [0.06, 0.3, 1.0, 3.0, 15.0])
def test_it_is_scipys_least_to_four_digits(classes, scale, beta):
    logits, labels = drawn(500, classes, scale, beta)
    assert streamed(logits, labels) == pytest.approx(least(logits, labels), abs=5e-5)


def test_votes_are_distributions():
    logits, _ = drawn(300, 4, 2.0, 1.0)
    votes = torch.softmax(0.4 * logits + torch.randn(300, 4, dtype=torch.float64), 1)
    assert streamed(logits, votes) == pytest.approx(least(logits, votes), abs=5e-5)


def test_it_is_what_temperature_scaling_leaves():
    logits, labels = drawn(400, 5, 4.0, 0.4)
    calibrator = Temperature()
    calibrator.fit(logits, labels)
    assert streamed(logits, labels) == pytest.approx(nll(calibrator(logits), labels, from_logits=True), abs=5e-5)
    assert streamed(3 * logits, labels) == pytest.approx(streamed(logits, labels), abs=5e-5)


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_batches_do_not_matter(cut):
    logits, labels = drawn(200, 3, 3.0, 0.5)
    assert streamed(logits, labels, cut) == pytest.approx(streamed(logits, labels), rel=1e-12)


def test_two_ranks_add_up():
    logits, labels = drawn(200, 3, 3.0, 0.5)
    first, second, whole = ScaledNLL(), ScaledNLL(), ScaledNLL()
    first.update(logits[:70], labels[:70])
    second.update(logits[70:], labels[70:])
    whole.update(logits, labels)
    for name in ("nll", "slope", "curvature", "count"):
        torch.testing.assert_close(getattr(first, name) + getattr(second, name), getattr(whole, name))


def test_several_labels_share_a_temperature_and_unknown_ones_do_not_count():
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(300, 3, generator=generator, dtype=torch.float64)
    labels = (torch.rand(300, 3, generator=generator) < torch.sigmoid(0.3 * logits)).double()
    labels[torch.rand(300, 3, generator=generator) < 0.3] = -1
    known = labels.reshape(-1) >= 0
    questions = torch.stack([torch.zeros_like(logits), logits], -1).reshape(-1, 2)[known]
    expected = least(questions, labels.reshape(-1)[known].long())
    assert streamed(logits, labels, several=True) == pytest.approx(expected, abs=5e-5)


def test_a_label_that_cannot_be_is_infinite_and_no_rows_are_no_number():
    logits = torch.tensor([[0.0, -math.inf], [1.0, 0.0]])
    assert streamed(logits, torch.tensor([1, 0])) == math.inf
    metric = ScaledNLL()
    metric.update(logits, torch.tensor([-100, 9]))
    assert math.isnan(metric.compute()["nll_scaled"])


@pytest.mark.parametrize("beta", [0.3, 1.0, 2.0])
def test_parts_add_up_and_refinement_is_after_the_temperature(beta):
    logits, labels = drawn(500, 4, 3.0, beta)
    parts = score_parts(logits, labels, from_logits=True)
    calibrator = Temperature()
    calibrator.fit(logits, labels)
    scores = {"nll": nll, "brier": brier}
    for name, score in scores.items():
        assert sum(parts[name]) == pytest.approx(score(logits, labels, from_logits=True))
        after = score(calibrator(logits), labels, from_logits=True)
        assert parts[name].refinement == pytest.approx(after, abs=1e-5)
    assert parts["nll"].calibration >= 0


def test_probabilities_have_the_same_parts_as_logits():
    logits, labels = drawn(200, 3, 2.0, 0.5)
    ours = score_parts(logits, labels, from_logits=True)
    theirs = score_parts(torch.softmax(logits, 1), labels, from_logits=False)
    assert ours["nll"] == pytest.approx(theirs["nll"], abs=1e-9)


def test_weights_are_copies():
    logits, labels = drawn(50, 3, 2.0, 0.5)
    weights = torch.arange(50) % 3
    copies = score_parts(logits.repeat_interleave(weights, 0), labels.repeat_interleave(weights, 0), from_logits=True)
    weighted = score_parts(logits, labels, from_logits=True, sample_weight=weights.double())
    assert weighted["brier"] == pytest.approx(copies["brier"], abs=1e-6)
