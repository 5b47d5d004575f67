"""Rows that count, rows that do not, and how much: ignored labels, class weights, sample weights."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from smoothlab import SoftTarget, soft_cross_entropy
from smoothlab.targets import PerSample


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


Y = torch.tensor([0, 3, -100, 1, -100, 2, 3])
KEPT = Y != -100


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_ignored_rows_are_as_if_they_were_not_there(loss, reduction):
    logits = draw(7, 4).requires_grad_()
    value = loss(logits, SoftTarget(Y, 0.1), reduction=reduction)
    value.backward()
    fewer = logits.detach()[KEPT].requires_grad_()
    expected = F.cross_entropy(fewer, Y[KEPT], label_smoothing=0.1, reduction=reduction)
    expected.backward()
    assert_close(value, expected)
    assert_close(logits.grad[KEPT], fewer.grad)
    assert not logits.grad[~KEPT].any()


def test_ignored_rows_have_a_loss_of_zero(loss):
    rows = loss(draw(7, 4), SoftTarget(Y, 0.1), reduction="none")
    assert not rows[~KEPT].any()
    assert rows[KEPT].all()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("junk", [float("nan"), float("inf"), float("-inf")])
def test_what_an_ignored_row_holds_does_not_matter(loss, reduction, junk):
    clean, dirty = draw(7, 4).requires_grad_(), draw(7, 4)
    dirty[~KEPT] = junk
    dirty.requires_grad_()
    for logits in (clean, dirty):
        loss(logits, SoftTarget(Y, 0.1), reduction=reduction).sum().backward()
    assert_close(dirty.grad, clean.grad)


def test_the_ignored_label_may_be_a_class(loss):
    logits, y = draw(6, 4), torch.tensor([0, 1, 2, 1, 3, 1])
    value = loss(logits, SoftTarget(y, 0.1), ignore_index=1)
    assert_close(value, F.cross_entropy(logits, y, label_smoothing=0.1, ignore_index=1))


def test_ignored_rows_keep_epsilons_and_priors_of_the_others_in_place(loss):
    logits, epsilon, rows = draw(7, 4), torch.linspace(0.1, 0.7, 7, dtype=torch.float64), draw(7, 4).softmax(-1)
    value = loss(logits, SoftTarget(Y, epsilon, PerSample(rows)))
    fewer = SoftTarget(Y[KEPT], epsilon[KEPT], PerSample(rows[KEPT]))
    assert_close(value, loss(logits[KEPT], fewer))


@pytest.mark.parametrize("shape", [(0, 4), (0, 3, 4), (5, 0, 4)])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_an_empty_batch_has_loss_zero_where_torch_has_nan(loss, shape, reduction):
    logits = draw(*shape).requires_grad_()
    value = loss(logits, SoftTarget(torch.zeros(shape[:-1], dtype=torch.long), 0.1), reduction=reduction)
    value.backward()
    assert value.item() == 0
    assert logits.grad.shape == shape


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weights", [{}, {"class_weight": torch.tensor([1.0, 2, 3, 4])}])
@pytest.mark.parametrize("mode", ["sample", "torch"])
def test_a_batch_with_all_rows_ignored_has_loss_and_gradient_zero(loss, reduction, weights, mode):
    logits, y = draw(3, 4).requires_grad_(), torch.full((3,), -100)
    value = loss(logits, SoftTarget(y, 0.1), reduction=reduction, class_weight_mode=mode, **weights)
    value.backward()
    assert value.item() == 0
    assert not logits.grad.any()
    if reduction == "mean":
        assert F.cross_entropy(logits, y).isnan()


def test_sample_weights_of_zero_all_over(loss):
    logits = draw(3, 4).requires_grad_()
    value = loss(logits, SoftTarget(draw(3, 4).softmax(-1), 0.1), sample_weight=torch.zeros(3))
    value.backward()
    assert value.item() == 0
    assert not logits.grad.any()


CLASS_WEIGHT = torch.tensor([0.5, 2.0, 1.0, 4.0], dtype=torch.float64)


def test_class_weights_weigh_samples(loss):
    logits, y = draw(6, 4).requires_grad_(), torch.tensor([0, 1, 2, 1, 3, 1])
    rows = F.cross_entropy(logits, y, label_smoothing=0.1, reduction="none")
    w = CLASS_WEIGHT[y]
    expected = (rows * w).sum() / w.sum()
    value = loss(logits, SoftTarget(y, 0.1), class_weight=CLASS_WEIGHT)
    assert_close(value, expected)
    (gradient,) = torch.autograd.grad(value, logits)
    assert_close(gradient, torch.autograd.grad(expected, logits)[0])


def test_without_smoothing_both_modes_are_torch(loss):
    logits = draw(7, 4)
    for mode in ("sample", "torch"):
        value = loss(logits, SoftTarget(Y), class_weight=CLASS_WEIGHT, class_weight_mode=mode)
        assert_close(value, F.cross_entropy(logits, Y, weight=CLASS_WEIGHT))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_torch_mode_is_torch(loss, reduction):
    logits = draw(7, 4).requires_grad_()
    votes = draw(7, 4, seed=1).softmax(-1)
    for base in (Y, votes):
        expected = F.cross_entropy(logits, base, weight=CLASS_WEIGHT, label_smoothing=0.1, reduction=reduction)
        value = loss(
            logits,
            SoftTarget(base, 0.1),
            class_weight=CLASS_WEIGHT,
            class_weight_mode="torch",
            reduction=reduction,
        )
        assert_close(value, expected)
        (gradient,) = torch.autograd.grad(value.sum(), logits)
        assert_close(gradient, torch.autograd.grad(expected.sum(), logits)[0])


@pytest.mark.parametrize(("mode", "best"), [("sample", 0), ("torch", 2)])
def test_class_weights_do_not_bend_the_target_unless_asked_to(mode, best):
    """At weights 1, 1, 50 torch's minimum for a sample of class 0 is at class 2 (pytorch issue 104776)."""
    logits = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=100, line_search_fn="strong_wolfe")

    def step():
        optimizer.zero_grad()
        value = soft_cross_entropy(
            logits,
            SoftTarget(torch.tensor([0]), 0.1),
            class_weight=torch.tensor([1.0, 1.0, 50.0]),
            class_weight_mode=mode,
        )
        value.backward()
        return value

    optimizer.step(step)
    p = logits.detach().softmax(-1)
    assert p.argmax().item() == best
    if mode == "sample":
        assert_close(p, SoftTarget(torch.tensor([0]), 0.1).dense(3).double(), rtol=1e-3, atol=1e-4)


