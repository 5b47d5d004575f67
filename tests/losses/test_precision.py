"""Masked classes, half precision, loss scaling and autocast."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from smoothlab import SoftTarget
from smoothlab.targets import PerClass, PerSample

INF = math.inf


def draw(*shape, seed=0, scale=3.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def distributions(*shape, seed=2):
    return draw(*shape, seed=seed, scale=1.0).softmax(-1)


def value_and_gradient(loss, logits, target, **options):
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, target, **options)
    value.sum().backward()
    return value.detach(), logits.grad


PRIORS = {
    "uniform": None,
    "exclusive": "exclusive",
    "vector": distributions(5, seed=3),
    "matrix": PerClass(distributions(5, 5, seed=4)),
    "rows": PerSample(distributions(6, 5, seed=5)),
}


@pytest.mark.parametrize("epsilon", [0.2, torch.linspace(0.1, 0.9, 6, dtype=torch.float64)], ids=["number", "tensor"])
@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("base", ["labels", "votes"])
def test_a_masked_class_is_as_if_it_were_not_there(loss, base, prior, epsilon):
    """Over the classes that are left, the target is the same mixture with the prior renormalised."""
    masked, left = 3, [0, 1, 2, 4]
    y = torch.tensor([0, 1, 2, 4, 1, 0])
    votes = distributions(6, 5)
    votes[:, masked] = 0
    votes /= votes.sum(-1, keepdim=True)
    b = F.one_hot(y, 5).double() if base == "labels" else votes
    logits = draw(6, 5)
    logits[:, masked] = -INF
    factor = PRIORS[prior]
    rows = {
        "uniform": lambda: torch.full_like(b, 1 / 5),
        "exclusive": lambda: (1 - b) / 4,
        "vector": lambda: factor.expand_as(b),
        "matrix": lambda: b @ factor.matrix,
        "rows": lambda: factor.rows,
    }[prior]()[:, left]
    column = epsilon if isinstance(epsilon, float) else epsilon.unsqueeze(-1)
    q = (1 - column) * b[:, left] + column * rows / rows.sum(-1, keepdim=True)
    fewer = logits[:, left].requires_grad_()
    expected = F.cross_entropy(fewer, q)
    expected.backward()

    target = SoftTarget(y if base == "labels" else votes, epsilon, factor)
    value, gradient = value_and_gradient(loss, logits, target)
    assert_close(value, expected.detach())
    assert_close(gradient[:, left], fewer.grad)
    assert not gradient[:, masked].any()


def test_masks_differ_between_rows(loss):
    logits, y = draw(8, 5), torch.tensor([0, 1, 2, 3, 4, 0, 1, 2])
    logits[1, 3] = logits[1, 4] = logits[5, 2] = logits[7, 0] = -INF
    rows, gradient = value_and_gradient(loss, logits, SoftTarget(y, 0.1), reduction="none")
    for i in range(8):
        left = logits[i].isfinite()
        label = left[: y[i]].sum()
        expected = F.cross_entropy(logits[i][left], label, label_smoothing=0.1)
        assert_close(rows[i], expected)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("prior", ["uniform", "exclusive"])
def test_where_only_the_label_is_left_the_mass_returns_to_it(loss, prior):
    logits = torch.tensor([[1.0, -INF, -INF]], dtype=torch.float64)
    value, gradient = value_and_gradient(loss, logits, SoftTarget(torch.tensor([0]), 0.1, prior))
    assert value.item() == 0
    assert not gradient.any()


def test_a_prior_that_is_wholly_masked_returns_its_mass(loss):
    logits = torch.tensor([[1.0, 2.0, -INF], [1.0, 2.0, 3.0]], dtype=torch.float64)
    prior = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    rows, _ = value_and_gradient(loss, logits, SoftTarget(torch.tensor([0, 0]), 0.1, prior), reduction="none")
    assert_close(rows[0], F.cross_entropy(logits[0], torch.tensor(0)))
    assert_close(rows[1], logits[1].logsumexp(0) - 0.9 * 1.0 - 0.1 * 3.0)


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_a_masked_label_costs_inf_and_its_gradient_is_finite(loss, epsilon):
    logits = torch.tensor([[1.0, -INF, 0.5]], dtype=torch.float64)
    value, gradient = value_and_gradient(loss, logits, SoftTarget(torch.tensor([1]), epsilon))
    assert value.item() == INF
    assert gradient.isfinite().all()


def test_nan_logits_make_the_loss_nan(loss):
    logits = draw(3, 4)
    logits[1, 2] = math.nan
    value, gradient = value_and_gradient(loss, logits, SoftTarget(torch.tensor([0, 1, 2]), 0.1))
    assert value.isnan()
    assert gradient[[0, 2]].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_half_precision_logits_give_a_float32_loss(loss, dtype, reduction):
    """The loss is that of the rounded logits to float32; the gradient is rounded once, at the end."""
    logits, y = draw(20, 300).to(dtype), torch.arange(20) * 7
    value, gradient = value_and_gradient(loss, logits, SoftTarget(y, 0.1), reduction=reduction)
    wide = logits.double().requires_grad_()
    expected = F.cross_entropy(wide, y, label_smoothing=0.1, reduction=reduction)
    expected.sum().backward()
    assert value.dtype is torch.float32
    assert gradient.dtype is dtype
    assert_close(value.double(), expected.detach(), rtol=1e-5, atol=1e-5)
    resolution = torch.finfo(dtype).eps
    assert_close(
        gradient.double(), wide.grad, rtol=2 * resolution, atol=2 * torch.finfo(dtype).smallest_normal * resolution
    )


def test_half_precision_sums_over_many_classes_stay_finite(loss):
    """torch sums 50,000 log-probabilities in float16, and overflows."""
    logits, y = draw(2, 50_000, scale=1.0).half(), torch.tensor([3, 49_999])
    value = loss(logits, SoftTarget(y, 0.1))
    assert_close(value.double(), F.cross_entropy(logits.double(), y, label_smoothing=0.1), rtol=1e-5, atol=1e-5)
    assert F.cross_entropy(logits, y, label_smoothing=0.1).isinf()


def test_a_loss_scaler_reaches_float16_gradients_before_they_round_to_zero(loss):
    """p / N is below what float16 holds for many entries; p itself, and p / N scaled, are not."""
    n, k = 256, 4000
    parameter = draw(n, k, scale=2.0).half().float().requires_grad_()
    y = torch.arange(n)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scaler.scale(loss(parameter.half(), SoftTarget(y))).backward()
    scaler.unscale_(optimizer)
    gradient = parameter.grad.double()
    wide = parameter.detach().double().requires_grad_()
    F.cross_entropy(wide, y).backward()
    assert (wide.grad.half() == 0).double().mean() > 0.2  # what a gradient of the mean would have lost
    assert (gradient == 0).double().mean() < 0.01
    assert_close(gradient, wide.grad, rtol=2e-3, atol=torch.finfo(torch.float16).smallest_normal * 2.0**-10 / n)
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**16  # no step was skipped


@pytest.mark.parametrize("prior", ["uniform", "vector", "matrix"])
@pytest.mark.parametrize("base", ["labels", "votes"])
def test_autocast_changes_nothing_in_the_loss(loss, base, prior):
    logits = draw(6, 5).float()
    target = SoftTarget(
        torch.tensor([0, 1, 2, 4, 1, 0]) if base == "labels" else distributions(6, 5), 0.1, PRIORS[prior]
    )
    expected = value_and_gradient(loss, logits, target)
    with torch.autocast("cpu", torch.bfloat16):
        value, gradient = value_and_gradient(loss, logits, target)
    assert value.dtype is torch.float32
    assert_close(value, expected[0], rtol=1e-6, atol=0)
    assert_close(gradient, expected[1], rtol=1e-6, atol=1e-8)


def test_under_autocast_a_linear_layer_gives_bfloat16_logits_and_a_float32_loss(loss):
    net, x = torch.nn.Linear(8, 5), draw(6, 8).float()
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(x)
        value = loss(logits, SoftTarget(torch.tensor([0, 1, 2, 4, 1, 0]), 0.1))
    value.backward()
    assert logits.dtype is torch.bfloat16
    assert value.dtype is torch.float32
    assert net.weight.grad.isfinite().all()


def test_factors_of_a_wider_type_than_the_logits(loss):
    logits, y = draw(6, 5).float(), torch.tensor([0, 1, 2, 4, 1, 0])
    epsilon = torch.linspace(0.1, 0.9, 6, dtype=torch.float64)
    for factor in PRIORS.values():  # all float64
        for base in (y, distributions(6, 5)):
            value, _ = value_and_gradient(loss, logits, SoftTarget(base, epsilon, factor))
            wide, _ = value_and_gradient(loss, logits.double(), SoftTarget(base, epsilon, factor))
            assert_close(value.double(), wide, rtol=1e-6, atol=1e-6)
