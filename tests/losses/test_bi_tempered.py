"""The bi-tempered loss against the published numbers, its formulas, and differences of itself."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget, soft_cross_entropy
from smoothlab.losses import BiTempered
from smoothlab.losses.bi_tempered import tempered_log_softmax

EXACT = {"rtol": 1e-8, "atol": 1e-12}
TEMPERATURES = [(1.0, 1.0), (0.8, 1.2), (0.5, 4.0), (0.2, 1.0), (1.0, 1.5), (0.3, 0.6), (0.5, 0.5), (1.3, 1.4)]


def draw(*shape, seed=0, scale=3.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def softmax(logits, t, iterations=200):
    return tempered_log_softmax(logits, logits == -math.inf, t, iterations).exp()


def test_published_numbers(vectors):
    cases = vectors("bi_tempered")["cases"]
    assert cases
    for case in cases:
        params = case["params"]
        logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64, requires_grad=True)
        target = SoftTarget(torch.tensor(case["inputs"]["target"]), params["label_smoothing"], "exclusive")
        q = torch.tensor(case["targets"], dtype=torch.float64)
        assert_close(target.dense(q.shape[1], dtype=torch.float64), q)
        rows = BiTempered(params["t1"], params["t2"], params["num_iters"])(logits, target)
        rows.sum().backward()
        assert_close(rows.detach(), torch.tensor(case["loss"], dtype=torch.float64), **EXACT)
        assert_close(logits.grad, torch.tensor(case["grad_logits"], dtype=torch.float64), **EXACT)


def test_with_both_temperatures_1_it_is_the_divergence_and_not_the_cross_entropy():
    logits, target = draw(4, 5), SoftTarget(torch.arange(4), 0.2)
    cross_entropy = soft_cross_entropy(logits, target, reduction="none")
    assert_close(BiTempered(1, 1)(logits, target), cross_entropy - target.entropy(5))


@pytest.mark.parametrize("t", [0.3, 0.7, 0.999999, 1.0, 1.000001, 1.2, 2.0, 4.0])
def test_the_tempered_softmax_is_a_distribution_by_its_formula(t):
    logits = draw(6, 5)
    p = softmax(logits, t)
    assert_close(p.sum(-1), torch.ones(6, dtype=torch.float64))
    if t == 1:
        return
    # p = exp_t(z - l): log_t of p is z up to one constant a row, where p is not 0
    level = logits - (p ** (1 - t) - 1) / (1 - t)
    spread = torch.where(p > 0, level, level.gather(1, p.argmax(1, keepdim=True))) - level.gather(1, p.argmax(1, True))
    assert_close(spread, torch.zeros_like(spread), atol=1e-6, rtol=0)


@pytest.mark.parametrize("t", [0.999999, 1.000001])
def test_near_temperature_1_nothing_is_lost_even_in_float32(t):
    logits, target = draw(4, 5).float(), SoftTarget(torch.arange(4), 0.1)
    assert_close(BiTempered(t, t)(logits, target), BiTempered(1, 1)(logits, target), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("t1", "t2"), TEMPERATURES)
def test_the_loss_is_0_where_the_prediction_is_the_target_and_above_elsewhere(t1, t2):
    loss, logits = BiTempered(t1, t2, 300), draw(6, 5, scale=1.0)
    p = softmax(logits, t2)
    assert_close(loss(logits, SoftTarget(p)), torch.zeros(6, dtype=torch.float64), atol=1e-8, rtol=0)
    assert (loss(logits, SoftTarget(draw(6, 5, seed=1, scale=1.0).softmax(-1))) > 0).all()


@pytest.mark.parametrize(("t1", "t2"), TEMPERATURES)
def test_the_formula_written_out(t1, t2):
    logits, target = draw(5, 4, scale=0.7), SoftTarget(torch.arange(5) % 4, 0.3)
    p, q = softmax(logits, t2), target.dense(4, dtype=torch.float64)

    def log_t(x):
        return x.log() if t1 == 1 else (x ** (1 - t1) - 1) / (1 - t1)

    expected = (q * (log_t(q) - log_t(p)) - (q ** (2 - t1) - p ** (2 - t1)) / (2 - t1)).sum(-1)
    assert_close(BiTempered(t1, t2, 200)(logits, target), expected, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize(("t1", "t2"), TEMPERATURES)
def test_gradient_against_differences(t1, t2):
    loss = BiTempered(t1, t2, 300)
    logits = draw(4, 5, scale=0.3).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, SoftTarget(torch.arange(4), 0.2)), (logits,))


def test_the_loss_of_a_mistaken_label_is_bounded():
    logits = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    rows = BiTempered(0.8, 1.2)(logits, SoftTarget(torch.tensor([1])))
    rows.sum().backward()
    assert rows.item() < 1 / 0.2
    assert logits.grad.isfinite().all()
    assert soft_cross_entropy(logits, SoftTarget(torch.tensor([1]))).item() == 2e4


def test_many_classes_below_temperature_1():
    p = softmax(draw(3, 20000, scale=0.01), 0.9)
    assert_close(p.sum(-1), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize(
    "setting",
    [{"t1": 2.0}, {"t1": -0.1}, {"t1": math.nan}, {"t2": 0.0}, {"t2": "4"}, {"iterations": 0}, {"iterations": 2.5}],
)
def test_a_setting_out_of_range_is_an_error(setting):
    with pytest.raises(InvalidArgument, match=next(iter(setting))):
        BiTempered(**setting)
