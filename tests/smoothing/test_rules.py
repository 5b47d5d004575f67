"""Strength by rules: the first that is met, against a plain loop over the samples."""

from __future__ import annotations

import math

import pytest
import torch

from smoothlab import InvalidArgument, Smoother
from smoothlab.learner import learners_in
from smoothlab.smoothing import Accuracy, ByClass, ClassInfo, Linear, Rules, Step, Uniform

INFO = ClassInfo(["cat", "dog", "elk"], [5, 3, 2])
LABELS = torch.tensor([0, 1, 2, 0, 1, 2, -100])
SOURCE = torch.tensor([0.0, 1.0, 2.0, 2.0, 1.0, math.nan, 0.0])
LOGITS = torch.tensor(
    [[3.0, 0, 0], [0, 0, 0.1], [0, 0, 5], [1, 1, -math.inf], [0, 9, 0], [math.nan, 0, 0], [0, 0, 0.0]]
)
STEP = Step(LABELS, LOGITS, progress=0.5, metadata={"source": SOURCE})


def epsilons(rules, default=0.0, step=STEP, **options):
    strength = Rules(rules, default, **options)
    strength.bind(INFO)
    return strength(step).tolist()


@pytest.mark.parametrize(
    ("when", "met"),
    [
        ({"column": "source", "equals": 2}, [0, 0, 1, 1, 0, 0, 0]),
        ({"column": "source", "equals": True}, [0, 1, 0, 0, 1, 0, 0]),
        ({"column": "source", "in": [0, 2]}, [1, 0, 1, 1, 0, 0, 1]),
        ({"column": "source", "at_least": 1}, [0, 1, 1, 1, 1, 0, 0]),
        ({"column": "source", "below": 1}, [1, 0, 0, 0, 0, 0, 1]),
        ({"column": "source", "at_least": 0.5, "below": 2}, [0, 1, 0, 0, 1, 0, 0]),
        ({"class": "elk"}, [0, 0, 1, 0, 0, 1, 0]),
        ({"class": ["cat", "dog"]}, [1, 1, 0, 1, 1, 0, 0]),
        ({"confidence": {"below": 0.6}}, [0, 1, 0, 1, 0, 0, 1]),
        ({"confidence": {"at_least": 0.6}}, [1, 0, 1, 0, 1, 0, 0]),
        ({"column": "source", "equals": 2, "class": "cat"}, [0, 0, 0, 1, 0, 0, 0]),
        ([{"column": "source", "below": 2}, {"confidence": {"below": 0.6}}], [0, 1, 0, 0, 0, 0, 1]),
    ],
)
def test_a_rule_is_met_where_all_its_conditions_are(when, met):
    assert epsilons([{"when": when, "epsilon": 0.5}]) == [0.5 * share for share in met]


def test_the_first_rule_that_is_met_decides():
    rules = [
        {"when": {"class": "dog"}, "epsilon": 0.25},
        {"when": {"column": "source", "at_least": 1}, "epsilon": 0.5},
        {"when": {"column": "source", "at_least": 0}, "epsilon": 0.75},
    ]
    assert epsilons(rules, 0.125) == [0.75, 0.25, 0.5, 0.5, 0.25, 0.125, 0.75]
    assert epsilons(rules[::-1], 0.125) == [0.75, 0.75, 0.75, 0.75, 0.75, 0.125, 0.75]


def test_words_stand_for_the_numbers_of_a_column():
    rules = [
        {"when": {"column": "source", "equals": "web"}, "epsilon": 0.5},
        {"when": {"column": "source", "in": ["clinic"]}, "epsilon": 0.25},
    ]
    values = epsilons(rules, categories={"source": ["clinic", "forum", "web"]})
    assert values == [0.25, 0.0, 0.5, 0.5, 0.0, 0.0, 0.25]


def test_a_rule_and_the_default_can_be_other_strengths():
    rules = [{"when": {"column": "source", "equals": 2}, "strength": Linear(0.5, 0.0)}]
    assert epsilons(rules, ByClass({"dog": 0.5}, default=0.125)) == [0.125, 0.5, 0.25, 0.25, 0.5, 0.125, 0.125]


def test_votes_are_of_the_class_of_their_mode():
    votes = torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.4, 0.1]], dtype=torch.float64)
    strength = Rules([{"when": {"class": "elk"}, "epsilon": 0.1}], 0.3)
    strength.bind(INFO)
    assert strength(Step(votes)).tolist() == [0.1, 0.3]  # as exact as the votes


