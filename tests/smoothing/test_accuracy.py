"""Strength by accuracy: the formula by hand, and state that is exact wherever it is carried."""

from __future__ import annotations

import io

import pytest
import torch
from ranks import on_ranks

from smoothlab import InvalidArgument, Smoother
from smoothlab.smoothing import Accuracy, ClassInfo, Step, Uniform

INFO = ClassInfo(["cat", "dog", "elk"], [5, 3, 2])
LABELS = torch.tensor([0, 0, 0, 0, 1, 1, -100, 1])
PREDICTED = torch.tensor([0, 0, 0, 1, 1, 0, 2, 2])  # right: three of four cats, one of three dogs


def logits_of(predicted: torch.Tensor, classes: int = 3) -> torch.Tensor:
    return torch.nn.functional.one_hot(predicted, classes).float() * 2 - 1


def accuracy(**changes) -> Accuracy:
    arguments = {"low": 0.1, "high": 0.4, "power": 1.0, "start": 0.25, "scope": "global", "source": "running"}
    return Accuracy(**(arguments | changes))


def taught(strength: Accuracy, *, labels=LABELS, predicted=PREDICTED, batch: int = 3) -> Smoother:
    """A smoother after one epoch of training steps, or one validation, in batches of this size."""
    smoother = Smoother(strength, Uniform())
    for part in torch.arange(len(labels)).split(batch):
        smoother(labels[part], logits=logits_of(predicted[part]))
        strength.validate(logits_of(predicted[part]), labels[part])
    strength.end_validation()
    strength.end_epoch()
    return smoother


def test_the_first_epoch_has_the_starting_value():
    smoother = Smoother(accuracy(), Uniform())
    for _ in range(3):
        assert smoother(LABELS, logits=logits_of(PREDICTED)).epsilon == 0.25


@pytest.mark.parametrize("source", ["running", "validation"])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_epsilon_follows_the_accuracy_above_chance(source, power):
    smoother = taught(accuracy(source=source, power=power))
    a = (4 / 7 - 1 / 3) / (2 / 3)
    assert smoother(LABELS, logits=logits_of(PREDICTED)).epsilon == pytest.approx(0.1 + 0.3 * (1 - a) ** power)
    assert smoother.strength.record() == {"accuracy": pytest.approx(4 / 7)}


def test_each_class_has_its_own_and_one_without_samples_that_of_all():
    smoother = taught(accuracy(scope="per_class"))
    a = [(3 / 4 - 1 / 3) / (2 / 3), 0.0, (4 / 7 - 1 / 3) / (2 / 3)]
    epsilon = smoother(torch.tensor([0, 1, 2]), logits=logits_of(torch.tensor([0, 1, 2]))).epsilon
    assert epsilon.tolist() == pytest.approx([0.1 + 0.3 * (1 - accuracy_of_class) for accuracy_of_class in a])


@pytest.mark.parametrize(("predicted", "epsilon"), [([1, 2, 1, 2, 2, 0, 0, 2], 0.4), ([0, 0, 0, 0, 1, 1, 0, 1], 0.1)])
def test_below_chance_is_high_and_perfect_is_low(predicted, epsilon):
    assert taught(accuracy(), predicted=torch.tensor(predicted)).strength(Step(LABELS)) == pytest.approx(epsilon)


def test_votes_count_by_their_mode():
    votes = torch.tensor([[0.6, 0.4, 0.0], [0.2, 0.3, 0.5], [0.1, 0.9, 0.0]])
    strength = accuracy(scope="per_class")
    taught(strength, labels=votes, predicted=torch.tensor([0, 2, 2]))
    a = torch.tensor([1.0, 0.0, 1.0])  # by class
    expected = (votes * (0.1 + 0.3 * (1 - a))).sum(1)
    assert strength(Step(votes)).tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize("scope", ["global", "per_class"])
def test_what_is_learned_does_not_depend_on_how_an_epoch_is_cut(scope):
    first, other = (taught(accuracy(scope=scope), batch=batch).strength for batch in (1, 8))
    assert torch.equal(first.kept["epsilon"], other.kept["epsilon"])


def test_an_epoch_without_samples_changes_nothing():
    strength = taught(accuracy()).strength
    before = strength(Step(LABELS))
    strength.end_epoch()
    assert strength(Step(LABELS)) == before != strength.start


