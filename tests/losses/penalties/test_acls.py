"""ACLS against the published numbers; a tie, and ignored rows, that the original counts twice or at all."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget
from smoothlab.losses.penalties import ACLS


def penalty_of(case, **changes):
    params = case["params"]
    return ACLS(params["alpha"], params["margin"], params["pos_lambda"], params["neg_lambda"], **changes)


def cases_of(vectors, edge):
    cases = [case for case in vectors("acls")["cases"] if case.get("edge", "none").startswith(edge)]
    assert cases
    return cases


@pytest.mark.parametrize(("origin", "above"), [("zero", 4.0), ("lowest", 5.0)])
def test_by_hand(origin, above):
    logits = torch.tensor([[5.0, 3.0, -1.0]], dtype=torch.float64)
    rows = ACLS(0.5, margin=1.0, predicted_weight=2.0, other_weight=3.0, origin=origin)(
        logits, SoftTarget(torch.tensor([2]))
    )
    below = (1.0**2 + 5.0**2) / 2
    assert_close(rows, torch.tensor([0.5 * (2 * above**2 + 3 * below)], dtype=torch.float64))


def test_published_numbers(vectors, agree):
    for case in cases_of(vectors, "none"):
        agree(case, penalty_of(case))


def test_the_original_counts_a_tie_twice_and_we_do_not(vectors, with_cross_entropy):
    (case,) = cases_of(vectors, "tie")
    logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64)
    loss, gradient = with_cross_entropy(case, penalty_of(case))
    above = case["params"]["alpha"] * case["params"]["pos_lambda"] * (12 - case["params"]["margin"]) ** 2
    assert_close(case["loss"] - loss.item(), above, rtol=1e-8, atol=0)
    once = torch.tensor(case["grad_logits"], dtype=torch.float64) - gradient
    assert_close(once, torch.tensor([[0.4, 0, 0]], dtype=torch.float64), rtol=1e-8, atol=1e-12)
    # a tie is the limit of what is nearly one
    nearly = logits + torch.tensor([[1e-9, 0, 0]], dtype=torch.float64)
    rows = [penalty_of(case)(z, SoftTarget(torch.tensor([0]))) for z in (logits, nearly)]
    assert_close(*rows, rtol=1e-6, atol=1e-6)


def test_the_original_counts_ignored_rows_and_we_do_not(vectors, with_cross_entropy):
    for case in cases_of(vectors, "ignore -100"):
        logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64)
        labels = torch.tensor(case["inputs"]["target"])
        rows = penalty_of(case)(logits, SoftTarget(labels.clamp_min(0)))  # all of them, since it sees no label
        assert_close(rows.mean().item(), case["params"]["alpha"] * case["reg"], rtol=1e-8, atol=0)  # theirs
        loss, _ = with_cross_entropy(case, penalty_of(case))
        assert_close(loss.item(), case["loss_ce"] + rows[labels != -100].mean().item(), rtol=1e-8, atol=0)
        assert loss.item() != pytest.approx(case["loss"], rel=1e-6)


def test_gradient_of_the_predicted_class_against_differences():
    logits = torch.tensor([[3.0, 1.0, -2.0], [0.5, -2.0, 1.0]], dtype=torch.float64, requires_grad=True)
    penalty = ACLS(0.3, margin=0.5, other_weight=0.0)
    assert torch.autograd.gradcheck(lambda z: penalty(z, SoftTarget(torch.tensor([0, 1]))), (logits,))


def test_no_gradient_flows_from_the_lowest_logit_as_an_origin():
    logits = torch.tensor([[3.0, -2.0]], requires_grad=True)
    ACLS(1.0, margin=1.0, other_weight=0.0, origin="lowest")(logits, SoftTarget(torch.tensor([0]))).sum().backward()
    assert_close(logits.grad, torch.tensor([[8.0, 0.0]]))


def test_no_gradient_flows_into_the_largest_logit_from_the_others():
    logits = torch.tensor([[20.0, 0.0]], requires_grad=True)
    ACLS(1.0, margin=1.0, predicted_weight=0.0, other_weight=1.0)(
        logits, SoftTarget(torch.tensor([0]))
    ).sum().backward()
    assert_close(logits.grad, torch.tensor([[0.0, -38.0]]))


@pytest.mark.parametrize(
    "setting",
    [{"weight": -1}, {"margin": -1}, {"predicted_weight": -1}, {"other_weight": float("inf")}, {"origin": "mean"}],
)
def test_a_setting_out_of_range_is_an_error(setting):
    with pytest.raises(InvalidArgument, match=next(iter(setting))):
        ACLS(**setting)
