"""CPC against the published numbers and a plain sum over pairs, and what it holds in memory."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget
from smoothlab.losses.penalties import CPC, cpc


def draw(*shape, seed=0, scale=4.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def by_pairs(logits, q, label_weight, other_weight):
    """The definition for each label, weighed by the target."""
    values = []
    for z, mass in zip(logits.tolist(), q.tolist(), strict=True):
        value, classes = 0.0, range(len(z))
        for y, share in enumerate(mass):
            others = [k for k in classes if k != y]
            first = sum(math.log1p(math.exp(z[k] - z[y])) for k in others)
            second = sum(math.log1p(math.exp(z[k] - z[j])) for j in others for k in others)
            value += share * label_weight * first / max(len(others), 1)
            if len(others) > 1:
                value += share * other_weight * second / 2 / (len(others) * (len(others) - 1))
        values.append(value)
    return torch.tensor(values, dtype=torch.float64)


def test_published_numbers(vectors, agree):
    cases = vectors("cpc")["cases"]
    assert cases
    for case in cases:
        agree(case, CPC(case["params"]["lambd_bdc"], case["params"]["lambd_bec"]))


def test_published_terms(vectors):
    for case in vectors("cpc")["cases"]:
        logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64)
        target = SoftTarget(torch.tensor(case["inputs"]["target"]))
        assert CPC(1, 0)(logits, target).mean().item() == pytest.approx(case["bdc"], rel=1e-8)
        assert CPC(0, 1)(logits, target).mean().item() == pytest.approx(case["bec"], rel=1e-8)


@pytest.mark.parametrize("classes", [1, 2, 3, 7])
def test_a_soft_target_has_the_expected_penalty_of_its_classes(classes):
    logits, q = draw(5, classes), draw(5, classes, seed=1).softmax(-1)
    assert_close(CPC(0.7, 0.3)(logits, SoftTarget(q)), by_pairs(logits, q, 0.7, 0.3))
    smoothed = SoftTarget(torch.arange(5) % classes, 0.2, "exclusive")
    dense = smoothed.dense(classes, dtype=torch.float64)
    assert_close(CPC(0.7, 0.3)(logits, smoothed), by_pairs(logits, dense, 0.7, 0.3))


def test_of_two_classes_there_are_no_others_where_the_original_divides_by_zero():
    logits = draw(5, 2)
    target = SoftTarget(torch.arange(5) % 2)
    assert not CPC(0.0, 1.0)(logits, target).any()
    rows = CPC(1.0, 1.0)(logits, target)
    assert_close(rows, torch.nn.functional.cross_entropy(logits, target.base, reduction="none"))


@pytest.mark.parametrize("at_once", [1, 7, 40, 10**6])
def test_the_parts_in_which_pairs_are_made_change_nothing(monkeypatch, at_once):
    logits, target = draw(5, 6).requires_grad_(), SoftTarget(torch.arange(5), 0.1)
    whole = CPC()(logits, target)
    (gradient,) = torch.autograd.grad(whole.sum(), logits)
    monkeypatch.setattr(cpc, "PAIRS_AT_ONCE", at_once)
    parts = CPC()(logits, target)
    assert_close(parts, whole)
    assert_close(torch.autograd.grad(parts.sum(), logits)[0], gradient)


def test_what_is_kept_for_the_gradient_does_not_grow_with_the_pairs():
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: saved.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        CPC()(draw(4, 300).requires_grad_(), SoftTarget(torch.arange(4)))
    assert max(saved) == 4 * 300


def test_a_masked_label_has_no_penalty():
    logits = torch.tensor([[1.0, -math.inf, 0.5, 0.0]], requires_grad=True)
    rows = CPC()(logits, SoftTarget(torch.tensor([1])))
    rows.sum().backward()
    assert rows.item() == 0
    assert not logits.grad.any()


def test_extreme_logits_stay_finite():
    logits = torch.tensor([[1e4, -1e4, 0.0, 3.0]], requires_grad=True)
    rows = CPC()(logits, SoftTarget(torch.tensor([1])))
    rows.sum().backward()
    between = 1e4 + 9997 + 2 * math.log1p(math.exp(-3)) + 3 + 3 * math.log(2)  # the classes 0, 2 and 3
    assert_close(rows, torch.tensor([(2e4 + 1e4 + 10003) / 3 + between / 12]))
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("name", ["label_weight", "other_weight"])
@pytest.mark.parametrize("value", [-1.0, math.nan, "x", None])
def test_a_weight_out_of_range_is_an_error(name, value):
    with pytest.raises(InvalidArgument, match=name):
        CPC(**{name: value})
