"""The controller: its rule by hand, its feedback loop on a toy model, its state."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from ranks import on_ranks

from smoothlab import InvalidArgument, Smoother
from smoothlab.smoothing import ClassInfo, Controller, Step, Uniform

INFO = ClassInfo(["cat", "dog", "elk"], [5, 3, 2])
LABELS = torch.tensor([0, 0, 1, 1, 2, -100, 2])
PREDICTED = torch.tensor([0, 0, 0, 1, 1, 1, 1])
CONFIDENCE = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.95, 0.99, 0.5], dtype=torch.float64)


def controller(**changes) -> Controller:
    arguments = {"gain": 0.5, "damping": 0.0, "maximum": 0.5, "start": 0.2, "scope": "global"}
    return Controller(**(arguments | changes))


def logits_of(predicted, confidence, classes=3):
    """Logits whose softmax has this largest entry, and the rest evenly."""
    rows = ((1 - confidence) / (classes - 1)).unsqueeze(1).repeat(1, classes)
    return rows.scatter(1, predicted.unsqueeze(1), confidence.unsqueeze(1)).log()


def validated(strength: Controller, part: slice = slice(None), batch: int = 3) -> Controller:
    logits = logits_of(PREDICTED, CONFIDENCE)[part]
    for start in range(0, len(logits), batch):
        strength.validate(logits[start : start + batch], LABELS[part][start : start + batch])
    strength.end_validation()
    return strength


def test_epsilon_moves_by_gain_times_gap():
    gap = (0.9 + 0.8 + 0.7 + 0.6 + 0.95 + 0.5) / 6 - 3 / 6
    assert validated(controller())(Step(LABELS)) == pytest.approx(0.2 + 0.5 * gap)


def test_the_gap_is_damped_from_zero_on():
    strength = controller(damping=0.75, gain=0.1)
    gap, epsilon, average = 4.45 / 6 - 3 / 6, 0.2, 0.0
    for _ in range(3):
        average = 0.75 * average + 0.25 * gap
        epsilon += 0.1 * average
        assert validated(strength)(Step(LABELS)) == pytest.approx(epsilon)
        assert strength.record() == {"gap": pytest.approx(average)}


def test_classes_have_the_gap_of_what_is_predicted_as_them_and_one_never_predicted_that_of_all():
    strength = validated(controller(scope="per_class"))
    gaps = [2.4 / 3 - 2 / 3, 2.05 / 3 - 1 / 3, 4.45 / 6 - 3 / 6]
    expected = [0.2 + 0.5 * gap for gap in gaps]
    assert strength(Step(torch.tensor([0, 1, 2]))).tolist() == pytest.approx(expected)


def test_epsilon_stays_between_zero_and_the_maximum():
    over, under = controller(gain=100.0), controller(gain=100.0)
    validated(over)
    assert over(Step(LABELS)) == 0.5
    under.validate(logits_of(torch.tensor([0]), torch.tensor([0.4], dtype=torch.float64)), torch.tensor([0]))
    under.end_validation()
    assert under(Step(LABELS)) == 0.0


def test_a_validation_without_samples_and_training_steps_change_nothing():
    strength = controller()
    strength.validate(torch.randn(2, 3), torch.tensor([-100, -100]))
    strength.end_validation()
    Smoother(strength, Uniform())(LABELS, logits=logits_of(PREDICTED, CONFIDENCE))
    strength.end_epoch()
    assert strength(Step(LABELS)) == 0.2


# The loop that it closes ----------------------------------------------------------------------------------------------


def run_loop(strength: Controller, *, lag: float, noise: float = 0.0, epochs: int = 200) -> np.ndarray:
    """Epsilons of a toy model with accuracy 0.8 whose confidence follows 0.95 - 0.8 epsilon, a share a validation."""
    random = np.random.default_rng(0)
    right, total, confidence, epsilons = 80, 100, 0.95, []
    labels = torch.tensor([0] * right + [1] * (total - right))
    predicted = torch.zeros(total, dtype=torch.int64)
    for _ in range(epochs):
        epsilon = strength(Step(labels))
        confidence += (1 - lag) * (0.95 - 0.8 * epsilon - confidence)
        seen = torch.full((total,), min(confidence + noise * random.normal(), 0.999), dtype=torch.float64)
        strength.validate(logits_of(predicted, seen, 2), labels)
        strength.end_validation()
        epsilons.append(strength(Step(labels)))
    return np.array(epsilons)


REST = 0.15 / 0.8  # where confidence is accuracy


@pytest.mark.parametrize(("damping", "lag"), [(0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.7)])
def test_a_gap_that_falls_with_epsilon_is_closed_without_swinging(damping, lag):
    path = run_loop(controller(gain=0.1, damping=damping, start=0.0), lag=lag)
    assert path[-1] == pytest.approx(REST, abs=1e-3)
    assert path.max() <= REST * 1.1
    crossings = np.diff(np.sign(path[np.abs(path - REST) > 1e-3] - REST)).astype(bool).sum()
    assert crossings <= 1


@pytest.mark.parametrize(("share", "swings"), [(0.999, False), (1.1, True)])
def test_the_largest_gain_without_swinging_is_the_one_that_is_stated(share, swings):
    damping, slope = 0.5, 0.8
    gain = share * (1 - math.sqrt(damping)) / (1 + math.sqrt(damping)) / slope
    path = run_loop(controller(gain=gain, damping=damping, start=0.0), lag=0.0)
    assert (path.max() > REST + 1e-9) == swings


def test_damping_quietens_a_noisy_gap():
    loud, quiet = (
        run_loop(controller(gain=0.1, damping=damping, start=0.0), lag=0.0, noise=0.05) for damping in (0.0, 0.5)
    )
    assert np.abs(np.diff(quiet[50:])).mean() < 0.7 * np.abs(np.diff(loud[50:])).mean()
    assert quiet[50:].mean() == pytest.approx(REST, abs=0.01)


# State ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["global", "per_class"])
def test_a_resumed_loop_goes_on_exactly(scope):
    whole = validated(controller(scope=scope, damping=0.6))
    whole.validate(logits_of(PREDICTED, CONFIDENCE)[:2], LABELS[:2])  # in the middle of a validation
    file = io.BytesIO()
    torch.save(Smoother(whole, Uniform()).state_dict(), file)
    file.seek(0)
    resumed = controller(scope=scope, damping=0.6)
    smoother = Smoother(resumed, Uniform())
    smoother.bind(INFO)
    smoother.load_state_dict(torch.load(file, weights_only=True))
    labels = torch.tensor([0, 1, 2])
    assert torch.equal(torch.as_tensor(resumed(Step(labels))), torch.as_tensor(whole(Step(labels))))
    for strength in (whole, resumed):
        validated(strength, slice(2, None))
        validated(strength)
    assert torch.equal(resumed.kept["epsilon"], whole.kept["epsilon"])
    assert torch.equal(resumed.kept["gap"], whole.kept["gap"])


@pytest.mark.parametrize("scope", ["global", "per_class"])
def test_how_a_validation_is_cut_does_not_matter(scope):
    first, other = (validated(controller(scope=scope), batch=batch).kept["epsilon"] for batch in (1, 7))
    torch.testing.assert_close(first, other, rtol=1e-14, atol=0)


def one_rank(rank: int) -> list:
    strength = controller(scope="per_class")
    strength.bind(INFO)
    return validated(strength, [slice(0, 5), slice(5, 7)][rank]).kept["epsilon"].tolist()


def test_two_ranks_move_as_one_process_does():
    expected = validated(controller(scope="per_class")).kept["epsilon"].tolist()
    first, second = on_ranks(one_rank)
    assert first == second == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gain": 0.0}, "gain = 0.0: expected a number above 0"),
        ({"damping": 1.0}, "damping = 1.0"),
        ({"maximum": 1.0}, "maximum = 1.0"),
        ({"start": 0.6}, "start = 0.6: expected at most maximum, 0.5"),
        ({"scope": None}, "scope = None"),
    ],
)
def test_arguments_outside_their_range_are_refused(changes, message):
    with pytest.raises(InvalidArgument, match=message):
        controller(**changes)
