"""The confidence penalty in the authors' form, and how two implementations of others differ from it."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget, soft_cross_entropy
from smoothlab.losses.penalties import ConfidencePenalty


def cases_of(vectors, name):
    cases = [case for case in vectors("confidence_penalty")["cases"] if name in case["cls"]]
    assert cases
    return cases


def test_it_is_the_negative_entropy_in_nats():
    p = torch.tensor([[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]], dtype=torch.float64)
    rows = ConfidencePenalty(0.2)(p.log(), SoftTarget(torch.tensor([0, 1])))
    assert_close(rows, -0.2 * torch.tensor([1.5 * math.log(2), math.log(3)], dtype=torch.float64))


def test_mbls_averages_over_classes_so_its_alpha_is_ours_times_the_classes(vectors, agree):
    for case in cases_of(vectors, "MbLS"):
        num_classes = len(case["inputs"]["logits"][0])
        agree(case, ConfidencePenalty(case["params"]["alpha"] / num_classes))


def test_torch_uncertainty_adds_a_constant_and_bends_the_logarithm(vectors, with_cross_entropy):
    for case in cases_of(vectors, "torch-uncertainty"):
        weight, num_classes = case["params"]["reg_weight"], len(case["inputs"]["logits"][0])
        loss, gradient = with_cross_entropy(case, ConfidencePenalty(weight))
        theirs = case["loss"] - weight * math.log(num_classes)
        assert theirs == pytest.approx(loss.item(), abs=weight * num_classes * 1e-6)  # p log(p + 1e-6)
        assert theirs != pytest.approx(loss.item(), rel=1e-9)
        assert_close(gradient, torch.tensor(case["grad_logits"], dtype=torch.float64), rtol=0, atol=1e-5)


def test_it_is_smoothing_with_the_divergence_turned_round():
    """CE + weight KL(p || uniform) is CE - weight H(p) + weight log K."""
    logits = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    p = logits.softmax(-1)
    divergence = (p * (p * 4).log()).sum(-1)
    rows = ConfidencePenalty(0.3)(logits, SoftTarget(torch.arange(6) % 4))
    assert_close(rows, 0.3 * (divergence - math.log(4)))


def test_weight_zero_leaves_the_loss_as_it_is(vectors, with_cross_entropy):
    case = cases_of(vectors, "MbLS")[0]
    loss, _ = with_cross_entropy(case, ConfidencePenalty(0.0))
    logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64)
    assert_close(loss, soft_cross_entropy(logits, SoftTarget(torch.tensor(case["inputs"]["target"]))))


@pytest.mark.parametrize("weight", [-0.1, math.inf, math.nan, "much", None, True])
def test_a_weight_that_is_no_weight_is_an_error(weight):
    with pytest.raises(InvalidArgument, match="weight"):
        ConfidencePenalty(weight)
