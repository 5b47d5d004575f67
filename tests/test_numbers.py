from __future__ import annotations

import math

import numpy as np
import pytest

from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_choice, check_number, check_share, check_whole


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "within"),
    [
        ({}, [-1e300, 0, 1e300], [math.inf, -math.inf], "a number"),
        ({"at_least": 0}, [0, 5.5], [-0.1], "a number >= 0"),
        ({"above": 0}, [1e-300], [0, -1], "a number above 0"),
        ({"at_most": 1}, [1, -7], [1.1], "a number <= 1"),
        ({"below": 1}, [0.9], [1, 1.0], "a number below 1"),
        ({"at_least": 0, "below": 1}, [0, 0.99], [-1, 1], "a number in [0, 1)"),
        ({"above": 0, "at_most": 1}, [0.5, 1], [0, 2], "a number in (0, 1]"),
        ({"above": 0, "below": 0.5}, [0.25], [0, 0.5], "a number in (0, 0.5)"),
    ],
)
def test_a_number_is_within_its_bounds(bounds, inside, outside, within):
    for value in inside:
        assert check_number("x", value, **bounds) == value
    for value in [*outside, math.nan, "1", None, True, [1]]:
        with pytest.raises(InvalidArgument) as refused:
            check_number("x", value, **bounds)
        assert str(refused.value) == f"x = {value!r}: expected {within}"


def test_numbers_of_numpy_count():
    assert type(check_number("x", np.float32(0.5))) is float
    assert type(check_whole("x", np.int64(3), 1)) is int


@pytest.mark.parametrize("value", [0, 7, 2.0, True, "2", None, math.nan])
def test_a_whole_number_is_an_integer_within_its_bounds(value):
    assert check_whole("x", 6, 1, 6) == 6
    with pytest.raises(InvalidArgument, match=r"expected an integer in \[1, 6\]"):
        check_whole("x", value, 1, 6)


def test_the_caller_may_say_what_is_expected():
    with pytest.raises(InvalidArgument, match=r"x = -1: expected a share$"):
        check_share("x", -1, "a share")
    with pytest.raises(InvalidArgument, match=r"x = 0: expected an integer of at least 1$"):
        check_whole("x", 0, 1)


@pytest.mark.parametrize("value", ["c", 1, None, ["a"]])
def test_a_choice_is_one_of_the_names(value):
    assert check_choice("x", "b", ("a", "b")) == "b"
    with pytest.raises(InvalidArgument, match="expected one of a, b"):
        check_choice("x", value, ("a", "b"))
