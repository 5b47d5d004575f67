"""Targets by a teacher: distillation, and instance-based label smoothing against its published numbers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother, soft_cross_entropy
from smoothlab.smoothing import ClassInfo, Constant, Exclusive, Teacher, TeacherConfidence

EXACT = {"rtol": 1e-8, "atol": 1e-12}
SAME = nn.Identity()  # a teacher whose features are its logits


def number(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def instance_based(variant, smoothing, temperature):
    """The published variants: 1 and 11 are strengths, 2 is a prior, 12 and 112 are pairs of them."""
    rising = TeacherConfidence(SAME, smoothing, "rising", temperature)
    falling = TeacherConfidence(SAME, smoothing, "falling", temperature)
    others = Teacher(SAME, temperature, exclusive=True)
    pairs = {
        "1": (rising, Exclusive()),
        "11": (falling, Exclusive()),
        "2": (Constant(smoothing), others),
        "12": (rising, others),
        "112": (falling, others),
    }
    return Smoother(*pairs[variant])


def loss_of(case):
    """Our loss and gradient, and what the case is made of."""
    variant = case["cls"].removeprefix("ILabelSmoothingCrossEntropyLoss")
    labels, logits = torch.tensor(case["inputs"]["target"]), number(case["inputs"]["logits"], requires_grad=True)
    taught = number(case["inputs"]["teacher_logits"])
    smoother = instance_based(variant, case["params"]["smoothing"], case["params"]["temperature"])
    target = smoother(labels, logits=logits, features=taught).validate()
    loss = soft_cross_entropy(logits, target)
    (gradient,) = torch.autograd.grad(loss, logits)
    return variant, loss.detach(), gradient, labels, logits, taught


def test_published_losses_and_gradients_of_instance_based_smoothing(vectors):
    words = set()
    for case in vectors("instance_based_ls")["cases"]:
        variant, loss, gradient, *_ = loss_of(case)
        if variant in ("2", "11"):
            words.add(variant)
            assert_close(loss, number(case["loss"]), **EXACT)
            assert_close(gradient, number(case["grad_logits"]), **EXACT)
    assert words == {"2", "11"}


def test_deviation_versions_12_and_112_sum_to_one_here(vectors):
    """There the label keeps 1 - epsilon_i, but the others get epsilon and not epsilon_i: ours is without the excess."""
    for case in vectors("instance_based_ls")["cases"]:
        variant, loss, gradient, labels, logits, taught = loss_of(case)
        if variant not in ("12", "112"):
            continue
        smoothing, tau = case["params"]["smoothing"], (taught / case["params"]["temperature"]).softmax(1)
        plain = F.one_hot(labels, logits.shape[1]).double()
        confidence = (tau * plain).sum(1, keepdim=True)
        share = confidence if variant == "12" else 1 - confidence
        off = tau * (1 - plain) / (1 - confidence)
        excess = -(smoothing * (1 - share) * off * logits.log_softmax(1)).sum(1).mean()
        (of_excess,) = torch.autograd.grad(excess, logits)
        assert_close(loss + excess.detach(), number(case["loss"]), **EXACT)
        assert_close(gradient + of_excess, number(case["grad_logits"]), **EXACT)


def test_deviation_version_1_does_not_crash_here(vectors):
    for case in vectors("instance_based_ls")["cases"]:
        variant, loss, _, labels, logits, taught = loss_of(case)
        if variant == "1":
            assert "UnboundLocalError" in case["error"]
            classes = logits.shape[1]
            plain = F.one_hot(labels, classes).double()
            tau = (taught / case["params"]["temperature"]).softmax(1)
            epsilon = case["params"]["smoothing"] * (tau * plain).sum(1, keepdim=True)
            target = (1 - epsilon) * plain + epsilon * (1 - plain) / (classes - 1)
            assert_close(loss, -(target * logits.log_softmax(1)).sum(1).mean().detach(), **EXACT)


def nets(dtype=torch.float32):
    torch.manual_seed(0)
    student = nn.Linear(5, 4, dtype=dtype)
    teacher = nn.Sequential(nn.Linear(5, 8, dtype=dtype), nn.BatchNorm1d(8, dtype=dtype), nn.Linear(8, 4, dtype=dtype))
    features = torch.randn(6, 5, dtype=dtype)
    teacher(features)  # running means
    return student, teacher.eval(), features, torch.arange(6) % 4


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_student_is_taught_what_the_formula_says(exclusive):
    student, teacher, features, labels = nets()
    smoother = Smoother(Constant(0.7), Teacher(teacher, 3.0, exclusive))
    logits = student(features)
    loss = soft_cross_entropy(logits, smoother(labels, logits=logits, features=features).validate())
    with torch.no_grad():
        tau = (teacher(features) / 3.0).softmax(1)
    plain = F.one_hot(labels, 4)
    if exclusive:
        tau = tau * (1 - plain) / (tau * (1 - plain)).sum(1, keepdim=True)
    expected = -((0.3 * plain + 0.7 * tau) * logits.log_softmax(1)).sum(1).mean()
    assert_close(loss, expected)
    ours, theirs = (torch.autograd.grad(value, student.weight, retain_graph=True)[0] for value in (loss, expected))
    assert_close(ours, theirs)


def test_votes_are_confidence_and_are_left_out_by_their_share():
    taught, votes = number([[1.0, 0.0, -1.0], [0.0, 2.0, 1.0]]), number([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    tau = taught.softmax(1)
    smoother = Smoother(TeacherConfidence(SAME, 0.4, "rising", 1.0), Teacher(SAME, 1.0, exclusive=True))
    target = smoother(votes, features=taught).validate()
    assert_close(target.epsilon, 0.4 * (tau * votes).sum(1))
    left = tau * (1 - votes)
    assert_close(target.prior.rows, left / left.sum(1, keepdim=True))


def test_a_teacher_that_is_sure_still_tells_the_other_classes_apart():
    """1 - tau_y is 0 in single precision, so that the plain formula divides by it."""
    taught = torch.tensor([[200.0, 1.0, 0.0]])
    rows = Smoother(Constant(0.1), Teacher(SAME, 1.0, exclusive=True))(torch.tensor([0]), features=taught).prior.rows
    assert_close(rows, torch.cat([torch.zeros(1, 1), torch.tensor([[1.0, 0.0]]).softmax(1)], 1))


def test_the_teacher_is_no_part_of_the_student_and_never_trains():
    _, teacher, features, labels = nets()
    teacher.train()  # a copy is made of it, and set to evaluation
    smoother = Smoother(TeacherConfidence(teacher, 0.5, "falling", 1.0), Teacher(teacher, 1.0)).train()
    teacher.eval()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    first = smoother(labels, features=features).prior.rows
    assert_close(first, teacher(features).softmax(1).detach())
    teacher.train()  # by whoever has it
    second = smoother.train()(labels, features=features)
    assert_close(first, second.prior.rows, rtol=0, atol=0)
    assert not second.prior.rows.requires_grad
    assert not second.epsilon.requires_grad
    assert list(smoother.parameters()) == list(smoother.buffers()) == []
    assert smoother.state_dict() == {}
    assert all(parameter.requires_grad for parameter in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_a_teacher_in_another_precision_is_asked_in_its_own():
    _, teacher, features, labels = nets()
    smoother = Smoother(Constant(0.5), Teacher(teacher, 1.0))
    assert_close(smoother(labels, features=features.double()).prior.rows, teacher(features).softmax(1).detach())


def test_ignored_labels_have_a_distribution_and_an_epsilon_too():
    _, teacher, features, _ = nets()
    smoother = Smoother(TeacherConfidence(teacher, 0.5, "falling", 1.0), Teacher(teacher, 1.0, exclusive=True))
    target = smoother(torch.full((6,), -100), features=features).validate()
    assert ((target.epsilon >= 0) & (target.epsilon <= 0.5)).all()
    assert_close(target.prior.rows.sum(1), torch.ones(6, dtype=target.prior.rows.dtype))


def test_what_is_no_teacher_for_the_batch_is_refused():
    _, teacher, features, labels = nets()
    with pytest.raises(InvalidArgument, match=r"^features = None"):
        Smoother(Constant(0.5), Teacher(teacher, 1.0))(labels)
    with pytest.raises(InvalidArgument, match=r"^net = 'logits of shape \(6, 4\)': expected shape \(6, 3\)"):
        Smoother(Constant(0.5), Teacher(teacher, 1.0))(labels, logits=torch.zeros(6, 3), features=features)
    with pytest.raises(InvalidArgument, match=r"^net = 'a path'"):
        Teacher("a path", 1.0)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("temperature", lambda: Teacher(SAME, 0.0)),
        ("temperature", lambda: TeacherConfidence(SAME, 0.1, "falling", -1.0)),
        ("epsilon", lambda: TeacherConfidence(SAME, 1.0, "falling", 1.0)),
        ("formula", lambda: TeacherConfidence(SAME, 0.1, "sideways", 1.0)),
    ],
)
def test_arguments_out_of_range_are_refused(name, make):
    with pytest.raises(InvalidArgument, match=rf"^{name} = "):
        make()


def test_a_net_that_knows_its_classes_is_told_those_of_the_data():
    class Knowing(nn.Identity):
        def bind(self, info):
            raise InvalidArgument("net", info.class_names, "others")

    info = ClassInfo(["a", "b"], [1, 1])
    for smoother in (
        Smoother(Constant(0.5), Teacher(Knowing(), 1.0)),
        Smoother(TeacherConfidence(Knowing(), 0.1, "falling", 1.0), Exclusive()),
    ):
        with pytest.raises(InvalidArgument, match="others"):
            smoother.bind(info)
