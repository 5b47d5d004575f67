"""What holds for every penalty: rows on their own, wide sums, masked classes that take no part."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from smoothlab import SoftTarget, soft_cross_entropy
from smoothlab.learner import Learner
from smoothlab.losses import penalties
from smoothlab.losses.penalties import (
    ACLS,
    CPC,
    AugmentedLagrangian,
    ClassMargin,
    ConfidencePenalty,
    LogitPenalty,
    MarginPenalty,
    MaxSup,
    ZipfPenalty,
)

EVERY = {
    "confidence": ConfidencePenalty(0.3),
    "margin": MarginPenalty(0.3, margin=1.5),
    "maxsup": MaxSup(0.3),
    "logit penalty": LogitPenalty(0.3),
    "acls": ACLS(0.3, margin=0.5),
    "acls from the lowest": ACLS(0.3, margin=1.5, origin="lowest"),
    "cpc": CPC(0.3, 0.2),
    "cals": AugmentedLagrangian(1.5, multiplier_min=0.3),
    "cals p2": AugmentedLagrangian(1.5, "p2", multiplier_min=0.3),
    "cals p3": AugmentedLagrangian(1.5, "p3", multiplier_min=0.3, normalize=False),
    "cals-hr": ClassMargin(0.3, margin=1.5),
    "zipf": ZipfPenalty(0.3),
    "zipf by integrals": ZipfPenalty(0.3, 1.5, "integral"),
}
SHIFT_INVARIANT = set(EVERY) - {"logit penalty", "acls"}


@pytest.fixture(params=EVERY)
def penalty(request):
    return EVERY[request.param]


def draw(*shape, seed=0, scale=4.0, dtype=torch.float64):
    return (torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale).to(dtype)


def labels_for(logits):
    return torch.arange(logits.shape[:-1].numel()).reshape(logits.shape[:-1]) % logits.shape[-1]


def value_and_gradient(penalty, logits, labels=None):
    logits = logits.detach().clone().requires_grad_()
    rows = penalty(logits, SoftTarget(labels_for(logits) if labels is None else labels))
    rows.sum().backward()
    return rows.detach(), logits.grad


def test_every_one_is_exported_and_tested():
    classes = {getattr(penalties, name) for name in penalties.__all__} - {penalties.Penalty}
    assert classes == {type(penalty) for penalty in EVERY.values()}


def test_a_row_sees_no_other_row(penalty):
    logits = draw(6, 5)
    rows, gradient = value_and_gradient(penalty, logits)
    assert rows.shape == (6,)
    for i in range(6):
        row, of_row = value_and_gradient(penalty, logits[i], torch.tensor(i % 5))
        assert_close(row, rows[i])
        assert_close(of_row, gradient[i])


def test_leading_dimensions_are_kept(penalty):
    logits = draw(2, 3, 5)
    rows, _ = value_and_gradient(penalty, logits)
    assert_close(rows, value_and_gradient(penalty, logits.reshape(6, 5))[0].reshape(2, 3))


@pytest.mark.parametrize("name", EVERY)
def test_a_constant_on_all_logits_changes_nothing_where_that_is_said(name):
    logits = draw(6, 5)
    rows, gradient = value_and_gradient(EVERY[name], logits)
    shifted, of_shifted = value_and_gradient(EVERY[name], logits + 7)
    same = torch.allclose(rows, shifted) and torch.allclose(gradient, of_shifted)
    assert same == (name in SHIFT_INVARIANT)


def test_a_masked_class_is_as_if_it_were_not_there(penalty):
    logits = draw(6, 5)
    logits[:, 2] = -math.inf
    left = [0, 1, 3, 4]
    rows, gradient = value_and_gradient(penalty, logits, torch.tensor([0, 1, 3, 4, 1, 0]))
    alone, of_alone = value_and_gradient(penalty, logits[:, left], torch.tensor([0, 1, 2, 3, 1, 0]))
    assert_close(rows, alone)
    assert_close(gradient[:, left], of_alone)
    assert not gradient[:, 2].any()


def test_rows_may_mask_different_classes_and_one_may_mask_all(penalty):
    logits = draw(4, 5)
    logits[0, 1] = logits[1, [0, 4]] = logits[2, [0, 1, 2, 3]] = logits[3] = -math.inf
    rows, gradient = value_and_gradient(penalty, logits)
    assert rows.isfinite().all()
    assert gradient.isfinite().all()
    assert rows[3] == 0
    assert not gradient[3].any()
    assert not gradient[logits == -math.inf].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(penalty, dtype):
    # sums over so many classes that half precision would lose them; CPC takes the time of their pairs
    logits = draw(3, 1000 if isinstance(penalty, CPC) else 20000, dtype=dtype)
    rows, gradient = value_and_gradient(penalty, logits)
    wide, of_wide = value_and_gradient(penalty, logits.float())
    assert rows.dtype is torch.float32
    assert_close(rows, wide)
    assert_close(gradient, of_wide.to(dtype))


def test_float64_stays(penalty):
    assert value_and_gradient(penalty, draw(3, 4))[0].dtype is torch.float64


@pytest.mark.parametrize("shape", [(1, 5), (1, 1), (3, 1), (4, 2), (0, 3)])
def test_one_row_one_class_two_classes_no_row(penalty, shape):
    rows, gradient = value_and_gradient(penalty, draw(*shape))
    assert rows.shape == shape[:-1]
    assert rows.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", [name for name in EVERY if "acls" not in name])  # which stops gradients on purpose
def test_gradient_against_differences(name):
    penalty = EVERY[name]
    logits = draw(4, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: penalty(z, SoftTarget(torch.tensor([0, 1, 2, 3]))), (logits,))


def test_labels_that_are_ignored_do_no_harm(penalty):
    logits = draw(3, 4)
    target = SoftTarget(torch.tensor([0, -100, 2]))
    assert_close(penalty(logits, target)[[0, 2]], penalty(logits[[0, 2]], SoftTarget(torch.tensor([0, 2]))))
    assert penalty(logits, target).isfinite().all()


@pytest.mark.parametrize("prior", [None, "exclusive"])
def test_it_adds_to_the_loss_of_any_soft_target(penalty, prior):
    logits = draw(4, 5).requires_grad_()
    votes = SoftTarget(draw(4, 5, seed=1).softmax(-1), 0.2, prior)
    (soft_cross_entropy(logits, votes, reduction="none") + penalty(logits, votes)).mean().backward()
    assert logits.grad.isfinite().all()


def test_equal_settings_are_equal(penalty):
    again = eval(repr(penalty), vars(penalties))
    if isinstance(penalty, Learner):  # a module: equal is only the same
        assert repr(again) == repr(penalty)
    else:
        assert again == penalty
