"""Every strength with every loss and penalty: it trains with finite numbers, or is refused before anything is made."""

from __future__ import annotations

import copy
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import torch
from smoothing_options import TOLD

from smoothlab import InvalidArgument, Smoother, SoftTarget
from smoothlab.classes import ClassInfo, NeedsClasses
from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.errors import UserMistake
from smoothlab.learner import learners_in
from smoothlab.losses import BiTempered, SymmetricCrossEntropy, soft_cross_entropy
from smoothlab.losses.loss import check_smoother
from smoothlab.models.teacher import without_teachers
from smoothlab.nets import MLP
from smoothlab.smoothing import Constant, Negative, Rules, Uniform
from smoothlab.step import Step
from smoothlab.training.preparing import check_config

CONF = Path(__file__).resolve().parents[2] / "conf"
INFO = ClassInfo(["benign", "malignant"], [357, 212], num_rows=12, num_samples=12)
NET = "{_target_: smoothlab.nets.MLP, in_features: 3, num_classes: 2, hidden: [4]}"
LOSS_TOLD = {
    "hierarchical": ["loss.tree=[benign,malignant]"],
    "self_distillation": [f"loss.net={NET}", "loss.checkpoint=teacher.ckpt"],
}
STEPS = (0.0, 0.3, 0.6, 0.99)


def options(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@cache
def parts():
    """Smoothers, losses and penalties by their options' names; as few compositions as can be, since they take long."""
    strengths, losses = options("smoothing/strength"), options("loss")
    choices = {"strength": {}, "loss": {}, "penalty": {"none": {}}}
    for number, strength in enumerate(strengths):
        loss = losses[number % len(losses)]
        words = [f"smoothing/strength={strength}", *TOLD.get(f"smoothing/strength/{strength}", [])]
        config = plain(compose_config("train", [*words, f"loss={loss}", *LOSS_TOLD.get(loss, [])]))
        choices["strength"][strength] = made(without_teachers(config["smoothing"]), "smoothing")
        choices["loss"][loss] = made(config["loss"], "loss")
    others = [name for name in options("penalty") if name != "none"]
    penalties = made(plain(compose_config("train", [f"penalty=[{','.join(others)}]"]))["penalty"], "penalty")
    choices["penalty"] |= {name: {name: penalty} for name, penalty in penalties.items()}
    assert set(choices["loss"]) == set(losses)
    assert set(choices["penalty"]) == {*others, "none"}
    return choices


def made(node, key):
    part = build(node, key)
    for choice in part.values() if isinstance(part, dict) else [part]:
        if isinstance(choice, NeedsClasses):
            choice.bind(INFO)
    return part


@pytest.fixture(autouse=True)
def teacher(tmp_path, monkeypatch):
    """A folder with the weights of a teacher in it."""
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {f"net.{k}": v for k, v in MLP(3, 2, hidden=[4]).state_dict().items()}}, "teacher.ckpt")


def train(smoother, loss, penalties):
    """A few steps over the whole training, with a validation between; all losses, and the net."""
    smoother, loss, penalties = copy.deepcopy((smoother, loss, penalties))
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 2)
    features, labels = torch.randn(12, 3), torch.arange(12) % 2
    metadata = {"agreement": torch.linspace(0.5, 1, 12)}
    optimizer = torch.optim.SGD([*net.parameters(), *smoother.parameters()], lr=0.1)
    learners = learners_in(smoother, *([loss] if loss else []), *penalties.values())
    values = []
    for progress in STEPS:
        logits = net(features)
        as_logits = features[:, :2]  # what a teacher that is left out gives: its features
        step = Step(labels, logits.detach(), progress, torch.arange(12), metadata, features)
        of_teacher = Step(labels, logits.detach(), progress, torch.arange(12), metadata, as_logits)
        target = smoother.target(of_teacher)
        rows = loss(logits, target, step) if loss else soft_cross_entropy(logits, target, reduction="none")
        total = sum((penalty(logits, target, step) for penalty in penalties.values()), rows).mean()
        total.backward()
        optimizer.step()
        optimizer.zero_grad()
        values.append(total.item())
        for learner in learners:
            learner.validate(logits.detach(), labels)
            learner.end_validation()
            learner.end_epoch()
    return torch.tensor(values), net


def check(strength, name, penalty):
    smoother, loss = parts()["strength"][strength], parts()["loss"][name] or None
    try:
        check_smoother(loss, smoother)
    except InvalidArgument:
        assert (strength, name) in {("negative", "bi_tempered"), ("negative", "symmetric")}
        return
    values, net = train(smoother, loss, parts()["penalty"][penalty])
    assert values.isfinite().all(), (strength, name, penalty)
    assert all(bool(weight.isfinite().all()) for weight in net.parameters()), (strength, name, penalty)


# A penalty is added to the loss, and sees the smoother's target alone: pairs are all that can go wrong.
@pytest.mark.parametrize("strength", options("smoothing/strength"))
def test_each_strength_trains_with_each_loss_and_penalty_or_is_refused(strength):
    for name in options("loss"):
        check(strength, name, "none")
    for penalty in options("penalty"):
        check(strength, "cross_entropy", penalty)


@pytest.mark.parametrize("strength", ["constant", "negative"])
def test_each_loss_trains_with_each_penalty_or_is_refused(strength):
    for name, penalty in product(options("loss"), options("penalty")):
        check(strength, name, penalty)


@pytest.mark.parametrize("loss", ["bi_tempered", "symmetric"])
@pytest.mark.parametrize(
    "strength",
    [
        ["smoothing/strength=negative"],
        ["smoothing/strength=rules", "smoothing.strength.rules=[{when: {class: benign}, strength: {_target_: "
         "smoothlab.smoothing.Negative, rate: -0.5, warm_up: 0.5}}]"],
    ],
)  # fmt: skip
def test_a_loss_with_powers_or_logarithms_of_the_target_refuses_what_goes_below_0(loss, strength):
    with pytest.raises(UserMistake, match=r"^smoothing\.strength = '(Negative|Rules)': expected one that never goes"):
        check_config(plain(compose_config("train", [f"loss={loss}", *strength])))


def test_a_negative_strength_that_never_goes_below_0_is_taken():
    words = ["loss=bi_tempered", "smoothing/strength=negative", "smoothing.strength.rate=0.3"]
    check_config(plain(compose_config("train", words)))


@pytest.mark.parametrize("loss", [BiTempered(), SymmetricCrossEntropy()])
def test_in_a_loop_of_ones_own_such_a_target_is_refused_too(loss):
    labels, logits = torch.tensor([0, 1]), torch.zeros(2, 3)
    for strength in (
        Negative(-0.5, 0.0),
        Rules([{"when": {"column": "x", "below": 1}, "strength": Negative(-0.5, 0.0)}], 0.1),
    ):
        target = Smoother(strength, Uniform())(labels, metadata={"x": torch.tensor([0.0, 2.0])})
        with pytest.raises(InvalidArgument, match=r"target\.epsilon"):
            loss(logits, target)
    assert loss(logits, SoftTarget(labels, 0.3, signed=True)).isfinite().all()
    assert loss(logits, Smoother(Constant(0.2), Uniform())(labels)).isfinite().all()
