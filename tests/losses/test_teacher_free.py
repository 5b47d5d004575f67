"""Teacher-free distillation against the published numbers, and the average that the original takes."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget, soft_cross_entropy
from smoothlab.config.build import build
from smoothlab.losses import SelfDistillation, VirtualTeacher
from smoothlab.step import Step

EXACT = {"rtol": 1e-8, "atol": 1e-12}


def draw(*shape, seed=0, scale=3.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def cases_of(vectors, name):
    cases = [case for case in vectors("tf_kd")["cases"] if case["fn"] == name]
    assert cases
    return cases


def agree(case, loss, step=None, prior=None, epsilon=0.0):
    logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64, requires_grad=True)
    value = loss(logits, SoftTarget(torch.tensor(case["inputs"]["target"]), epsilon, prior), step).mean()
    value.backward()
    assert_close(value.detach(), torch.tensor(case["loss"], dtype=torch.float64), **EXACT)
    assert_close(logits.grad, torch.tensor(case["grad_logits"], dtype=torch.float64), **EXACT)


def test_virtual_teacher_published_numbers(vectors):
    for case in cases_of(vectors, "loss_kd_regularization"):
        params = case["params"]
        options = {"correct_probability": params["correct_prob"], "multiplier": params["multiplier"]}
        agree(case, VirtualTeacher(params["reg_alpha"], params["reg_temperature"], average="classes", **options))


def test_self_distillation_published_numbers(vectors):
    for case in cases_of(vectors, "loss_kd_self"):
        params, taught = case["params"], torch.tensor(case["inputs"]["teacher_logits"], dtype=torch.float64)
        loss = SelfDistillation(lambda x: x, params["alpha"], params["temperature"], params["multiplier"], "classes")
        agree(case, loss, Step(torch.tensor(case["inputs"]["target"]), features=taught))


def test_their_label_smoothing_has_the_exclusive_prior(vectors):
    for case in cases_of(vectors, "loss_label_smoothing"):

        def rows(logits, target, step):
            return soft_cross_entropy(logits, target, reduction="none")

        agree(case, rows, prior="exclusive", epsilon=case["params"]["alpha"])


@pytest.mark.parametrize("classes", [2, 10])
def test_the_original_averages_over_classes_too_so_that_its_share_is_divided_by_their_number(classes):
    logits, target = draw(4, classes), SoftTarget(torch.arange(4) % classes)
    ours, theirs = VirtualTeacher(0.1), VirtualTeacher(0.1, multiplier=classes, average="classes")
    assert_close(ours(logits, target), theirs(logits, target))


@pytest.mark.parametrize("tempered", [False, True])
def test_virtual_teacher_by_hand(tempered):
    p, label = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64), 1
    teacher = torch.tensor([[0.05, 0.9, 0.05]], dtype=torch.float64).div(2.0).softmax(-1)
    model = (p.log() / 2.0).log_softmax(-1) if tempered else p.log()
    distance = (teacher * (teacher.log() - model)).sum(-1) * (4 if tempered else 1)
    rows = VirtualTeacher(0.3, 2.0, 0.9, 5.0, tempered=tempered)(p.log(), SoftTarget(torch.tensor([label])))
    assert_close(rows, 0.7 * -p[:, label].log() + 0.3 * 5 * distance)


@pytest.mark.parametrize("tempered", [False, True])
def test_self_distillation_against_torch(tempered):
    logits, taught, target = draw(4, 5), draw(4, 5, seed=1), SoftTarget(torch.arange(4), 0.1)
    loss = SelfDistillation(lambda x: x, 0.6, 3.0, 2.0, tempered=tempered)
    model = (logits / 3 if tempered else logits).log_softmax(-1)
    distance = F.kl_div(model, (taught / 3).softmax(-1), reduction="none").sum(-1) * (9 if tempered else 1)
    expected = 0.4 * soft_cross_entropy(logits, target, reduction="none") + 0.6 * 2 * distance
    assert_close(loss(logits, target, Step(target.base, features=taught)), expected)


def test_without_a_share_it_is_the_cross_entropy():
    logits, target = draw(4, 5), SoftTarget(torch.arange(4), 0.2)
    assert_close(VirtualTeacher(0.0)(logits, target), soft_cross_entropy(logits, target, reduction="none"))


def test_at_a_high_temperature_the_virtual_teacher_is_label_smoothing():
    """Up to the entropy of the uniform distribution, which has no gradient."""
    logits, label = draw(4, 5), SoftTarget(torch.arange(4))
    smoothed = soft_cross_entropy(logits, SoftTarget(label.base, 0.1), reduction="none")
    rows = VirtualTeacher(0.1, temperature=1e9)(logits, label)
    assert_close(rows, smoothed - 0.1 * math.log(5))


def test_the_teacher_is_frozen_and_in_evaluation_whatever_the_step():
    net = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.5)).train()
    loss, features = SelfDistillation(net), torch.ones(4, 3)
    target = SoftTarget(torch.arange(4))
    logits = torch.zeros(4, 5, requires_grad=True)
    first, second = (loss(logits, target, Step(target.base, features=features)) for _ in range(2))
    assert torch.equal(first, second)
    first.sum().backward()
    assert logits.grad.any()
    assert all(weight.grad is None and not weight.requires_grad for weight in net.parameters())


def test_the_teacher_follows_the_precision_of_the_features():
    target, features = SoftTarget(torch.arange(4)), torch.ones(4, 3, dtype=torch.float64)
    loss = SelfDistillation(nn.Linear(3, 5))
    assert loss(draw(4, 5), target, Step(target.base, features=features)).dtype is torch.float64


def test_a_class_that_is_masked_is_as_if_the_teacher_did_not_know_it():
    logits, taught, left = draw(4, 5), draw(4, 5, seed=1), [0, 1, 3, 4]
    logits[:, 2] = -math.inf
    loss = SelfDistillation(lambda x: x, 0.6, 3.0, average="classes")
    rows = loss(logits, SoftTarget(torch.tensor([0, 1, 3, 4])), Step(torch.arange(4), features=taught))
    alone = loss(logits[:, left], SoftTarget(torch.arange(4)), Step(torch.arange(4), features=taught[:, left]))
    assert_close(rows, alone)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_masked_label_has_the_loss_inf_whatever_its_share(share):
    logits = torch.tensor([[-math.inf, 1.0, 2.0], [0.0, 1.0, 2.0]])
    target, step = SoftTarget(torch.tensor([0, 1])), Step(torch.tensor([0, 1]), features=torch.zeros(2, 3))
    for loss in (VirtualTeacher(share=share), SelfDistillation(nn.Identity(), share=share)):
        rows = loss(logits, target, step)
        assert rows[0] == math.inf
        assert rows[1].isfinite()


@pytest.mark.parametrize("of_a_run", [True, False])
def test_the_teacher_s_weights_come_from_a_checkpoint(tmp_path, of_a_run):
    trained, file = nn.Linear(3, 5), tmp_path / "teacher.ckpt"
    weights = trained.state_dict()
    if of_a_run:
        weights = {
            "state_dict": {f"net.{name}": value for name, value in weights.items()} | {"smoother": torch.ones(1)}
        }
    torch.save(weights, file)
    net = {"_target_": "torch.nn.Linear", "in_features": 3, "out_features": 5}
    loss = build({"_target_": "smoothlab.losses.SelfDistillation", "net": net, "checkpoint": str(file)}, "loss")
    assert torch.equal(loss.net.weight, trained.weight)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VirtualTeacher(1.5), "share = 1.5"),
        (lambda: VirtualTeacher(temperature=0), "temperature = 0"),
        (lambda: VirtualTeacher(multiplier=-1), "multiplier = -1"),
        (lambda: VirtualTeacher(correct_probability=2), "correct_probability = 2"),
        (lambda: VirtualTeacher(average="mean"), "average = 'mean': expected one of rows, classes"),
        (lambda: SelfDistillation(3), "net = 3"),
        (lambda: SelfDistillation(lambda x: x, checkpoint="a.ckpt"), "checkpoint = 'a.ckpt': expected none"),
        (lambda: SelfDistillation(nn.Linear(2, 2), checkpoint="nowhere.ckpt"), "a file that can be read"),
        (lambda: SelfDistillation(lambda x: x)(draw(1, 2), SoftTarget(torch.tensor([0]))), "step = None"),
        (
            lambda: SelfDistillation(lambda x: x)(
                draw(1, 2), SoftTarget(torch.tensor([0])), Step(torch.tensor([0]), features=draw(1, 3))
            ),
            r"net = 'logits of shape \(1, 3\)': expected shape \(1, 2\)",
        ),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()


def test_weights_that_do_not_fit_are_named(tmp_path):
    torch.save(nn.Linear(4, 4).state_dict(), tmp_path / "other.ckpt")
    (tmp_path / "broken.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(InvalidArgument, match="weights that fit the net"):
        SelfDistillation(nn.Linear(3, 5), checkpoint=tmp_path / "other.ckpt")
    with pytest.raises(InvalidArgument, match="expected a checkpoint"):
        SelfDistillation(nn.Linear(3, 5), checkpoint=tmp_path / "broken.ckpt")
