"""The inverse temperature from sums of fixed size, against a minimiser that sees all logits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from smoothlab.inverse_temperature import (
    LOG_BETAS,
    SUMS,
    inverse_temperature,
    inverse_temperature_sums,
)


def estimate(logits, labels, batch=10**9):
    """Logarithm and error from sums over batches."""
    total = {}
    for part, its in zip(logits.split(batch), labels.split(batch), strict=True):
        for name, value in inverse_temperature_sums(part, its).items():
            total[name] = total.get(name, 0) + value
    return inverse_temperature(*(total[name].tolist() for name in SUMS))


def best(logits, labels):
    """The same by scipy, from all logits; vote labels are distributions."""
    z = logits.double().numpy()
    votes = labels.double().numpy() if labels.is_floating_point() else np.eye(z.shape[1])[labels.numpy()]
    expected = np.where(votes > 0, votes * z, 0).sum(1)

    def nll(log_beta):
        beta = math.exp(log_beta)
        return np.mean(logsumexp(beta * z, axis=1) - beta * expected)

    return minimize_scalar(nll, bounds=(-1, 1), method="bounded", options={"xatol": 1e-9}).x


def drawn(count, classes, scale, beta, seed=0):
    """Logits of a spread, and labels that follow the softmax of beta times them."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, classes, generator=generator, dtype=torch.float64) * scale
    return logits, torch.multinomial(torch.softmax(beta * logits, 1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("classes", [2, 3, 10, 200])
@pytest.mark.parametrize("scale", [0.3, 2.0, 10.0])
@pytest.mark.parametrize("beta", [0.4, 0.7, 1.0, 1.6, 2.5])
def test_it_is_scipys_to_a_thousandth(classes, scale, beta):
    logits, labels = drawn(2000, classes, scale, beta)
    assert estimate(logits, labels)[0] == pytest.approx(best(logits, labels), abs=1e-3)


@given(
    seed=st.integers(0, 10**6),
    count=st.integers(5, 60),
    classes=st.integers(2, 8),
    scale=st.sampled_from([0.5, 3.0, 20.0]),
    beta=st.floats(0.3, 3.0),
)
def test_it_is_scipys_on_tiny_sets(seed, count, classes, scale, beta):
    logits, labels = drawn(count, classes, scale, beta, seed)
    log_beta, _ = estimate(logits, labels)
    # few samples of a wide spread: single ones bend the slope within a step of the grid
    assert log_beta == pytest.approx(best(logits, labels), abs=3e-3)


def test_it_is_scipys_on_saturated_logits():
    """Almost all probabilities are 0 or 1, and some are wrong."""
    logits, labels = drawn(5000, 10, 30.0, 1.0)
    labels[:40] = (labels[:40] + 1) % 10
    assert estimate(logits, labels)[0] == pytest.approx(best(logits, labels), abs=1e-3) == -1.0
    assert estimate(logits / 20, labels)[0] == pytest.approx(best(logits / 20, labels), abs=1e-3)


def test_votes_are_labels_too():
    logits, _ = drawn(1000, 4, 3.0, 1.0)
    votes = torch.softmax(0.6 * logits + torch.randn(1000, 4, generator=torch.Generator().manual_seed(1)), 1)
    assert estimate(logits, votes)[0] == pytest.approx(best(logits, votes), abs=1e-3)
    plain, labels = drawn(1000, 4, 3.0, 0.7)
    assert estimate(plain, torch.eye(4)[labels]) == pytest.approx(estimate(plain, labels), abs=1e-9)


def test_masked_classes_take_no_part():
    logits, labels = drawn(1000, 3, 3.0, 0.7)
    masked = torch.cat([logits, torch.full((1000, 2), -math.inf)], 1)
    assert estimate(masked, labels) == pytest.approx(estimate(logits, labels), abs=1e-9)
    votes = torch.eye(5)[labels]
    assert estimate(masked, votes) == pytest.approx(estimate(logits, labels), abs=1e-9)


def test_samples_without_a_label_or_with_a_masked_one_are_left_out():
    logits, labels = drawn(500, 3, 3.0, 0.7)
    strange = torch.randn(4, 3, dtype=torch.float64)
    strange[2, 1] = -math.inf
    strange[3] = -math.inf
    more = torch.cat([logits, strange]), torch.cat([labels, torch.tensor([-100, 3, 1, 0])])
    assert estimate(*more) == pytest.approx(estimate(logits, labels), abs=1e-9)
    assert inverse_temperature_sums(*more)["count"] == 500


def test_a_validation_of_one_class_is_answered():
    """All right asks for more confidence without end; half of them wrong for none."""
    logits = torch.tensor([[2.0, 0.0]]).repeat(10, 1)
    assert estimate(logits, torch.zeros(10, dtype=torch.int64))[0] == 1.0
    logits[:5] = logits[:5].flip(1)
    assert estimate(logits, torch.zeros(10, dtype=torch.int64))[0] == -1.0


def test_logits_that_say_nothing_ask_for_nothing():
    assert estimate(torch.zeros(5, 3), torch.tensor([0, 1, 2, 0, 1])) == (0.0, math.inf)
    assert estimate(torch.zeros(5, 1), torch.zeros(5, dtype=torch.int64)) == (0.0, math.inf)


def test_its_standard_error_is_the_spread_over_repeated_draws():
    estimates = [estimate(*drawn(400, 3, 2.0, 0.8, seed)) for seed in range(300)]
    values, errors = zip(*estimates, strict=True)
    assert np.std(values) == pytest.approx(np.mean(errors), rel=0.12)
    assert np.mean(values) == pytest.approx(math.log(0.8), abs=0.02)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("classes", [5, 300])
def test_short_floats_are_summed_in_wide_ones(dtype, classes):
    logits, labels = drawn(3000, classes, 3.0, 0.7)
    rounded = logits.to(dtype)
    sums = inverse_temperature_sums(rounded, labels)
    assert sums["slope"].dtype in (torch.float32, torch.float64)
    assert estimate(rounded, labels)[0] == pytest.approx(best(rounded, labels), abs=1e-3)
    with torch.autocast("cpu", torch.bfloat16):
        assert estimate(rounded, labels) == estimate(rounded, labels)
        assert estimate(rounded, labels)[0] == pytest.approx(best(rounded, labels), abs=1e-3)


def test_sequences_are_many_samples_and_batches_add_up():
    logits, labels = drawn(600, 4, 3.0, 0.7)
    assert estimate(logits.reshape(20, 30, 4), labels.reshape(20, 30)) == pytest.approx(estimate(logits, labels))
    assert estimate(logits, labels, batch=7) == pytest.approx(estimate(logits, labels))


def test_extreme_logits_leave_finite_sums():
    logits = torch.tensor([[3e38, -3e38, 0.0], [1e4, 0.0, -1e4]])
    for value in inverse_temperature_sums(logits, torch.tensor([1, 0])).values():
        assert value.isfinite().all()
    assert len(LOG_BETAS) == 9