def test_votes_take_their_expected_class_weight(loss):
    logits, votes = draw(5, 4), draw(5, 4, seed=1).softmax(-1)
    w = votes @ CLASS_WEIGHT
    expected = (F.cross_entropy(logits, votes, reduction="none") * w).sum() / w.sum()
    assert_close(loss(logits, SoftTarget(votes), class_weight=CLASS_WEIGHT), expected)


def test_sample_weights(loss):
    logits, w = draw(7, 4).requires_grad_(), torch.tensor([1.0, 0.0, 2.0, 0.5, 1.0, 3.0, 0.25], dtype=torch.float64)
    rows = F.cross_entropy(logits, Y, label_smoothing=0.1, reduction="none")
    expected = (rows * w).sum() / (w * KEPT).sum()
    value = loss(logits, SoftTarget(Y, 0.1), sample_weight=w)
    assert_close(value, expected)
    (gradient,) = torch.autograd.grad(value, logits)
    assert_close(gradient, torch.autograd.grad(expected, logits)[0])
    assert_close(loss(logits, SoftTarget(Y, 0.1), sample_weight=w, reduction="none"), rows * w)


def test_both_weights_multiply(loss):
    logits, w = draw(7, 4), torch.linspace(0.5, 2, 7, dtype=torch.float64)
    both = w * CLASS_WEIGHT[Y.clamp(min=0)]
    value = loss(logits, SoftTarget(Y, 0.1), sample_weight=w, class_weight=CLASS_WEIGHT)
    assert_close(value, loss(logits, SoftTarget(Y, 0.1), sample_weight=both))


def test_weights_of_shape_of_the_samples(loss):
    logits, w = draw(2, 3, 4), torch.tensor([[1.0, 0, 2], [3, 1, 0]], dtype=torch.float64)
    y = torch.tensor([[0, 1, 2], [3, 2, 1]])
    flat = loss(logits.reshape(6, 4), SoftTarget(y.reshape(6), 0.1), sample_weight=w.reshape(6))
    assert_close(loss(logits, SoftTarget(y, 0.1), sample_weight=w), flat)


def test_rows_with_a_vote_base_are_ignored_by_weight_zero(loss):
    logits, votes = draw(4, 3), draw(4, 3, seed=1).softmax(-1)
    logits[1], votes[2] = float("nan"), float("nan")
    logits.requires_grad_()
    value = loss(logits, SoftTarget(votes, 0.1), sample_weight=torch.tensor([1.0, 0, 0, 1]))
    value.backward()
    rows = [0, 3]
    assert_close(value, loss(logits.detach()[rows], SoftTarget(votes[rows], 0.1)))
    assert not logits.grad[1:3].any()
