"""One rule for labels: -100 leaves a row out, another outside [0, K) is an error; no list passes for a tensor."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from every_loss import EVERY, LOSSES
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother, SoftTarget, linear_soft_cross_entropy, soft_cross_entropy
from smoothlab.errors import LabelOutOfRange
from smoothlab.losses import (
    AdaFocal,
    CutMix,
    Mixup,
    normalized_logits,
    smoothed_binary_labels,
    soft_binary_cross_entropy,
)
from smoothlab.losses.mixing import mixed_labels
from smoothlab.losses.penalties import AugmentedLagrangian, ClassMargin
from smoothlab.smoothing import Accuracy, Auto, Constant, Half, MultilabelSmoother, Online, Uniform
from smoothlab.step import Step
from smoothlab.targets import OtherClasses, PerClass, PerSample

# a label of the binary cross-entropy is unknown where it is negative; it has no class indices
BY_LABEL = {name: call for name, (call, _) in EVERY.items() if name != "soft_binary_cross_entropy"}
LABELS = torch.tensor([0, -100, 2, -100])
KEPT = torch.tensor([True, False, True, False])


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3


@pytest.fixture(params=BY_LABEL)
def loss(request):
    return BY_LABEL[request.param]


def left_out_base(form):
    if form == "labels":
        return LABELS
    votes = draw(4, 5, seed=3).softmax(-1)
    return votes.masked_fill(~KEPT.unsqueeze(-1), -100)


@pytest.mark.parametrize("epsilon", [0.0, 0.2, torch.linspace(0, 0.9, 4, dtype=torch.float64)])
@pytest.mark.parametrize("form", ["labels", "votes"])
def test_a_row_that_is_left_out_has_neither_loss_nor_gradient_whatever_its_logits(loss, form, epsilon):
    if loss is LOSSES["linear_soft_cross_entropy"][0] and isinstance(epsilon, torch.Tensor):
        pytest.skip("a row at a time: test_linear.py has an epsilon a row")
    base, logits = left_out_base(form), draw(4, 5)
    alone = logits[KEPT].clone().requires_grad_()
    part = epsilon[KEPT] if isinstance(epsilon, torch.Tensor) else epsilon
    expected = loss(alone, SoftTarget(base[KEPT], part))
    expected.sum().backward()
    for wild in (logits, logits.masked_fill(~KEPT.unsqueeze(-1), math.nan)):
        if loss is LOSSES["linear_soft_cross_entropy"][0] and bool(wild.isnan().any()):
            continue  # nan in a bias of its own; test_linear.py has nan in hidden
        leaf = wild.clone().requires_grad_()
        rows = loss(leaf, SoftTarget(base, epsilon))
        rows.sum().backward()
        assert_close(rows[KEPT], expected)
        assert_close(leaf.grad[KEPT], alone.grad)
        assert rows[~KEPT].tolist() == [0, 0]
        assert not leaf.grad[~KEPT].any()


@pytest.mark.parametrize("label", [5, -1, -99, 255])
def test_any_other_label_outside_is_an_error(loss, label):
    with pytest.raises(LabelOutOfRange, match=rf"= {label}: expected -100 or a class in \[0, 5\)"):
        loss(draw(2, 5), SoftTarget(torch.tensor([1, label]), 0.1))


@pytest.mark.parametrize("mean", ["auto", "reference"])
def test_a_mean_does_not_count_rows_that_are_left_out(mean):
    logits = draw(4, 5)
    for form in ("labels", "votes"):
        base = left_out_base(form)
        value = soft_cross_entropy(logits, SoftTarget(base, 0.1), implementation=mean)
        assert_close(value, soft_cross_entropy(logits[KEPT], SoftTarget(base[KEPT], 0.1)))
        weight = draw(5, 3, seed=9)
        hidden = draw(4, 3, seed=8)
        value = linear_soft_cross_entropy(hidden, weight, None, SoftTarget(base, 0.1), implementation=mean)
        assert_close(value, linear_soft_cross_entropy(hidden[KEPT], weight, None, SoftTarget(base[KEPT], 0.1)))


def test_the_entropy_and_the_dense_target_of_a_row_that_is_left_out():
    target = SoftTarget(left_out_base("votes"), 0.2).validate()
    assert target.entropy(5)[~KEPT].tolist() == [0, 0]
    assert_close(target.dense(5)[KEPT].sum(-1), torch.ones(2, dtype=torch.float64))
    with pytest.raises(InvalidArgument, match="base = -3: expected labels of at least 0, or -100"):
        SoftTarget(torch.tensor([0, -3])).validate()


# Mixing -------------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("form", ["labels", "votes"])
@pytest.mark.parametrize("mixing", [Mixup(1.0, 5), CutMix(1.0, 5)])
def test_a_mixed_batch_leaves_out_the_rows_without_a_label_and_no_others(mixing, form):
    """With features that are the labels, both are mixed alike; no row without a label gets into another."""
    counted = torch.arange(12) % 3 != 1
    labels = (torch.arange(12) % 5).where(counted, -100)
    one_hot = torch.nn.functional.one_hot(labels.clamp_min(0), 5).float()
    images = one_hot.masked_fill(~counted.unsqueeze(-1), math.nan).reshape(12, 5, 1, 1).expand(12, 5, 6, 6)
    base_in = labels if form == "labels" else one_hot.masked_fill(~counted.unsqueeze(-1), -100)
    mixed_some = False
    for _ in range(10):
        features, base = mixing(images, base_in)
        assert base.shape == (12, 5)
        assert_close(features.mean((2, 3))[counted], base[counted])
        assert (base[~counted] == -100).all()
        assert_close(base[counted].sum(-1), torch.ones(8))
        mixed_some |= bool(((base[counted] > 0) & (base[counted] < 1)).any())
        logits = torch.randn(12, 5)
        loss = soft_cross_entropy(logits, Smoother(Constant(0.1), Uniform())(base))
        assert_close(loss, soft_cross_entropy(logits[counted], SoftTarget(base[counted], 0.1)))
    assert mixed_some


def test_a_batch_without_any_label_has_the_loss_0():
    features, base = Mixup(1.0, 3)(torch.randn(4, 3), torch.full((4,), -100))
    assert soft_cross_entropy(features, SoftTarget(base, 0.1)).item() == 0


@pytest.mark.parametrize("mixing", [Mixup(1.0, 3), CutMix(1.0, 3)])
@pytest.mark.parametrize("label", [3, -1, 255])
def test_mixing_refuses_any_other_label_outside(mixing, label):
    with pytest.raises(LabelOutOfRange, match=f"labels = {label}"):
        mixing(torch.randn(2, 1, 4, 4), torch.tensor([0, label]))
    with pytest.raises(LabelOutOfRange, match=f"labels = {label}"):
        mixed_labels(torch.tensor([0, label]), torch.tensor([1, 0]), 0.5, 3)


def test_what_learns_from_training_does_not_count_a_row_that_is_left_out():
    logits = draw(4, 5)
    base = left_out_base("votes")
    for make in (
        lambda: Accuracy(0.0, 0.2, 1.0, 0.2, "global", "running"),
        lambda: Online(initial="label", unseen="uniform"),
    ):
        all_rows, counted = make(), make()
        all_rows.observe(Step(base, logits))
        counted.observe(Step(base[KEPT], logits[KEPT]))
        for name, tensor in counted.seen.items():
            keep = (
                slice(None, -1) if isinstance(counted, Online) else slice(None)
            )  # its last row is what does not count
            assert_close(all_rows.seen[name][keep], tensor[keep])


@pytest.mark.parametrize("wrong", [[0, 1], np.array([0, 1])])
@pytest.mark.parametrize(
    "learner",
    [
        AdaFocal(3),
        AugmentedLagrangian(1.0),
        ClassMargin(),
        Accuracy(0.0, 0.2, 1.0, 0.2, "global", "validation"),
        Auto(),
    ],
)
def test_what_learns_from_validation_refuses_them_too(learner, wrong):
    with pytest.raises(InvalidArgument, match="logits"):
        learner.validate(wrong, torch.tensor([0, 1]))
    if not isinstance(learner, AugmentedLagrangian | ClassMargin):  # which do not look at labels
        with pytest.raises(InvalidArgument, match="labels"):
            learner.validate(torch.zeros(2, 3), wrong)


# What is no tensor --------------------------------------------------------------------------------------------------

Y = torch.tensor([0, 2])
Z = torch.zeros(2, 3)


@pytest.mark.parametrize("wrong", [[0, 2], np.array([0, 2]), np.zeros((2, 3)), None, "labels"])
@pytest.mark.parametrize(
    "call",
    [
        lambda wrong: SoftTarget(wrong),
        lambda wrong: SoftTarget(Y, prior=wrong if wrong is not None else [0.5]),
        lambda wrong: SoftTarget(Y, epsilon=wrong),
        lambda wrong: PerClass(wrong),
        lambda wrong: PerSample(wrong),
        lambda wrong: OtherClasses(wrong),
        lambda wrong: soft_cross_entropy(wrong, SoftTarget(Y)),
        lambda wrong: soft_cross_entropy(Z, wrong),
        lambda wrong: soft_cross_entropy(Z, SoftTarget(Y), sample_weight=[1, 1] if wrong is None else wrong),
        lambda wrong: soft_cross_entropy(Z, SoftTarget(Y), class_weight=[1, 1, 1] if wrong is None else wrong),
        lambda wrong: linear_soft_cross_entropy(wrong, torch.zeros(3, 4), None, SoftTarget(Y)),
        lambda wrong: linear_soft_cross_entropy(torch.zeros(2, 4), wrong, None, SoftTarget(Y)),
        lambda wrong: linear_soft_cross_entropy(
            torch.zeros(2, 4), torch.zeros(3, 4), [0] if wrong is None else wrong, SoftTarget(Y)
        ),
        lambda wrong: soft_binary_cross_entropy(wrong, Z),
        lambda wrong: soft_binary_cross_entropy(Z, wrong),
        lambda wrong: soft_binary_cross_entropy(Z, Z, class_weight=[1] if wrong is None else wrong),
        lambda wrong: smoothed_binary_labels(wrong, 0.1),
        lambda wrong: normalized_logits(wrong, 0.1),
        lambda wrong: Mixup(1.0, 3)(wrong, Y),
        lambda wrong: Mixup(1.0, 3)(Z, wrong),
        lambda wrong: CutMix(1.0, 3)(wrong, Y),
        lambda wrong: CutMix(1.0, 3)(torch.zeros(2, 3, 4, 4), wrong),
        lambda wrong: Smoother(Constant(0.1), Uniform())(wrong),
        lambda wrong: Smoother(Constant(0.1), Uniform())(Y, logits=[0] if wrong is None else wrong),
        lambda wrong: Smoother(Constant(0.1), Uniform())(Y, rows=[0] if wrong is None else wrong),
        lambda wrong: Smoother(Constant(0.1), Uniform())(Y, metadata={"agreement": wrong}),
        lambda wrong: MultilabelSmoother(Constant(0.1), Half())(wrong),
        lambda wrong: MultilabelSmoother(Constant(0.1), Half())(Z, logits=[0] if wrong is None else wrong),
    ],
)
def test_lists_and_arrays_in_place_of_tensors_are_refused_in_one_line(call, wrong):
    with pytest.raises(InvalidArgument) as refusal:
        call(wrong)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("wrong", [[[0.0, 1.0]], np.zeros((2, 3)), None])
def test_losses_and_penalties_refuse_them_too(loss, wrong):
    for logits, target in ((wrong, SoftTarget(Y)), (Z, wrong)):
        if logits is not Z and loss in (LOSSES["HierarchicalCrossEntropy"][0], LOSSES["linear_soft_cross_entropy"][0]):
            continue  # helpers of the test ask for the shape
        if loss in (LOSSES["SelfDistillation"][0], LOSSES["linear_soft_cross_entropy"][0]):
            continue
        with pytest.raises(InvalidArgument, match=r"logits|target"):
            loss(logits, target)
