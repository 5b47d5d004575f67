"""Derivatives of derivatives: right, or refused in words; never silently 0."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

import smoothlab
from smoothlab import SoftTarget, linear_soft_cross_entropy, soft_cross_entropy
from smoothlab.losses import BiTempered, small
from smoothlab.losses.penalties import CPC

SOURCE = Path(smoothlab.__file__).parent
LABELS = torch.tensor([0, 3, 2, 1, 1, 2])
TARGET = SoftTarget(LABELS, 0.1)
WEIGHT = torch.randn(4, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def draw(seed=0):
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


@pytest.fixture(autouse=True)
def only_chunks(monkeypatch):
    """Let small batches take the path of large ones, whose gradient is made in the forward pass."""
    monkeypatch.setattr(small, "TABLE_ELEMENTS", 0)
    monkeypatch.setattr(small, "DENSE_ELEMENTS", 0)


RIGHT = {
    "losses/penalties/cpc.py:_PairSums": CPC(0.7, 0.4),
    "losses/penalties/cpc.py:_PairGradient": CPC(0.7, 0.4),  # the first derivative of the former
    "losses/bi_tempered.py:_Rows": BiTempered(0.8, 1.2, 60),
}
REFUSED = {
    "losses/chunked.py:_ChunkedSum": lambda z, target: soft_cross_entropy(z, target),
    "losses/chunked.py:_ChunkedRows": lambda z, target: soft_cross_entropy(z, target, reduction="none").sum(),
    "losses/linear_chunks.py:_LinearSum": lambda z, target: linear_soft_cross_entropy(z, WEIGHT, None, target),
}


def functions_in_source():
    """Each class of the package with a gradient of its own."""
    functions = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        for name in re.findall(r"^class (\w+)\([\w.]*\bFunction\)", text, re.M):
            functions.add(f"{path.relative_to(SOURCE).as_posix()}:{name}")
    return functions


def test_every_gradient_of_our_own_is_tested_here():
    assert functions_in_source() == {*RIGHT, *REFUSED}
    for path in SOURCE.rglob("*.py"):
        assert "once_differentiable" not in path.read_text(), path  # says nothing where what is above has no gradient
        assert not re.search(r"(\w+) - \1\.detach\(\)\)", path.read_text()), path  # a gradient by a sum of 0


@pytest.mark.parametrize("name", RIGHT)
def test_first_and_second_derivatives_against_differences(name):
    def rows(z):
        return RIGHT[name](z, TARGET)

    assert torch.autograd.gradcheck(rows, (draw(),))
    assert torch.autograd.gradgradcheck(rows, (draw(),))


@pytest.mark.parametrize("loss", [BiTempered(0.8, 1.2, 60), BiTempered(0.5, 0.7), BiTempered(1.0, 1.0), CPC()])
def test_a_penalty_on_the_gradient_trains(loss):
    """The gradient of the gradient's squared length, against differences of it."""

    def length(z):
        (gradient,) = torch.autograd.grad(loss(z, TARGET).mean(), z, create_graph=True)
        return gradient.square().sum()

    logits, direction = draw(), draw(1).detach()
    (ours,) = torch.autograd.grad(length(logits), logits)
    step = 1e-6
    apart = [length((logits.detach() + sign * step * direction).requires_grad_()).item() for sign in (1, -1)]
    assert (ours * direction).sum().item() == pytest.approx((apart[0] - apart[1]) / (2 * step), rel=1e-5)


def test_bi_tempered_at_temperature_one_has_the_hessian_of_cross_entropy():
    hessians = []
    for rows in (
        lambda z: BiTempered(1.0, 1.0)(z.reshape(6, 4), TARGET).sum(),
        lambda z: soft_cross_entropy(z.reshape(6, 4), TARGET, reduction="sum", implementation="reference"),
    ):
        hessians.append(torch.autograd.functional.hessian(rows, draw().detach().reshape(-1)))
    assert_close(*hessians)


def test_cpc_refuses_a_third_derivative():
    logits = draw()
    (first,) = torch.autograd.grad(CPC()(logits, TARGET).sum(), logits, create_graph=True)
    with pytest.raises(RuntimeError, match="third"):
        torch.autograd.grad(first.square().sum(), logits, create_graph=True)


def test_bi_tempered_has_a_third_derivative():
    loss = BiTempered(0.8, 1.2, 60)

    def curvature(z):
        (first,) = torch.autograd.grad(loss(z, TARGET).sum(), z, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), z, create_graph=True)
        return second

    assert torch.autograd.gradcheck(curvature, (draw(),))


@pytest.mark.parametrize("name", REFUSED)
def test_others_refuse_it_in_words(name):
    logits = draw()
    with pytest.raises(RuntimeError, match='implementation="reference"'):
        torch.autograd.grad(REFUSED[name](logits, TARGET), logits, create_graph=True)


def test_a_target_that_is_trained_has_the_gradient_of_bi_tempered_too():
    """Against differences, away from the 1e-10 inside the published logarithm."""
    raw, logits = draw(2), draw().detach()

    def rows(raw):
        return BiTempered(0.8, 1.2, 60)(logits, SoftTarget(raw.softmax(-1)))

    assert torch.autograd.gradcheck(rows, (raw,))


def test_torch_func_takes_bi_tempered():
    loss, logits = BiTempered(0.8, 1.2), draw()
    loss(logits, TARGET).sum().backward()
    each = torch.func.vmap(torch.func.grad(lambda z, y: loss(z, SoftTarget(y, 0.1))))
    assert_close(each(logits.detach(), LABELS), logits.grad)