def test_each_epoch_forgets_the_one_before():
    strength = taught(accuracy()).strength
    Smoother(strength, Uniform())(torch.tensor([0]), logits=logits_of(torch.tensor([0])))
    strength.end_epoch()
    assert strength(Step(LABELS)) == pytest.approx(0.1)


@pytest.mark.parametrize("source", ["running", "validation"])
def test_only_its_source_teaches_it(source):
    strength = accuracy(source=source)
    if source == "running":
        strength.validate(logits_of(PREDICTED), LABELS)
    else:
        strength.observe(Step(LABELS, logits_of(PREDICTED)))
    strength.end_validation()
    strength.end_epoch()
    assert strength(Step(LABELS)) == strength.start


def test_evaluation_leaves_it_untouched():
    smoother = taught(accuracy())
    smoother.eval()
    before = {name: value.clone() for name, value in (smoother.strength.kept | smoother.strength.seen).items()}
    smoother(LABELS, logits=logits_of(PREDICTED))
    after = smoother.strength.kept | smoother.strength.seen
    assert all(torch.equal(before[name], after[name]) for name in before)


def go_on(smoother: Smoother) -> list:
    """The epsilons of the rest of the epoch and of another one."""
    epsilons = []
    for part in (slice(4, 8), slice(0, 3)):
        epsilon = smoother(LABELS[part], logits=logits_of(PREDICTED[part])).epsilon
        epsilons.append(torch.as_tensor(epsilon).tolist())
        smoother.strength.end_epoch()
    return [*epsilons, smoother.strength.kept["epsilon"].tolist()]


@pytest.mark.parametrize("scope", ["global", "per_class"])
def test_a_checkpoint_carries_what_was_learned_and_what_was_seen(scope):
    smoother = taught(accuracy(scope=scope))
    smoother(LABELS[:4], logits=logits_of(PREDICTED[:4]))  # in the middle of the next epoch
    file = io.BytesIO()
    torch.save(smoother.state_dict(), file)
    file.seek(0)
    resumed = Smoother(accuracy(scope=scope), Uniform())
    resumed.bind(INFO)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert go_on(resumed) == go_on(smoother)


def test_binding_again_keeps_what_was_learned():
    smoother = taught(accuracy())
    before = smoother.strength(Step(LABELS))
    smoother.bind(INFO)
    assert smoother.strength(Step(LABELS)) == before


def test_another_number_of_classes_is_refused():
    smoother = Smoother(accuracy(), Uniform())
    smoother.bind(INFO)
    with pytest.raises(InvalidArgument, match=r"logits = \(2, 4\): expected 3 classes, as before"):
        smoother(torch.tensor([0, 1]), logits=torch.zeros(2, 4))
    with pytest.raises(InvalidArgument, match="state = '3 classes'"):
        smoother.bind(ClassInfo(["a", "b"], [1, 1]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"low": 1.0}, "low = 1.0: expected a number in"),
        ({"high": 0.05}, "high = 0.05: expected at least low, 0.1"),
        ({"power": 0}, "power = 0: expected a number above 0"),
        ({"start": -0.1}, "start = -0.1"),
        ({"scope": "class"}, "scope = 'class': expected one of global, per_class"),
        ({"source": "test"}, "source = 'test': expected one of running, validation"),
    ],
)
def test_arguments_outside_their_range_are_refused(changes, message):
    with pytest.raises(InvalidArgument, match=message):
        accuracy(**changes)


def test_training_accuracy_needs_the_models_output():
    with pytest.raises(InvalidArgument, match="logits = None"):
        Smoother(accuracy(), Uniform())(LABELS)


def one_rank(rank: int, scope: str) -> list:
    share = [slice(0, 6), slice(6, 8)][rank]  # uneven
    strengths = [accuracy(scope=scope, source=source) for source in ("running", "validation")]
    for strength in strengths:
        strength.bind(INFO)
        taught(strength, labels=LABELS[share], predicted=PREDICTED[share])
    return [strength.kept["epsilon"].tolist() for strength in strengths]


def test_two_ranks_learn_what_one_process_learns():
    expected = taught(accuracy(scope="per_class")).strength.kept["epsilon"].tolist()
    assert on_ranks(one_rank, "per_class") == [[expected, expected]] * 2
