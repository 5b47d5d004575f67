"""LogitNorm against the published numbers, and where its gradient explodes."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget, soft_cross_entropy
from smoothlab.losses import Focal, LogitNorm, normalized_logits

EXACT = {"rtol": 1e-8, "atol": 1e-12}


def number(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def test_published_numbers(vectors):
    for case in vectors("logit_norm")["cases"]:
        logits, labels = number(case["inputs"]["logits"], requires_grad=True), torch.tensor(case["inputs"]["target"])
        value = LogitNorm(case["params"]["t"])(logits, SoftTarget(labels)).mean()
        value.backward()
        assert_close(value, number(case["loss"]), **EXACT)
        assert_close(logits.grad, number(case["grad_logits"]), **EXACT)


def test_the_original_explodes_at_logits_of_zero_and_we_do_not():
    """There 1 / (|z| + 1e-7) is 1e7; a net whose last layer begins with zeros would take that step."""
    logits = torch.zeros(1, 4, requires_grad=True)
    rows = LogitNorm(0.04)(logits, SoftTarget(torch.tensor([1])))
    rows.sum().backward()
    assert rows.item() == pytest.approx(math.log(4))
    assert_close(logits.grad, torch.tensor([[0.25, -0.75, 0.25, 0.25]]) * 100 / 0.04)


def test_the_length_does_not_matter():
    logits, target = number([[2.0, -1.0, 0.5]]), SoftTarget(torch.tensor([1]), 0.1)
    assert_close(LogitNorm(0.1)(1000 * logits, target), LogitNorm(0.1)(logits, target), rtol=1e-6, atol=0)
    assert_close(normalized_logits(logits, 0.1).norm(dim=-1), number([10.0]), rtol=1e-6, atol=0)


def test_a_masked_class_takes_no_part_in_the_length():
    logits = number([[3.0, -math.inf, 4.0]])
    assert_close(normalized_logits(logits, 0.5), number([[1.2, -math.inf, 1.6]]), rtol=1e-6, atol=0)


def test_any_loss_can_take_normalized_logits():
    logits, target = number([[2.0, -1.0, 0.5]]), SoftTarget(torch.tensor([1]), 0.1)
    of_normalized = normalized_logits(logits, 0.2)
    assert_close(LogitNorm(0.2)(logits, target), soft_cross_entropy(of_normalized, target, reduction="none"))
    assert Focal(2.0)(of_normalized, target).isfinite().all()


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan, "low", True])
def test_a_temperature_out_of_range_is_an_error(temperature):
    with pytest.raises(InvalidArgument, match="temperature"):
        LogitNorm(temperature)
