"""Scheduled strengths: closed forms, their shares of warm-up and hold, and the ranges of their arguments."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smoothlab import InvalidArgument, Smoother
from smoothlab.smoothing import Cosine, Exponential, Linear, Step, Stepwise, Uniform

SCHEDULES = [Linear, Cosine, Stepwise, Exponential]
LABELS = torch.tensor([0, 1])


def at(strength, progress):
    return strength(Step(LABELS, progress=progress))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("start", "end"), [(0.0, 0.2), (0.4, 0.0), (0.1, 0.1)])
def test_it_goes_from_start_to_end_exactly(schedule, start, end):
    strength = schedule(start=start, end=end)
    assert at(strength, 0.0) == start
    assert at(strength, 1.0) == end
    assert type(at(strength, 0.3)) is float


@pytest.mark.parametrize("progress", [0.0, 0.1, 0.25, 0.5, 0.8, 1.0])
def test_each_curve_is_its_closed_form(progress):
    p = progress
    assert at(Linear(0.3, 0.1), p) == pytest.approx(0.3 - 0.2 * p)
    assert at(Cosine(0.3, 0.1), p) == pytest.approx(0.2 + 0.1 * math.cos(math.pi * p))
    assert at(Exponential(0.32, 0.02, rate=math.log(16)), p) == pytest.approx(0.32 * (1 / 16) ** p)
    assert at(Exponential(0.0, 0.2, rate=-3.0), p) == pytest.approx(0.2 * (math.exp(3 * p) - 1) / (math.exp(3) - 1))


@pytest.mark.parametrize(
    ("progress", "epsilon"), [(0.0, 0.4), (0.24, 0.4), (0.25, 0.3), (0.5, 0.2), (0.74, 0.2), (0.75, 0.1), (1.0, 0.1)]
)
def test_steps_are_equal_in_height_and_length(progress, epsilon):
    assert at(Stepwise(start=0.4, end=0.1, jumps=3), progress) == pytest.approx(epsilon)


def test_a_jump_comes_at_its_own_step_and_not_one_later():
    assert 0.29 * 100 < 29  # rounding
    assert at(Stepwise(start=0.0, end=0.99, jumps=99), 0.29) == pytest.approx(0.29)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_warm_up_and_hold_are_shares_of_the_training(schedule):
    strength, plain = schedule(0.3, 0.0, warm_up=0.2, hold=0.3), schedule(0.3, 0.0)
    assert at(strength, 0.0) == at(strength, 0.1) == at(strength, 0.2) == 0.3
    assert at(strength, 0.7) == pytest.approx(0.0, abs=1e-12)
    assert at(strength, 0.75) == at(strength, 0.99) == at(strength, 1.0) == 0.0
    assert at(strength, 0.4) == pytest.approx(at(plain, 0.4))


def test_it_is_the_published_gradual_smoothing(vectors):
    for case in vectors("schedule_gradual")["cases"]:
        epochs = case["params"]["epochs"]
        strength = Linear(start=case["params"]["smoothing"], end=0.0)
        ours = [at(strength, epoch / (epochs - 1)) for epoch in range(epochs)]
        assert ours == pytest.approx(case["eps_per_epoch"], rel=1e-8, abs=1e-12)


def test_one_epoch_is_no_division_by_zero():
    """The original divides by epochs - 1; a schedule here knows progress only."""
    assert at(Linear(0.4, 0.0), 0.0) == 0.4


def test_a_smoother_passes_the_progress_on():
    smoother = Smoother(Cosine(start=0.0, end=0.2), Uniform())
    assert smoother(LABELS, progress=0.5).epsilon == pytest.approx(0.1)


@given(
    schedule=st.sampled_from(SCHEDULES),
    start=st.floats(0, 1, exclude_max=True),
    end=st.floats(0, 1, exclude_max=True),
    warm_up=st.floats(0, 0.49),
    hold=st.floats(0, 0.49),
    first=st.floats(0, 1),
    second=st.floats(0, 1),
)
def test_it_stays_in_its_range_and_never_turns_round(schedule, start, end, warm_up, hold, first, second):
    strength = schedule(start, end, warm_up, hold)
    earlier, later = (at(strength, progress) for progress in sorted((first, second)))
    low, high = sorted((start, end))
    assert low <= earlier <= high
    assert low <= later <= high
    assert (later - earlier) * (end - start) >= -1e-12


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": 1.0, "end": 0.1}, r"start = 1.0: expected a number in \[0, 1\)"),
        ({"start": 0.1, "end": -0.1}, r"end = -0.1: expected a number in \[0, 1\)"),
        ({"start": "0.1", "end": 0.1}, r"start = '0.1': expected a number in \[0, 1\)"),
        ({"start": 0.1, "end": math.nan}, r"end = nan: expected a number in \[0, 1\)"),
        ({"start": 0.1, "end": 0.0, "warm_up": 1.0}, r"warm_up = 1.0: expected a share of the training in \[0, 1\)"),
        ({"start": 0.1, "end": 0.0, "hold": True}, r"hold = True: expected a share of the training in \[0, 1\)"),
        ({"start": 0.1, "end": 0.0, "warm_up": 0.6, "hold": 0.5}, r"hold = 0.5: expected less than 0.4"),
    ],
)
def test_arguments_outside_their_range_are_refused(schedule, arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        schedule(**arguments)


@pytest.mark.parametrize("rate", [0, 60, math.inf, "5"])
def test_a_rate_that_is_no_curve_is_refused(rate):
    with pytest.raises(InvalidArgument, match=r"rate = .*: expected a number in \[-50, 50\], not 0"):
        Exponential(0.0, 0.1, rate=rate)


@pytest.mark.parametrize("jumps", [0, -1, 1.5, True])
def test_jumps_are_counted_from_one(jumps):
    with pytest.raises(InvalidArgument, match=r"jumps = .*: expected an integer of at least 1"):
        Stepwise(0.0, 0.1, jumps=jumps)
