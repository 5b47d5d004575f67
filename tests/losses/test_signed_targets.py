"""Negative smoothing: the published numbers, and the same loss on every path."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from smoothlab import Smoother, SoftTarget
from smoothlab.smoothing import Negative, Uniform
from smoothlab.targets import PerClass, PerSample

EXACT = {"rtol": 1e-8, "atol": 1e-11}
EPSILONS = [-0.4, -6.0, 1.0]
PRIORS = {
    "uniform": "uniform",
    "exclusive": "exclusive",
    "vector": torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64),
    "per_class": PerClass(torch.rand(4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64).softmax(1)),
    "per_sample": PerSample(
        torch.rand(6, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64).softmax(1)
    ),
}


def draw(masked=False):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator, dtype=torch.float64) * 3
    labels = torch.randint(4, (6,), generator=generator)
    if masked:
        hidden = torch.rand(6, 4, generator=generator) < 0.4
        hidden[torch.arange(6), labels] = False
        logits[hidden] = -math.inf
    return logits.requires_grad_(), labels


def by_hand(logits, labels, epsilon, prior):
    """Mean loss and gradient from the definition, one class at a time."""
    base = labels if labels.is_floating_point() else F.one_hot(labels, 4).double()
    rows = {
        "uniform": lambda: torch.full((6, 4), 0.25, dtype=torch.float64),
        "exclusive": lambda: (1 - base) / 3,
    }
    spread = rows[prior]() if isinstance(prior, str) else None
    if isinstance(prior, PerClass):
        spread = base @ prior.matrix
    elif isinstance(prior, PerSample):
        spread = prior.rows
    elif isinstance(prior, torch.Tensor):
        spread = prior.expand(6, 4)
    spread = spread * (logits > -math.inf)
    left = spread.sum(1, keepdim=True)
    epsilon = torch.as_tensor(epsilon, dtype=torch.float64).reshape(-1, 1)
    q = torch.where(left > 0, (1 - epsilon) * base + epsilon * spread / left, base)
    log_p = torch.log_softmax(logits.detach(), 1)
    return -(q * log_p).masked_fill(q == 0, 0).sum() / 6, (log_p.exp() - q) / 6


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("epsilon", [*EPSILONS, "per sample"])
@pytest.mark.parametrize("prior", PRIORS)
def test_every_path_has_the_loss_and_gradient_of_the_definition(loss, prior, epsilon, masked):
    logits, labels = draw(masked)
    if epsilon == "per sample":
        epsilon = torch.tensor([-6.0, -0.4, 0.0, 0.3, 1.0, -1.0], dtype=torch.float64)
    value = loss(logits, SoftTarget(labels, epsilon, PRIORS[prior], signed=True).validate())
    value.backward()
    expected, gradient = by_hand(logits, labels, epsilon, PRIORS[prior])
    assert_close(value, expected, **EXACT)
    assert_close(logits.grad, gradient, **EXACT)


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_votes_can_be_sharpened_too(loss, epsilon):
    logits, _ = draw()
    votes = torch.rand(6, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64).softmax(1)
    value = loss(logits, SoftTarget(votes, epsilon, signed=True))
    value.backward()
    expected, gradient = by_hand(logits, votes, epsilon, "uniform")
    assert_close(value, expected, **EXACT)
    assert_close(logits.grad, gradient, **EXACT)


def test_float32_and_leading_dimensions_and_ignored_labels_are_as_ever(loss):
    logits, labels = draw()
    labels[2] = -100
    counted = labels != -100
    target = SoftTarget(labels.reshape(2, 3), torch.full((2, 3), -2.0), signed=True)
    value = loss(logits.float().reshape(2, 3, 4), target)
    assert_close(value, loss(logits[counted], SoftTarget(labels[counted], -2.0, signed=True)).float())


def test_the_loss_has_no_lower_bound(loss):
    logits = torch.tensor([[1e4, 0.0, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    assert loss(logits, SoftTarget(torch.tensor([0]), -1.0, signed=True)).item() == pytest.approx(-0.75e4)


def test_published_numbers(vectors, loss):
    cases = vectors("gls_nls")["cases"]
    assert cases
    for case in cases:
        rate, plain, smoothed = (case["params"][name] for name in ("smooth_rate", "wa", "wb"))
        strength = Negative(rate, warm_up=0.5, plain_weight=plain, smoothed_weight=smoothed)
        logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64, requires_grad=True)
        labels = torch.tensor(case["inputs"]["target"])
        target = Smoother(strength, Uniform())(labels, logits=logits, progress=0.5)
        value = (plain + smoothed) * loss(logits, target)
        value.backward()
        assert_close(value, torch.tensor(case["loss"], dtype=torch.float64), **EXACT)
        assert_close(logits.grad, torch.tensor(case["grad_logits"], dtype=torch.float64), **EXACT)
