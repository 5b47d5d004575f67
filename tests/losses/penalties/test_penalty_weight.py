"""Weights of penalties that change with the training: any strength without a state may be one."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget
from smoothlab.config.build import build
from smoothlab.learner import Learner
from smoothlab.losses import penalties
from smoothlab.losses.penalties import ACLS, MaxSup
from smoothlab.smoothing import Constant, Linear
from smoothlab.step import Step

KINDS = [getattr(penalties, name) for name in penalties.__all__ if name != "Penalty"]
WEIGHTS = [
    (kind, name)
    for kind in KINDS
    for name in getattr(kind, "__dataclass_fields__", {})
    if name == "weight" or name.endswith("_weight")
]
LOGITS = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 8
TARGET = SoftTarget(torch.tensor([0, 1, 2, 3]))


def rows(penalty, progress=None):
    step = None if progress is None else Step(TARGET.base, LOGITS, progress, features=LOGITS)
    return penalty(LOGITS, TARGET, step)


@pytest.mark.parametrize(("kind", "name"), WEIGHTS)
@pytest.mark.parametrize("progress", [0.0, 0.25, 1.0])
def test_a_schedule_is_the_number_of_its_step(kind, name, progress):
    scheduled, number = kind(**{name: Linear(0.1, 0.5)}), kind(**{name: 0.1 + 0.4 * progress})
    assert_close(rows(scheduled, progress), rows(number, progress))
    assert not torch.equal(rows(scheduled, progress), rows(kind(**{name: 0.7}), progress))


@pytest.mark.parametrize(("kind", "name"), WEIGHTS)
def test_a_schedule_without_a_step_is_an_error(kind, name):
    with pytest.raises(InvalidArgument, match=f"^step = None: expected the training step, since {name} is Linear$"):
        rows(kind(**{name: Linear(0.1, 0.2)}))


def test_a_weight_may_be_one_for_each_row():
    weights = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    assert_close(rows(MaxSup(lambda step: weights), 0.5), weights * rows(MaxSup(1.0)))


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, "0.1", None])
def test_a_schedule_that_gives_no_weight_is_an_error(value):
    with pytest.raises(InvalidArgument, match=r"^weight = "):
        rows(MaxSup(lambda step: value), 0.5)


@pytest.mark.parametrize("name", ["weight", "predicted_weight", "other_weight"])
@pytest.mark.parametrize("value", [-0.1, math.nan, "0.1", True, None])
def test_a_weight_out_of_range_is_an_error(name, value):
    with pytest.raises(InvalidArgument, match=f"^{name} = "):
        ACLS(**{name: value})


def test_a_weight_that_learns_is_an_error():
    """The training loop looks for learners in modules; here it would not be found, and never learn."""
    with pytest.raises(InvalidArgument, match=r"^weight = 'Learner': expected a number, or a schedule"):
        MaxSup(Learner())


def test_a_constant_strength_is_its_number():
    assert_close(rows(MaxSup(Constant(0.3)), 0.5), rows(MaxSup(0.3)))


def test_a_config_can_hold_it():
    node = {"_target_": "smoothlab.smoothing.Linear", "start": 0.1, "end": 0.2}
    penalty = build({"_target_": "smoothlab.losses.penalties.MaxSup", "weight": node}, "penalty.max_suppression")
    assert penalty == MaxSup(Linear(0.1, 0.2))
