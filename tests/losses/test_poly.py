"""Poly-1 against the published numbers and by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget, soft_cross_entropy
from smoothlab.losses import Poly1

EXACT = {"rtol": 1e-8, "atol": 1e-12}


def number(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def test_published_numbers(vectors):
    for case in vectors("poly1")["cases"]:
        logits, labels = number(case["inputs"]["logits"], requires_grad=True), torch.tensor(case["inputs"]["target"])
        value = Poly1(case["params"]["epsilon"])(logits, SoftTarget(labels)).mean()
        value.backward()
        assert_close(value, number(case["loss"]), **EXACT)
        assert_close(logits.grad, number(case["grad_logits"]), **EXACT)


def test_with_soft_targets_each_class_is_weighed_by_its_mass():
    p, q = number([0.5, 0.3, 0.2]), number([[0.6, 0.3, 0.1]])
    rows = Poly1(2.0)(p.log().unsqueeze(0), SoftTarget(q))
    assert_close(rows, -(q * p.log()).sum(-1) + 2 * (q * (1 - p)).sum(-1))


def test_coefficient_zero_is_the_cross_entropy():
    logits, target = number([[2.0, -1.0, 0.5]]), SoftTarget(torch.tensor([1]), 0.1)
    assert_close(Poly1(0.0)(logits, target), soft_cross_entropy(logits, target, reduction="none"))


@pytest.mark.parametrize("coefficient", [-1.01, math.inf, math.nan, "one", False])
def test_a_coefficient_out_of_range_is_an_error(coefficient):
    with pytest.raises(InvalidArgument, match="coefficient"):
        Poly1(coefficient)
