"""Strength by uncertainty: its measures by hand, at their ends, and under masks and odd numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother, soft_cross_entropy
from smoothlab.smoothing import Step, Uncertainty, Uniform
from smoothlab.smoothing.strengths.uncertainty import CHUNK, MEASURES, uncertainty

INF = math.inf


def test_measures_are_what_a_hand_computes():
    p = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    entropy = -(0.7 * math.log(0.7) + 0.2 * math.log(0.2) + 0.1 * math.log(0.1))
    assert uncertainty(p.log(), "entropy").item() == pytest.approx(entropy / math.log(3))
    assert uncertainty(p.log(), "max_probability").item() == pytest.approx(0.3 * 3 / 2)
    assert uncertainty(p.log(), "margin").item() == pytest.approx(1 - 0.5)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_it_is_low_for_a_certain_model_and_high_for_a_clueless_one(measure, dtype):
    logits = torch.tensor([[500.0, 0, 0, 0], [2, 2, 2, 2]], dtype=dtype)
    epsilon = Uncertainty(measure, low=0.05, high=0.3)(Step(torch.tensor([0, 1]), logits))
    assert epsilon.dtype is (torch.float64 if dtype is torch.float64 else torch.float32)
    assert epsilon.tolist() == pytest.approx([0.05, 0.3], abs=1e-6)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_masked_class_is_no_class(measure):
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    masked = torch.cat([logits, torch.full((5, 2), -INF)], 1)
    assert_close(uncertainty(masked, measure), uncertainty(logits, measure))
    assert uncertainty(torch.tensor([[0.0, -INF, -INF]]), measure).item() == 0.0
    assert uncertainty(torch.zeros(2, 1), measure).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("measure", MEASURES)
def test_low_may_exceed_high_and_rows_of_nan_get_low(measure):
    strength = Uncertainty(measure, low=0.4, high=0.0)
    logits = torch.tensor([[500.0, 0], [1, 1], [math.nan, 0]])
    assert strength(Step(torch.zeros(3).long(), logits)).tolist() == pytest.approx([0.4, 0.0, 0.4], abs=1e-6)


def test_no_gradient_flows_through_epsilon():
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    labels = torch.tensor([0, 1, 2, 0])
    target = Smoother(Uncertainty("entropy", 0.0, 0.3), Uniform())(labels, logits=logits)
    soft_cross_entropy(logits, target).backward()
    assert_close(logits.grad, (logits.softmax(1) - target.dense(3)).detach() / 4)


def test_it_works_on_any_leading_shape():
    logits = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    assert Uncertainty("margin", 0.0, 0.2)(Step(torch.zeros(2, 5).long(), logits)).shape == (2, 5)


def test_it_asks_for_logits():
    with pytest.raises(InvalidArgument, match="logits = None: expected the model's output"):
        Uncertainty("entropy", 0.0, 0.1)(Step(torch.tensor([0])))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("variance", 0.0, 0.1), "measure = 'variance': expected one of entropy, max_probability, margin"),
        (("entropy", -0.1, 0.1), r"low = -0.1: expected a number in \[0, 1\)"),
        (("entropy", 0.0, 1.0), r"high = 1.0: expected a number in \[0, 1\)"),
    ],
)
def test_arguments_outside_their_range_are_refused(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        Uncertainty(*arguments)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("rows", [1, 150])
def test_small_and_large_batches_have_the_formulas_result(measure, masked, rows):
    logits = torch.randn(2, rows, 1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4
    assert (logits.numel() > CHUNK) == (rows == 150)
    if masked:
        logits[..., 600:] = -INF
    p = logits.softmax(-1)
    classes = 600 if masked else 1000
    two = p.sort(-1, descending=True).values
    expected = {
        "entropy": -(p * p.clamp_min(1e-300).log()).sum(-1) / math.log(classes),
        "max_probability": (1 - two[..., 0]) * classes / (classes - 1),
        "margin": 1 - (two[..., 0] - two[..., 1]),
    }
    assert_close(uncertainty(logits, measure), expected[measure])


@pytest.mark.parametrize("measure", MEASURES)
def test_a_large_batch_of_far_shifted_float32_logits_keeps_its_digits(measure):
    logits = torch.randn(300, 1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4
    assert logits.numel() > CHUNK
    shifted = (logits.float() + 4096.0).double()  # what float32 holds of them
    assert_close(uncertainty(shifted.float(), measure).double(), uncertainty(shifted, measure), rtol=1e-4, atol=1e-5)


def test_two_equal_largest_classes_have_no_margin_in_a_large_batch():
    logits = torch.zeros(300, 1000)
    logits[:, 17] = logits[:, 901] = 20.0
    assert_close(uncertainty(logits, "margin"), torch.ones(300))
