"""The focal family against the published numbers, and where its gradient was nan."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget, soft_cross_entropy
from smoothlab.losses import DualFocal, Focal, SampleDependentFocal

EXACT = {"rtol": 1e-8, "atol": 1e-12}


def number(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def cases_of(vectors, name):
    cases = [case for case in vectors("focal_family")["cases"] if case["cls"] == name]
    assert cases
    return cases


def agree(case, loss, weight=1.0):
    logits, labels = number(case["inputs"]["logits"], requires_grad=True), torch.tensor(case["inputs"]["target"])
    value = (weight * loss(logits, SoftTarget(labels))).mean()
    value.backward()
    assert_close(value, number(case["loss"]), **EXACT)
    assert_close(logits.grad, number(case["grad_logits"]), **EXACT)


def test_focal_published_numbers(vectors):
    for case in cases_of(vectors, "torrvision FocalLoss"):
        agree(case, Focal(case["params"]["gamma"]))


def test_focal_published_numbers_with_class_weights_divided_by_the_rows(vectors):
    for case in cases_of(vectors, "torch-uncertainty FocalLoss"):
        alpha = number(case["inputs"]["alpha"])
        agree(case, Focal(case["params"]["gamma"]), weight=alpha[torch.tensor(case["inputs"]["target"])])


def test_flsd_53_published_numbers(vectors):
    for case in cases_of(vectors, "FocalLossAdaptive (FLSD-53)"):
        agree(case, SampleDependentFocal(gamma=case["params"]["gamma"]))


def test_dual_focal_published_numbers(vectors):
    for case in cases_of(vectors, "DualFocalLoss"):
        agree(case, DualFocal(case["params"]["gamma"]))


def logits_of(*p):
    return number(p).log().unsqueeze(0)


FIRST = SoftTarget(torch.tensor([0]))


def test_flsd_53_has_gamma_5_below_one_fifth_and_3_from_there_on():
    low, high = logits_of(0.19, 0.81), logits_of(0.25, 0.75)
    assert_close(SampleDependentFocal()(low, FIRST), number([-(0.81**5) * math.log(0.19)]))
    assert_close(SampleDependentFocal()(high, FIRST), number([-(0.75**3) * math.log(0.25)]))


def test_the_original_s_own_gamma_counts_from_one_half_on_only():
    middle, high = logits_of(0.4, 0.6), logits_of(0.5, 0.5)
    assert_close(SampleDependentFocal(1.0)(middle, FIRST), number([-(0.6**3) * math.log(0.4)]))
    assert_close(SampleDependentFocal(1.0)(high, FIRST), number([-0.5 * math.log(0.5)]))


@pytest.mark.parametrize(
    ("p", "below"),
    [((0.5, 0.3, 0.2), 0.3), ((0.3, 0.5, 0.2), 0.2), ((0.2, 0.5, 0.3), 0.0), ((0.4, 0.4, 0.2), 0.2)],
    ids=["largest", "middle", "smallest", "tied"],
)
def test_dual_focal_looks_at_the_next_probability_strictly_below(p, below):
    rows = DualFocal(2.0)(logits_of(*p), FIRST)
    assert_close(rows, number([-((1 - p[0] + below) ** 2) * math.log(p[0])]))


def test_dual_focal_against_a_search_through_all_classes():
    logits = torch.randn(7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    target = SoftTarget(torch.arange(7) % 6, 0.3)
    p, q = logits.softmax(-1), target.dense(6, dtype=torch.float64)
    for row, row_p, row_q in zip(DualFocal(3.0)(logits, target), p.tolist(), q.tolist(), strict=True):
        terms = (
            -weight * (1 - value + max((other for other in row_p if other < value), default=0.0)) ** 3 * math.log(value)
            for value, weight in zip(row_p, row_q, strict=True)
        )
        assert row.item() == pytest.approx(sum(terms), rel=1e-10)


def test_dual_focal_of_plain_labels_is_that_of_their_one_hot_form():
    """The first needs one maximum a row, the second sorts it."""
    labels = torch.arange(9) % 6
    logits = torch.randn(9, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).round(decimals=1)
    logits[2, 4] = -math.inf
    gradients, values = [], []
    for base in (labels, F.one_hot(labels, 6).double()):
        z = logits.clone().requires_grad_()
        rows = DualFocal(3.0)(z, SoftTarget(base))
        rows.sum().backward()
        values.append(rows.detach())
        gradients.append(z.grad)
    assert_close(*values)
    assert_close(*gradients)


def test_a_soft_target_weighs_each_class_by_its_own_probability():
    p, q = number([0.5, 0.3, 0.2]), number([[0.6, 0.3, 0.1]])
    rows = Focal(2.0)(p.log().unsqueeze(0), SoftTarget(q))
    assert_close(rows, -(q * (1 - p) ** 2 * p.log()).sum(-1))


@pytest.mark.parametrize("loss", [Focal(0.0), DualFocal(0.0), SampleDependentFocal(0.0, 0.0, 0.0)])
def test_gamma_zero_is_the_cross_entropy(loss):
    logits = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 5
    target = SoftTarget(torch.arange(5) % 4, 0.2)
    assert_close(loss(logits, target), soft_cross_entropy(logits, target, reduction="none"))


@pytest.mark.parametrize("kind", [Focal, DualFocal])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_a_certain_and_right_prediction_has_no_loss_and_no_gradient(kind, gamma):
    """The plain formula has the gradient 0 * inf for a gamma below 1."""
    logits = torch.tensor([[200.0, 0.0, -3.0]], requires_grad=True)
    rows = kind(gamma)(logits, FIRST)
    rows.sum().backward()
    assert rows.item() == 0
    assert not logits.grad.any()
    if gamma == 0.5:
        plain = logits.detach().requires_grad_()
        log_p = F.log_softmax(plain, -1)[:, 0]
        (-((1 - log_p.exp()) ** gamma) * log_p).sum().backward()
        assert plain.grad.isnan().any()


@pytest.mark.parametrize("kind", [Focal, DualFocal, SampleDependentFocal])
@pytest.mark.parametrize("gamma", [-1.0, math.inf, math.nan, "2", True])
def test_a_gamma_out_of_range_is_an_error(kind, gamma):
    with pytest.raises(InvalidArgument, match="gamma"):
        kind(gamma)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan, "low"])
def test_a_threshold_out_of_range_is_an_error(threshold):
    with pytest.raises(InvalidArgument, match="threshold"):
        SampleDependentFocal(threshold=threshold)
