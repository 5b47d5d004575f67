"""Negative smoothing: never by accident, never before its warm-up is over, and honest about what it has not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

import smoothlab
from smoothlab import InvalidArgument, Smoother, SoftTarget
from smoothlab.smoothing import Constant, Exclusive, Negative, Rules, Step, Uniform
from smoothlab.tasks.loss_meter import LossMeter

LABELS = torch.tensor([0, 2])
SHORT = ["logger=csv", "threads=1", "progress=none"]


@pytest.mark.parametrize("progress", [0.0, 0.29])
def test_the_warm_up_has_plain_labels(progress):
    target = Smoother(Negative(-0.5, warm_up=0.3), Uniform())(LABELS, progress=progress)
    assert target.epsilon == 0.0
    assert target.dense(3).tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("progress", [0.3, 1.0])
def test_then_the_label_gets_more_than_all_of_the_mass(progress):
    target = Smoother(Negative(-0.5, warm_up=0.3), Exclusive())(LABELS, progress=progress).validate()
    assert target.dense(3).tolist() == [[1.5, -0.25, -0.25], [-0.25, -0.25, 1.5]]


def test_the_two_weights_are_one_epsilon():
    assert Negative(-0.6, 0.0, plain_weight=2.0, smoothed_weight=1.0).epsilon == pytest.approx(-0.2)


def test_a_warm_up_has_to_be_given():
    with pytest.raises(TypeError, match="warm_up"):
        Negative(-0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": 1.1}, "rate = 1.1: expected a finite number of at most 1"),
        ({"rate": -math.inf}, "rate = -inf"),
        ({"warm_up": 1.0}, "warm_up = 1.0"),
        ({"plain_weight": -1.0}, "plain_weight = -1.0: expected a number >= 0"),
        ({"smoothed_weight": 0.0}, "smoothed_weight = 0.0: expected a number above 0"),
    ],
)
def test_arguments_outside_their_range_are_refused(changes, message):
    with pytest.raises(InvalidArgument, match=message):
        Negative(**({"rate": -0.5, "warm_up": 0.5} | changes))


# never by accident ----------------------------------------------------------------------------------------------------


class Careless:
    """A strength that goes below 0 and does not say so."""

    def __call__(self, step: Step) -> float:
        return -0.1


def test_nothing_else_goes_below_zero():
    with pytest.raises(InvalidArgument, match=r"epsilon = -0.1: expected a number in \[0, 1\)"):
        Constant(-0.1)
    with pytest.raises(InvalidArgument, match=r"epsilon = -0.1: expected a number in \[0, 1\)"):
        Smoother(Careless(), Uniform())(LABELS)
    with pytest.raises(InvalidArgument, match=r"expected values in \[0, 1\)"):
        SoftTarget(LABELS, torch.tensor([-0.1, 0.1])).validate()
    with pytest.raises(InvalidArgument, match=r"rules\[0\].epsilon = -0.1"):
        Rules([{"when": {"class": "a"}, "epsilon": -0.1}], 0.0)


@pytest.mark.parametrize("epsilon", [1.01, math.nan, -math.inf, True])
def test_a_signed_target_has_a_range_too(epsilon):
    with pytest.raises(InvalidArgument, match="expected a finite number of at most 1"):
        SoftTarget(LABELS, epsilon, signed=True)


@pytest.mark.parametrize("epsilon", [[1.01, 0.0], [math.nan, 0.0], [-math.inf, 0.0]])
def test_tensors_of_a_signed_target_are_validated(epsilon):
    with pytest.raises(InvalidArgument, match="expected finite values <= 1"):
        SoftTarget(LABELS, torch.tensor(epsilon), signed=True).validate()


def test_a_signed_target_stays_one():
    target = SoftTarget(LABELS.reshape(2, 1), torch.tensor([[-1.0], [0.5]]), signed=True)
    assert target.flatten().signed
    assert target.flatten().part(slice(0, 1)).signed
    assert replace(target, base=LABELS).signed


def test_a_rule_can_ask_for_it_by_name():
    rules = Rules([{"when": {"column": "noise", "at_least": 0.5}, "strength": Negative(-0.5, 0.0)}], 0.1)
    target = Smoother(rules, Uniform())(LABELS, metadata={"noise": torch.tensor([0.7, 0.2])}).validate()
    assert target.epsilon.tolist() == pytest.approx([-0.5, 0.1])


# what is not defined is not logged ------------------------------------------------------------------------------------


def test_entropy_is_defined_where_the_target_is_a_distribution():
    assert SoftTarget(LABELS, 0.0, signed=True).entropy(4) == 0.0
    assert SoftTarget(LABELS, 0.2, signed=True).entropy(4) == SoftTarget(LABELS, 0.2).entropy(4)
    assert SoftTarget(LABELS, 1.0, signed=True).entropy(4) == pytest.approx(math.log(4))
    assert math.isnan(SoftTarget(LABELS, -0.2, signed=True).entropy(4))
    assert math.isnan(SoftTarget(LABELS, torch.tensor([-0.2, 0.1]), signed=True).entropy(4))


def test_the_meter_leaves_out_what_is_not_defined():
    meter = LossMeter()
    meter.add(torch.tensor(1.0), 2, 0.0, 0.0, 0)
    meter.add(torch.tensor(-5.0), 2, math.nan, -0.5, 1)
    assert meter.read() is None
    summary = meter.summary()
    assert summary["train/loss"] == pytest.approx(-1.0)
    assert summary["smoothing/epsilon"] == pytest.approx(-0.25)
    assert "train/kl" not in summary
    assert "smoothing/target_entropy" not in summary


def test_a_run_logs_no_divergence_after_the_warm_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = smoothlab.train(["smoothing/strength=negative", "trainer.max_epochs=4", "callbacks=none", *SHORT])
    assert run.metrics["smoothing/epsilon"].tolist() == pytest.approx([0.0, 0.0, -0.4, -0.4])
    assert run.metrics["train/kl"].isna().tolist() == [False, False, True, True]
    assert run.metrics["train/loss"].notna().all()
