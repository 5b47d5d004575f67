"""A run without an end is refused where something changes with its progress, however deep it stands."""

from __future__ import annotations

import pytest

from smoothlab import Smoother, UserMistake
from smoothlab.config.compose import compose_config, plain
from smoothlab.losses.penalties import MarginPenalty
from smoothlab.progress import following_progress
from smoothlab.smoothing import Constant, Half, Linear, MultilabelSmoother, Negative, Uniform
from smoothlab.training.preparing import check_config

ENDLESS = ["trainer.max_epochs=-1", "logger=none"]
LINEAR = "{_target_: smoothlab.smoothing.Linear, start: 0.0, end: 0.2}"


def checked(*words):
    return check_config(plain(compose_config("train", [*ENDLESS, *words])))


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["smoothing=gradual"], "smoothing that changes with progress (Linear)"),
        (["smoothing/strength=negative"], "smoothing that changes with progress (Negative)"),
        (
            [
                "smoothing/strength=rules",
                f"smoothing.strength.rules=[{{when: {{class: benign}}, strength: {LINEAR}}}]",
            ],
            "smoothing that changes with progress (Linear)",
        ),
        (
            [f"penalty.confidence.weight={LINEAR}", "penalty=confidence"],
            "penalty that changes with progress (Linear)",
        ),
    ],
)
def test_it_is_refused_in_one_line(words, what):
    with pytest.raises(UserMistake) as caught:
        checked(*words)
    assert str(caught.value) == f"trainer.max_epochs = -1: {what} needs an end; give a number"


def test_what_does_not_change_may_go_on_without_end():
    checked("smoothing=standard", "penalty=confidence", "loss=focal")
    checked("smoothing/strength=negative", "smoothing.strength.warm_up=0")


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (Smoother(Linear(0.0, 0.2), Uniform()), "Linear"),
        (Smoother(Negative(-1.0, warm_up=0.5), Uniform()), "Negative"),
        (Smoother(Negative(-1.0, warm_up=0.0), Uniform()), None),
        (Smoother(Constant(0.1), Uniform()), None),
        (MultilabelSmoother(Linear(0.0, 0.2), Half()), "Linear"),
        ({"margin": MarginPenalty(margin=1.0, weight=Linear(0.0, 0.1))}, "Linear"),
    ],
)
def test_it_is_found_by_its_class(part, name):
    names = following_progress(part)
    assert (None if names is None else type(names).__name__) == name


def test_parts_that_hold_one_another_come_to_an_end():
    class Ring:
        pass

    first, other = Ring(), Ring()
    first.other, other.other = other, first
    assert following_progress(first) is None
    other.schedule = [{"deep": (Linear(0.0, 0.1),)}]
    assert isinstance(following_progress(first), Linear)
