"""Strength by class and by a column of the data."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother
from smoothlab.smoothing import ByClass, ClassInfo, Column, ColumnTable, Step, Uniform

INFO = ClassInfo(["cat", "dog", "elk"], [5, 3, 2])
LABELS = torch.tensor([2, 0, 1, -100])


def column(values, name="agreement"):
    return Step(torch.zeros(len(values)).long(), metadata={name: torch.tensor(values)})


def of_agreement(**changes):
    arguments = {"minimum": 0.5, "maximum": 1.0, "low": 0.0, "high": 0.4, "missing": 0.1, "formula": "falling"}
    return Column("agreement", **(arguments | changes))


# by class


def test_each_label_has_the_epsilon_of_its_class():
    epsilon = ByClass([0.1, 0.2, 0.3])(Step(LABELS))
    assert epsilon[:3].tolist() == pytest.approx([0.3, 0.1, 0.2])
    assert 0 <= epsilon[3] < 1


def test_votes_have_the_expected_epsilon():
    votes = torch.tensor([[0.5, 0.5, 0.0]], dtype=torch.float64)
    assert ByClass([0.1, 0.2, 0.3])(Step(votes)).tolist() == pytest.approx([0.15], rel=1e-12)


def test_epsilons_by_name_follow_the_order_of_the_classes():
    smoother = Smoother(ByClass({"elk": 0.3, "cat": 0.1}, default=0.0), Uniform())
    smoother.bind(INFO)
    assert smoother(LABELS).epsilon[:3].tolist() == pytest.approx([0.3, 0.1, 0.0])


def test_epsilons_by_name_need_to_know_the_names():
    with pytest.raises(InvalidArgument, match=r"epsilon = .*Smoother.bind"):
        ByClass({"cat": 0.1})(Step(LABELS))


@pytest.mark.parametrize(
    ("strength", "message"),
    [
        (ByClass({"cow": 0.1}, default=0.0), "epsilon = 'cow': expected names of classes: cat, dog, elk"),
        (ByClass({"cat": 0.1}), "a number for dog, elk too, or a default"),
        (ByClass([0.1, 0.2]), "expected 3 numbers, one a class"),
    ],
)
def test_names_and_numbers_must_fit_the_classes(strength, message):
    with pytest.raises(InvalidArgument, match=message):
        strength.bind(INFO)


@pytest.mark.parametrize(
    ("epsilon", "message"),
    [
        ([0.1, 1.0], r"epsilon\[1\] = 1.0: expected a number in \[0, 1\)"),
        ({"cat": -0.1}, r"epsilon.cat = -0.1: expected a number in \[0, 1\)"),
        ([], "expected a list of numbers"),
        ("0.1", "expected a list of numbers"),
    ],
)
def test_epsilons_outside_their_range_are_refused(epsilon, message):
    with pytest.raises(InvalidArgument, match=message):
        ByClass(epsilon)


def test_counts_and_names_are_of_one_length():
    with pytest.raises(InvalidArgument, match="class_counts"):
        ClassInfo(["a", "b"], [1])


# by column


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("falling", [0.4, 0.4, 0.2, 0.0, 0.0, 0.1]),
        ("rising", [0.0, 0.0, 0.2, 0.4, 0.4, 0.1]),
        ("squared", [0.0, 0.0, 0.1, 0.4, 0.4, 0.1]),
        ("middle", [0.0, 0.0, 0.4, 0.0, 0.0, 0.1]),
    ],
)
def test_a_number_becomes_epsilon_by_a_formula(formula, expected):
    epsilon = of_agreement(formula=formula)(column([0.2, 0.5, 0.75, 1.0, 3.0, math.nan]))
    assert epsilon.tolist() == pytest.approx(expected, abs=1e-7)


def test_an_estimated_share_of_wrong_labels_can_be_epsilon_itself():
    strength = Column("noise", "rising", minimum=0, maximum=0.9, low=0, high=0.9, missing=0.0)
    assert strength(column([0.0, 0.25, 0.6], "noise")).tolist() == pytest.approx([0.0, 0.25, 0.6])


def test_a_column_of_integers_will_do():
    strength = of_agreement(minimum=0, maximum=4)
    assert strength(column([0, 1, 4])).tolist() == pytest.approx([0.4, 0.3, 0.0])


def test_a_value_is_looked_up():
    strength = ColumnTable("source", {0: 0.02, 2: 0.2}, default=0.1)
    assert strength(column([0, 2, 1, 0], "source")).tolist() == pytest.approx([0.02, 0.2, 0.1, 0.02])
    assert strength(column([2.0, math.nan], "source")).tolist() == pytest.approx([0.2, 0.1])


@pytest.mark.parametrize("strength", [of_agreement(), ColumnTable("agreement", {1: 0.1}, 0.0)])
def test_a_column_that_is_not_there_is_named(strength):
    with pytest.raises(InvalidArgument, match=r"column = 'agreement': expected a metadata column \(noise\)"):
        strength(column([1.0], "noise"))
    with pytest.raises(InvalidArgument, match="none in this data"):
        strength(Step(LABELS))


@pytest.mark.parametrize("strength", [of_agreement(high=0.999999999), ColumnTable("agreement", {1: 0.999999999}, 0.0)])
def test_rounding_does_not_lead_out_of_the_range(strength):
    epsilon = strength(column([0.0, 1.0]))
    assert (epsilon >= 0).all()
    assert (epsilon < 1).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"formula": "cubic"}, "formula = 'cubic': expected one of rising, falling, squared, middle"),
        ({"high": 1.0}, r"high = 1.0: expected a number in \[0, 1\)"),
        ({"missing": -1}, r"missing = -1: expected a number in \[0, 1\)"),
        ({"maximum": 0.5}, "maximum = 0.5: expected a number above the minimum, 0.5"),
        ({"minimum": math.nan}, "minimum = nan: expected a number"),
    ],
)
def test_a_columns_arguments_are_checked(changes, message):
    with pytest.raises(InvalidArgument, match=message):
        of_agreement(**changes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"web": 0.1}, "values = 'web': expected numbers as keys"),
        ({1: 1.0}, r"values.1 = 1.0: expected a number in \[0, 1\)"),
        ({}, "expected epsilon by value of the column"),
    ],
)
def test_a_tables_arguments_are_checked(values, message):
    with pytest.raises(InvalidArgument, match=message):
        ColumnTable("source", values, 0.1)


def test_a_smoother_hands_the_column_on():
    target = Smoother(of_agreement(), Uniform())(torch.tensor([0, 1]), metadata={"agreement": torch.tensor([1.0, 0.5])})
    assert_close(target.epsilon, torch.tensor([0.0, 0.4]))
    target.validate()
