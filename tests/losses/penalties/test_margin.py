"""The margin penalty against the published numbers, and the ignored rows that the original counts."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget
from smoothlab.losses.penalties import MarginPenalty, MaxSup


def penalty_of(case):
    return MarginPenalty(case["params"]["alpha"], case["params"]["margin"])


def cases_of(vectors, edge):
    cases = [case for case in vectors("mbls")["cases"] if case.get("edge", "none").startswith(edge)]
    assert cases
    return cases


def test_by_hand():
    logits = torch.tensor([[5.0, 3.0, -1.0]], dtype=torch.float64)  # distances 0, 2, 6
    rows = MarginPenalty(0.5, margin=1.0)(logits, SoftTarget(torch.tensor([2])))
    assert_close(rows, torch.tensor([0.5 * (0 + 1 + 5) / 3], dtype=torch.float64))


def test_published_numbers(vectors, agree):
    for case in cases_of(vectors, "none"):
        agree(case, penalty_of(case))


def test_ignored_rows_are_left_out(vectors, agree):
    for case in cases_of(vectors, "ignore_index=255"):
        agree(case, penalty_of(case), ignore_index=255)


def test_the_original_counts_rows_ignored_by_minus_100_and_we_do_not(vectors, with_cross_entropy):
    for case in cases_of(vectors, "ignore_index=-100"):
        logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64)
        labels = torch.tensor(case["inputs"]["target"])
        rows = penalty_of(case)(logits, SoftTarget(labels.clamp_min(0)))  # all of them, since it sees no label
        alpha, counted = case["params"]["alpha"], labels != -100
        assert_close(rows.mean().item(), alpha * case["reg"], rtol=1e-8, atol=0)  # theirs
        loss, _ = with_cross_entropy(case, penalty_of(case))
        assert_close(loss.item(), case["loss_ce"] + rows[counted].mean().item(), rtol=1e-8, atol=0)
        assert loss.item() != pytest.approx(case["loss"], rel=1e-6)


def test_the_original_fails_where_one_row_is_left_and_we_do_not(vectors):
    (case,) = cases_of(vectors, "exactly one")
    assert "IndexError" in case["error"]
    labels = torch.tensor(case["inputs"]["target"])
    logits = torch.tensor([[1.0, 0.0], [0.0, 12.0]])
    rows = MarginPenalty()(logits, SoftTarget(labels.masked_fill(labels == case["params"]["ignore_index"], -100)))
    assert_close(rows, torch.tensor([0.0, 0.1 * 2 / 2]))


def test_within_the_margin_there_is_neither_loss_nor_gradient():
    logits = torch.tensor([[4.0, -5.9, 0.0]], requires_grad=True)
    rows = MarginPenalty(1.0, margin=10.0)(logits, SoftTarget(torch.tensor([1])))
    rows.sum().backward()
    assert rows.item() == 0
    assert not logits.grad.any()


def test_without_margin_it_is_maxsup():
    logits = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = SoftTarget(torch.zeros(5, dtype=torch.long))
    assert_close(MarginPenalty(0.3, 0.0)(logits, target), MaxSup(0.3)(logits, target))


@pytest.mark.parametrize("setting", [{"margin": -1.0}, {"margin": math.inf}, {"weight": -1.0}, {"weight": "x"}])
def test_a_setting_out_of_range_is_an_error(setting):
    with pytest.raises(InvalidArgument, match=next(iter(setting))):
        MarginPenalty(**setting)
