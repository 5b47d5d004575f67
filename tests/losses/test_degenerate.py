"""Every public loss and penalty on any shape and degenerate logits: finite, and the formula in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from every_loss import EVERY, LOSSES, PENALTIES
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothlab import SoftTarget, losses
from smoothlab.losses import penalties
from smoothlab.targets import OtherClasses, PerClass, PerSample

GIVES_NO_LOSS = {"Loss", "CutMix", "Mixup", "normalized_logits", "smoothed_binary_labels"}
NOT_BY_CLASS = {"soft_binary_cross_entropy"}  # of labels, each of which has its own logit


def test_every_public_loss_and_penalty_is_here():
    assert set(LOSSES) == set(losses.__all__) - GIVES_NO_LOSS
    assert set(PENALTIES) == set(penalties.__all__) - {"Penalty"}


@st.composite
def batches(draw):
    """Logits ``(N, K)`` in float64, labels, epsilon and the name of a prior."""
    rows = draw(st.sampled_from([0, 1, 2, 5]))
    classes = draw(st.sampled_from([1, 2, 3, 4, 7, 129]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    logits = torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    kind = draw(st.sampled_from(["drawn", "equal", "zero", "steep", "tied", "one far above", "all far below"]))
    if kind == "equal":
        logits = torch.full_like(logits, 3.7)
    elif kind == "zero":
        logits = torch.zeros_like(logits)
    elif kind == "steep":
        logits = logits * 40
    elif kind == "tied":
        logits = logits.round()
    elif kind == "one far above":
        logits[:, 0] += 300
    elif kind == "all far below":
        logits = logits - 1000
    labels = torch.randint(classes, (rows,), generator=generator)
    if draw(st.booleans()) and rows:
        hidden = torch.rand(rows, classes, generator=generator) < draw(st.sampled_from([0.3, 0.9]))
        hidden[torch.arange(rows), labels] = False
        logits[hidden] = -math.inf
    epsilon = draw(st.sampled_from([0.0, 0.1, 0.9]))
    return logits, labels, epsilon, draw(st.sampled_from(["uniform", "exclusive"]))


def target_by_hand(label, classes, epsilon, prior):
    """q over the classes that take part, the label's place among them first."""
    own = np.zeros(classes)
    own[label] = 1
    if classes == 1:
        return own
    spread = np.full(classes, 1 / classes) if prior == "uniform" else (1 - own) / (classes - 1)
    return (1 - epsilon) * own + epsilon * spread


def by_hand(name, logits, labels, epsilon, prior):
    rows = []
    for z, label in zip(logits.numpy(), labels.tolist(), strict=True):
        left = np.flatnonzero(z > -np.inf)
        q = target_by_hand(int(np.flatnonzero(left == label)[0]), len(left), epsilon, prior)
        y = int(np.flatnonzero(left == label)[0])
        if name == "HierarchicalCrossEntropy":  # whose tree has a place for each class: no mass, but a place
            full, low = np.zeros(len(z)), z.copy()
            full[left], low[z == -np.inf] = q, -1e6
            rows.append(EVERY[name][1](low, full, y))
        else:
            rows.append(EVERY[name][1](z[left], q, y))
    return torch.tensor(rows, dtype=torch.float64)


def computed(name, logits, labels, epsilon, prior):
    leaf = logits.clone().requires_grad_()
    rows = EVERY[name][0](leaf, SoftTarget(labels, epsilon, prior))
    rows.sum().backward()
    return rows.detach(), leaf.grad


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(batch=batches())
def test_it_is_finite_and_the_documented_formula(name, batch):
    logits, labels, epsilon, prior = batch
    rows, gradient = computed(name, logits, labels, epsilon, prior)
    assert rows.shape == labels.shape
    assert rows.isfinite().all()
    assert gradient.isfinite().all()
    assert not gradient[logits == -math.inf].any()
    expected = by_hand(name, logits, labels, epsilon, prior)
    torch.testing.assert_close(rows, expected, rtol=1e-7, atol=1e-8)
    single, of_single = computed(name, logits.float(), labels, epsilon, prior)
    assert single.isfinite().all()
    assert of_single.isfinite().all()
    torch.testing.assert_close(single.double(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", EVERY)
def test_a_thousand_classes(name):
    logits = torch.randn(2, 1000, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 5
    labels = torch.tensor([0, 999])
    epsilon = 0.0 if name == "CPC" else 0.1  # whose soft target is the mean over a thousand labels
    rows, gradient = computed(name, logits, labels, epsilon, "uniform")
    torch.testing.assert_close(rows, by_hand(name, logits, labels, epsilon, "uniform"), rtol=1e-7, atol=1e-8)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("scale", [1e4, 1e8, 1e15])
def test_enormous_logits_are_finite_in_single_precision(name, scale):
    logits = torch.tensor([[scale, -scale, 0.0], [-scale, scale, 0.0], [0.0, 0.0, 0.0]])
    rows, gradient = computed(name, logits, torch.tensor([0, 0, 2]), 0.1, "uniform")
    assert rows.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", EVERY)
def test_without_rows_without_classes_and_one_class(name):
    call = EVERY[name][0]
    assert call(torch.zeros(0, 3), SoftTarget(torch.zeros(0, dtype=torch.long))).shape == (0,)
    if name not in NOT_BY_CLASS:
        with pytest.raises(ValueError, match=r"logits|weight"):
            call(torch.zeros(2, 0), SoftTarget(torch.zeros(2, dtype=torch.long)))


NAN = [0.5, math.nan, 0.5]
PRIORS_WITH_NAN = {
    "vector": torch.tensor(NAN),
    "matrix": PerClass(torch.tensor([NAN, NAN, NAN])),
    "rows": PerSample(torch.tensor([NAN] * 2)),
    "other classes": OtherClasses(torch.tensor(NAN)),
}


@pytest.mark.parametrize("prior", PRIORS_WITH_NAN.values(), ids=PRIORS_WITH_NAN)
@pytest.mark.parametrize("base", [torch.tensor([0, 2]), torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])])
@pytest.mark.parametrize("epsilon", [0.1, torch.tensor([0.1, 0.2])])
@pytest.mark.parametrize("options", [{}, {"implementation": "reference"}, {"sample_weight": torch.tensor([1.0, 2.0])}])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_prior_with_nan_makes_a_loss_of_nan(prior, base, epsilon, options, hidden):
    logits = torch.zeros(2, 3)
    logits[1, 0] = -math.inf if hidden else 0.0
    target = SoftTarget(base, epsilon, prior)
    assert losses.soft_cross_entropy(logits, target, **options).isnan()
    with torch.no_grad():
        big = logits.repeat(1 << 13, 1)
        rows = losses.soft_cross_entropy(
            big, SoftTarget(base.repeat(1 << 13, *[1] * (base.ndim - 1)), 0.1, _many(prior))
        )
    assert rows.isnan()


def _many(prior):
    return PerSample(prior.rows.repeat(1 << 13, 1)) if isinstance(prior, PerSample) else prior
