"""What holds for every loss that stands in for the cross-entropy: rows on their own, wide sums, masked classes."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget
from smoothlab.losses import (
    AdaFocal,
    BackwardCorrection,
    BiTempered,
    DualFocal,
    Focal,
    ForwardCorrection,
    HierarchicalCrossEntropy,
    LogitNorm,
    Poly1,
    SampleDependentFocal,
    VirtualTeacher,
)
from smoothlab.targets import PerClass, PerSample


@cache
def two_branches(num_classes):
    names = [str(number) for number in range(num_classes)]
    nested = {"all": {"first": names[:1], "others": names[1:]}}
    return HierarchicalCrossEntropy(nested, 0.3, normalized=False, classes=names)


def hierarchical(logits, target, step=None):
    """For any number of classes: the first alone, the others together."""
    return two_branches(logits.shape[-1])(logits, target, step)


EVERY = {
    "focal": Focal(2.0),
    "focal below one": Focal(0.5),
    "FLSD-53": SampleDependentFocal(),
    "dual focal": DualFocal(3.0),
    "adafocal": AdaFocal(5, gamma=1.5),
    "inverse focal": AdaFocal(5, gamma=-0.5),
    "poly-1": Poly1(2.0),
    "logit norm": LogitNorm(0.5),
    "hierarchical": hierarchical,
    "forward correction": ForwardCorrection(rate=0.2),
    "backward correction": BackwardCorrection(rate=0.2),
    "bi-tempered": BiTempered(0.8, 1.2, 40),
    "bi-tempered, thin tails": BiTempered(0.5, 0.7),
    "virtual teacher": VirtualTeacher(0.3, 2.0),
    "tempered virtual teacher": VirtualTeacher(0.3, 2.0, average="classes", tempered=True),
}
SHIFT_INVARIANT = set(EVERY) - {"logit norm"}


@pytest.fixture(params=EVERY)
def loss(request):
    return EVERY[request.param]


def draw(*shape, seed=0, scale=3.0, dtype=torch.float64):
    return (torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale).to(dtype)


def smoothed(logits, epsilon=0.2, prior=None):
    labels = torch.arange(logits.shape[:-1].numel()).reshape(logits.shape[:-1]) % logits.shape[-1]
    return SoftTarget(labels, epsilon, prior)


def value_and_gradient(loss, logits, target=None):
    logits = logits.detach().clone().requires_grad_()
    rows = loss(logits, smoothed(logits) if target is None else target)
    rows.sum().backward()
    return rows.detach(), logits.grad


def test_a_row_sees_no_other_row(loss):
    logits = draw(6, 5)
    rows, gradient = value_and_gradient(loss, logits)
    assert rows.shape == (6,)
    for i in range(6):
        row, of_row = value_and_gradient(loss, logits[i], SoftTarget(torch.tensor(i % 5), 0.2))
        assert_close(row, rows[i])
        assert_close(of_row, gradient[i])


def test_leading_dimensions_are_kept(loss):
    logits = draw(2, 3, 5)
    flat, _ = value_and_gradient(loss, logits.reshape(6, 5))
    assert_close(value_and_gradient(loss, logits)[0], flat.reshape(2, 3))


@pytest.mark.parametrize("name", EVERY)
def test_a_constant_on_all_logits_changes_nothing_but_for_logit_norm(name):
    logits = draw(6, 5)
    rows, shifted = (value_and_gradient(EVERY[name], z)[0] for z in (logits, logits + 7))
    assert torch.allclose(rows, shifted) == (name in SHIFT_INVARIANT)


PRIORS = {
    "uniform": None,
    "exclusive": "exclusive",
    "vector": draw(5, seed=3).softmax(-1),
    "matrix": PerClass(draw(5, 5, seed=4).softmax(-1)),
    "rows": PerSample(draw(6, 5, seed=5).softmax(-1)),
}


@pytest.mark.parametrize("prior", PRIORS)
def test_the_factors_of_a_target_are_as_good_as_its_dense_form(loss, prior):
    logits = draw(6, 5)
    target = smoothed(logits, torch.linspace(0, 0.9, 6, dtype=torch.float64), PRIORS[prior])
    dense = SoftTarget(target.dense(5))
    for ours, theirs in zip(
        value_and_gradient(loss, logits, target), value_and_gradient(loss, logits, dense), strict=True
    ):
        assert_close(ours, theirs)


def test_a_masked_class_is_as_if_it_were_not_there(loss):
    """Its share of the uniform prior goes to the classes that are left."""
    logits, labels, left = draw(6, 5), torch.tensor([0, 1, 3, 4, 1, 0]), [0, 1, 3, 4]
    logits[:, 2] = -math.inf
    rows, gradient = value_and_gradient(loss, logits, SoftTarget(labels, 0.2))
    q = 0.8 * F.one_hot(labels, 5)[:, left].double() + 0.2 / 4
    alone, of_alone = value_and_gradient(loss, logits[:, left], SoftTarget(q))
    assert_close(rows, alone)
    assert_close(gradient[:, left], of_alone)
    assert not gradient[:, 2].any()


def test_a_masked_label_has_the_loss_inf(loss):
    assert loss(torch.tensor([[1.0, -math.inf, 0.5]]), SoftTarget(torch.tensor([1]))).item() == math.inf


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(loss, dtype):
    logits = draw(3, 20000, dtype=dtype)
    rows, gradient = value_and_gradient(loss, logits)
    wide, of_wide = value_and_gradient(loss, logits.float(), smoothed(logits))
    assert rows.dtype is torch.float32
    assert_close(rows, wide)
    assert_close(gradient, of_wide.to(dtype))


@pytest.mark.parametrize("shape", [(1, 5), (1, 1), (3, 1), (4, 2), (0, 3)])
def test_one_row_one_class_two_classes_no_row(loss, shape):
    rows, gradient = value_and_gradient(loss, draw(*shape))
    assert rows.shape == shape[:-1]
    assert rows.isfinite().all()
    assert gradient.isfinite().all()
    if shape[-1] == 1:
        assert (rows.abs() <= 1e-9).all()
        assert not gradient.any()


def test_extreme_logits_stay_finite(loss):
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [0.0, 0.0, 0.0]])
    rows, gradient = value_and_gradient(loss, logits)
    assert rows.isfinite().all()
    assert gradient.isfinite().all()


def test_gradient_against_differences(loss):
    logits = draw(4, 5, scale=1.0).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, smoothed(z)), (logits,))


def test_ignored_labels_leave_the_other_rows_and_stay_finite(loss):
    logits, labels = draw(3, 4), torch.tensor([0, -100, 2])
    rows, gradient = value_and_gradient(loss, logits, SoftTarget(labels, 0.2))
    alone, of_alone = value_and_gradient(loss, logits[[0, 2]], SoftTarget(labels[[0, 2]], 0.2))
    assert_close(rows[[0, 2]], alone)
    assert_close(gradient[[0, 2]], of_alone)
    assert rows.isfinite().all()


def test_a_target_of_another_shape_is_an_error(loss):
    with pytest.raises(InvalidArgument, match=r"target\.base"):
        loss(draw(3, 4), SoftTarget(torch.tensor([0, 1])))
