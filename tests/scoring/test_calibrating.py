"""Which calibrators and decisions a run takes, and what unsmooth learns from its smoothing."""

import re
from types import SimpleNamespace

import pytest
import torch

from smoothlab.calibration import EachAnswer, Isotonic, Temperature, Unsmooth
from smoothlab.config.allowed import ALLOWED, ALLOWED_FROM_RUN
from smoothlab.errors import UserMistake
from smoothlab.rundir.identity import run_identity
from smoothlab.scoring.calibrating import Afterwards, afterwards_of, check_groups, make_afterwards
from smoothlab.smoothing import (
    ClassInfo,
    Constant,
    Exclusive,
    Linear,
    MultilabelSmoother,
    Ordinal,
    Smoother,
    Uniform,
    Vector,
)

HOME = "smoothlab.calibration"


def task(smoother=None, classes=3, kind="classification", costs=None):
    names = [f"c{k}" for k in range(classes)]
    return SimpleNamespace(kind=kind, class_names=names, smoother=smoother, costs=costs)


def made(name, of_task=None, **settings) -> Afterwards:
    return make_afterwards({"calibrator": {"_target_": f"{HOME}.{name}", **settings}}, of_task or task(), ALLOWED)


def test_nothing_is_made_of_nothing():
    for config in ({}, {"calibrator": {}, "decision": {}}):
        assert make_afterwards(config, task(), ALLOWED) == Afterwards(None, None)


def test_several_labels_are_calibrated_answer_by_answer():
    calibrator = made("Temperature", task(kind="multilabel")).calibrator
    assert isinstance(calibrator, EachAnswer)
    assert isinstance(calibrator.inner, Temperature)


@pytest.mark.parametrize(
    ("name", "of_task", "message"),
    [
        ("Temperature", task(kind="translation"), "calibrator: there is none for translation"),
        ("Unsmooth", task(kind="multilabel"), "calibrator: Unsmooth is for one label a sample"),
        ("LogitNormalisation", task(kind="multilabel"), "calibrator: LogitNormalisation is for one label a sample"),
        ("LogitNormalisation", task(classes=2), "calibrator: LogitNormalisation needs three classes"),
        ("Beta", task(classes=3), "calibrator: Beta is for two classes, the data have 3; take calibrator=dirichlet"),
        ("Split", task(), "calibrator._target_ = 'smoothlab.calibration.Split': expected one of"),
    ],
)
def test_what_does_not_fit_the_task_is_refused_before_anything_runs(name, of_task, message):
    with pytest.raises(UserMistake, match=re.escape(message)):
        made(name, of_task)


def test_a_wrong_number_names_its_key():
    with pytest.raises(UserMistake, match=re.escape("calibrator.floor = 2: expected")):
        made("Isotonic", floor=2)


MANY = [
    (Smoother(Constant(0.1), Uniform()), 0.1),
    (Smoother(Constant(0.1), Exclusive()), 0.1),
    (Smoother(Constant(0.3), Vector([1, 2, 3])), 0.3),
    (Smoother(Constant(0.2), Ordinal("exponential", 1.0)), 0.2),
    (Smoother(Constant(0.2), Uniform(), exclude=[2]), 0.2),
    (Smoother(Constant(0.0), Uniform()), 0.0),
]


@pytest.mark.parametrize(("smoother", "epsilon"), MANY)
def test_unsmooth_takes_back_what_a_constant_smoothing_does(smoother, epsilon):
    names = ["c0", "c1", "c2"]
    smoother.bind(ClassInfo(names, [5, 5, 5]))
    calibrator = made("Unsmooth", task(smoother), epsilon=None, prior=None, floor=0).calibrator
    assert isinstance(calibrator, Unsmooth)
    assert calibrator.epsilon == epsilon
    p = torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.3, 0.5]], dtype=torch.float64)
    q = p @ smoother(torch.arange(3), logits=torch.zeros(3, 3)).dense(3).double()
    torch.testing.assert_close(calibrator(q.log()).softmax(1), p, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "smoother", [Smoother(Linear(0.0, 0.2), Uniform()), MultilabelSmoother(Constant(0.1), Uniform())]
)
def test_unsmooth_refuses_a_smoothing_that_is_not_constant(smoother):
    with pytest.raises(UserMistake, match=re.escape("calibrator.epsilon = None: smoothing has")):
        made("Unsmooth", task(smoother), epsilon=None)


def test_unsmooth_takes_numbers_by_hand_whatever_the_smoothing():
    smoother = Smoother(Linear(0.0, 0.2), Uniform())
    assert made("Unsmooth", task(smoother), epsilon=0.2).calibrator.epsilon == 0.2
    with pytest.raises(UserMistake, match=re.escape("calibrator.prior: is of 2 classes, the data have 3")):
        made("Unsmooth", task(smoother), epsilon=0.2, prior=[0.5, 0.5])


def decided(of_task, **settings):
    return make_afterwards(
        {"decision": {"_target_": f"{HOME}.decision.{settings.pop('name')}", **settings}}, of_task, ALLOWED
    )


def test_costs_come_from_the_task_where_the_decision_has_none():
    costs = [[0.0, 1.0], [5.0, 0.0]]
    assert decided(task(classes=2, costs=costs), name="Costs", costs=None).decision.settings() == {"costs": costs}
    with pytest.raises(UserMistake, match=re.escape("decision.costs = None: expected the cost")):
        decided(task(classes=2), name="Costs", costs=None)


def test_decisions_are_for_one_label_a_sample():
    with pytest.raises(UserMistake, match="decision: is for one label a sample, the task is multilabel"):
        decided(task(kind="multilabel"), name="Costs", costs=[[0]])


@pytest.mark.parametrize("name", ["calibrator", "decision"])
def test_what_is_no_option_is_refused(name):
    with pytest.raises(UserMistake, match=f"{name} = None: expected one of its options"):
        check_groups({name: None})


def test_a_checkpoint_gives_them_back_and_a_damaged_one_says_so():
    afterwards = made("Temperature")
    afterwards.fit_calibrator(torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), torch.tensor([0, 2]))
    state = {"class_names": ["a", "b", "c"], **afterwards.to_state()}
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    again = afterwards_of(state).calibrated([{"logits": logits, "rows": 1}])
    assert torch.equal(again[0]["logits"], afterwards.calibrator(logits))
    assert again[0]["rows"] == 1
    assert afterwards_of({"class_names": ["a"]}) == Afterwards(None, None)
    with pytest.raises(UserMistake, match=r"the checkpoint's calibrator.kind = 'x'"):
        afterwards_of({"class_names": ["a"], "calibrator": {"format": 1, "kind": "x"}})


def test_a_run_without_is_the_same_run_as_before_there_were_any_and_with_another():
    before = {"seed": 1}
    none = before | {"calibrator": {}, "decision": {}}
    assert run_identity(none, "data") == run_identity(before, "data")
    for name in ("calibrator", "decision"):
        assert run_identity(none | {name: {"_target_": "x"}}, "data") != run_identity(before, "data")


def test_a_run_directory_may_name_calibrators():
    assert HOME in ALLOWED_FROM_RUN
    assert isinstance(made("Isotonic").calibrator, Isotonic)
