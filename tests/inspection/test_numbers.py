"""The numbers of an inspection against closed forms and brute force."""

import math

import pytest
import torch

from smoothlab.classes import ClassInfo
from smoothlab.data.batch import Batch
from smoothlab.inspection import Inspection, Probe
from smoothlab.inspection.parts import described, moved_by
from smoothlab.inspection.probe import CELLS, MOST_ROWS
from smoothlab.inspection.words import percent
from smoothlab.learner import Learner
from smoothlab.smoothing import ByClass, Column, Constant, Exclusive, Linear, Smoother, Sord, Uniform
from smoothlab.targets import PerSample


def inspection(strength, prior, labels, k, **batch):
    counts = torch.bincount(labels, minlength=k).tolist()
    names = [f"c{index}" for index in range(k)]
    smoother = Smoother(strength, prior)
    smoother.bind(ClassInfo(names, counts, len(labels)))
    rows = Batch(torch.zeros(len(labels), 1), labels, torch.arange(len(labels)), **batch)
    return Inspection(smoother, Probe.of(rows, k), names, counts)


@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize("epsilon", [0.01, 0.1, 0.7])
def test_the_gap_of_uniform_smoothing_is_the_known_one(k, epsilon):
    targets = inspection(Constant(epsilon), Uniform(), torch.arange(k), k).targets
    gap = math.log((1 - epsilon) * k / epsilon + 1)
    assert targets.smallest_gap.tolist() == targets.largest_gap.tolist() == [pytest.approx(gap)] * k
    # a softmax with this gap gives the target back
    logits = gap * torch.eye(k, dtype=torch.float64)
    assert torch.allclose(torch.softmax(logits, 1), targets.matrix, atol=1e-9)


def test_the_floor_is_the_least_loss_that_any_logits_reach():
    targets = inspection(Constant(0.2), Sord(1.0), torch.arange(4), 4).targets
    at_best = -(targets.matrix * targets.matrix.log()).sum(1)
    assert targets.entropy.tolist() == pytest.approx(at_best.tolist())
    worse = -(targets.matrix * torch.log_softmax(torch.randn(4, 4, dtype=torch.float64), 1)).sum(1)
    assert (targets.entropy < worse).all()


def test_epsilon_by_sample_is_averaged_over_each_class_and_the_whole():
    noise = torch.tensor([0.0, 1.0, 0.5, 0.5, 0.0, 0.0])
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    strength = Column("noise", "rising", minimum=0, maximum=1, low=0.0, high=0.4, missing=0.1)
    targets = inspection(strength, Exclusive(), labels, 3, metadata={"noise": noise})
    assert targets.targets.epsilon.tolist() == pytest.approx([0.2, 0.4 / 3, 0.0])
    assert targets.epsilon.mean[0] == pytest.approx(0.8 / 6)
    assert (targets.epsilon.low[0], targets.epsilon.high[0]) == (0.0, pytest.approx(0.4))
    assert targets.by_confidence == {}
    # the floor of a class is the mean of its rows' entropies, not the entropy of the mean
    rows = [0.0, -(0.6 * math.log(0.6) + 0.4 * math.log(0.2))]
    assert float(targets.targets.entropy[0]) == pytest.approx(sum(rows) / 2)


def test_rows_of_a_prior_by_sample_are_averaged_by_class():
    table = torch.tensor([[0.5, 0.5], [0.1, 0.9], [0.0, 1.0]], dtype=torch.float64)

    def prior(step):
        return PerSample(table[step.rows])

    targets = inspection(Constant(0.5), prior, torch.tensor([0, 0, 1]), 2).targets
    assert targets.matrix[0].tolist() == pytest.approx([0.5 + 0.5 * 0.3, 0.5 * 0.7])
    assert targets.matrix[1].tolist() == [0.0, 1.0]
    assert targets.largest_gap.tolist()[1] == math.inf


def test_a_large_probe_keeps_every_class_and_weighs_it_by_its_rows():
    labels = torch.cat([torch.zeros(3 * MOST_ROWS, dtype=torch.int64), torch.arange(3)])
    inspected = inspection(ByClass([0.1, 0.2, 0.4]), Uniform(), labels, 3)
    assert len(inspected.probe.classes) <= MOST_ROWS + 3
    assert float(inspected.probe.weights.sum()) == pytest.approx(len(labels))
    mean = (0.1 * (3 * MOST_ROWS + 1) + 0.2 + 0.4) / len(labels)
    assert inspected.epsilon.mean[0] == pytest.approx(mean)
    assert inspected.targets.counts.tolist() == pytest.approx([3 * MOST_ROWS + 1, 1, 1])


def test_of_very_many_classes_the_largest_are_asked_about():
    k = CELLS // 8
    labels = torch.cat([torch.arange(100), torch.full((50,), k - 1)])
    probe = Probe.of(Batch(torch.zeros(150, 1), labels, torch.arange(150)), k)
    assert len(probe.classes) <= 64
    assert int(probe.classes.max()) == k - 1


def test_the_made_up_model_has_the_confidence_that_it_is_said_to_have():
    probe = Probe.of(Batch(torch.zeros(5, 1), torch.arange(5), torch.arange(5)), 5)
    right = torch.softmax(probe.step(0.0, 0.7).logits, 1)
    assert right.diagonal().tolist() == pytest.approx([0.7] * 5)
    wrong = torch.softmax(probe.step(0.0, 0.7, right=False).logits, 1)
    assert wrong.amax(1).tolist() == pytest.approx([0.7] * 5)
    assert (wrong.argmax(1) != torch.arange(5)).all()


def test_strongest_and_last_change_of_a_schedule_are_found():
    curve = inspection(Linear(0.2, 0.0, warm_up=0.2, hold=0.3), Uniform(), torch.arange(2), 2).epsilon
    assert curve.strongest == 0.0
    assert curve.last_change == pytest.approx(0.7, abs=0.011)
    assert inspection(Linear(0.0, 0.2), Uniform(), torch.arange(2), 2).epsilon.strongest == 1.0


def test_asking_teaches_a_learner_nothing():
    class Counting(Learner):
        def __init__(self):
            super().__init__()
            self.kept = {"epsilon": torch.tensor(0.1)}
            self.seen = {"steps": torch.zeros(())}

        def observe(self, step):
            self.seen["steps"] += 1

        def learn_from_training(self):
            self.kept["epsilon"] += 1

        def __call__(self, step):
            return self.kept["epsilon"]

        def describe(self):
            return "a counting\n  strength"

    learner = Counting()
    inspected = inspection(learner, Uniform(), torch.arange(3), 3)
    inspected.json()
    assert float(learner.seen["steps"]) == 0
    assert moved_by(learner) == "the training steps, at each epoch's end"
    assert described(learner) == "a counting strength"
    assert inspected.learned[0].key == "smoothing.strength"


def test_a_class_without_rows_is_told():
    inspected = inspection(Constant(0.1), Uniform(), torch.tensor([0, 0, 2]), 3)
    assert any("no training row of c1" in text for text in inspected.warnings)
    assert inspected.targets.classes.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (1, "100%"), (0.9, "90.0%"), (0.05, "5%"), (0.00034, "0.034%"), (0.99996, "99.996%"), (1.2, "120.0%")],
)
def test_shares_are_told_from_0_and_1(share, text):
    assert percent(share) == text