def test_a_number_of_a_coarse_column_equals_the_same_number_in_the_rule():
    step = Step(torch.zeros(2).long(), metadata={"noise": torch.tensor([0.1, 0.2])})
    assert epsilons([{"when": {"column": "noise", "equals": 0.1}, "epsilon": 0.5}], step=step) == [0.5, 0.0]


def test_strengths_that_learn_are_taught_moved_and_saved():
    learning = Accuracy(0.0, 0.5, 1.0, 0.25, "global", "running")
    smoother = Smoother(Rules([{"when": {"class": "cat"}, "strength": learning}], 0.125), Uniform())
    smoother.bind(INFO)
    assert learners_in(smoother) == [learning]
    assert any("_extra_state" in key for key in smoother.state_dict())
    labels, logits = torch.tensor([0, 1]), torch.eye(3)[:2]
    assert smoother(labels, logits=logits).epsilon.tolist() == [0.25, 0.125]
    learning.end_epoch()
    assert smoother(labels, logits=logits).epsilon.tolist() == [0.0, 0.125]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([], r"rules = \[\]: expected a list of rules"),
        ([{"epsilon": 0.1}], r"rules\[0\] = .*: expected when, and epsilon or strength"),
        ([{"when": {"class": "cat"}, "epsilon": 0.1, "strength": Linear(0.1, 0.0)}], "expected when, and epsilon or"),
        ([{"when": {"class": "cat"}, "epsilon": 1.0}], r"rules\[0\].epsilon = 1.0: expected a number in \[0, 1\)"),
        ([{"when": {"class": "cat"}, "strength": "cosine"}], r"rules\[0\].strength = 'cosine': expected a strength"),
        ([{"when": {}, "epsilon": 0.1}], r"rules\[0\].when = {}: expected a mapping with one of column, class, conf"),
        ([{"when": [], "epsilon": 0.1}], r"rules\[0\].when = \[\]: expected at least one condition"),
        ([{"when": {"column": "a"}, "epsilon": 0.1}], r"rules\[0\].when = {}: expected one or more of equals, in"),
        ([{"when": {"column": "a", "above": 1}, "epsilon": 0.1}], r"rules\[0\].when = 'above': expected one of"),
        ([{"when": {"class": "cat", "below": 1}, "epsilon": 0.1}], r"when = 'below': expected a column to compare"),
        ([{"when": {"column": 3, "below": 1}, "epsilon": 0.1}], r"when.column = 3: expected the name"),
        (
            [{"when": {"column": "a", "equals": "web"}, "epsilon": 0.1}],
            r"equals = 'web': expected .* categories",
        ),
        ([{"when": {"column": "b", "equals": "w"}, "epsilon": 0.1}], r"equals = 'w': expected one of x, y"),
        ([{"when": {"column": "a", "in": 3}, "epsilon": 0.1}], r"when.in = 3: expected a list of values"),
        ([{"when": {"column": "a", "in": [1], "equals": 1}, "epsilon": 0.1}], "expected no equals beside it"),
        ([{"when": {"column": "a", "at_least": 1, "below": 1}, "epsilon": 0.1}], "below = 1: expected a number above"),
        ([{"when": {"confidence": 0.5}, "epsilon": 0.1}], r"when.confidence = 0.5: expected one or more of"),
        ([{"when": {"class": []}, "epsilon": 0.1}], r"when.class = \[\]: expected a class name"),
    ],
)
def test_what_is_no_rule_is_said_in_one_line(rules, message):
    with pytest.raises(InvalidArgument, match=message) as error:
        Rules(rules, 0.0, {"b": ["x", "y"]})
    assert "\n" not in str(error.value)


def test_names_and_columns_must_be_there():
    strength = Rules([{"when": {"class": "cow"}, "epsilon": 0.1}], 0.0)
    with pytest.raises(InvalidArgument, match=r"rules\[0\].when.class = \['cow'\]: expected Smoother.bind"):
        strength(STEP)
    with pytest.raises(InvalidArgument, match=r"rules\[0\].when.class = 'cow': expected names of classes: cat, dog"):
        strength.bind(INFO)
    with pytest.raises(InvalidArgument, match=r"column = 'age': expected a metadata column \(source\)"):
        Rules([{"when": {"column": "age", "below": 3}, "epsilon": 0.1}], 0.0)(STEP)
    with pytest.raises(InvalidArgument, match="logits = None"):
        Rules([{"when": {"confidence": {"below": 0.5}}, "epsilon": 0.1}], 0.0)(Step(LABELS))
