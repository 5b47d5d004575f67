"""The space of a search: what can be written, what is refused, and which points it has."""

from __future__ import annotations

import optuna
import pytest

from smoothlab.errors import UserMistake
from smoothlab.sweeps.search.parameter import Choice, Number
from smoothlab.sweeps.search.space import Space


def only(node, key="optimizer.lr"):
    (parameter,) = Space.read({key: node})
    return parameter


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("interval(0, 1)", Number("optimizer.lr", 0.0, 1.0)),
        ("tag(log, interval(1e-4, 1e-1))", Number("optimizer.lr", 1e-4, 1e-1, log=True)),
        ("int(interval(1, 8))", Number("optimizer.lr", 1, 8, whole=True)),
        ("range(1, 9)", Number("optimizer.lr", 1, 8, 1, whole=True)),
        ("range(0, 0.5, 0.1)", Number("optimizer.lr", 0, 0.4, 0.1)),
        ("a,b", Choice("optimizer.lr", ("a", "b"))),
        ("choice(1, 2)", Choice("optimizer.lr", ("1", "2"))),
        (["none", "standard"], Choice("optimizer.lr", ("none", "standard"))),
        ([0.1, True, None, [1, 2]], Choice("optimizer.lr", ("0.1", "true", "null", "[1,2]"))),
        ({"low": 0, "high": 0.3}, Number("optimizer.lr", 0, 0.3)),
        ({"low": 1, "high": 9, "step": 2}, Number("optimizer.lr", 1, 9, 2, whole=True)),
        ({"low": 1, "high": 9, "type": "float"}, Number("optimizer.lr", 1, 9)),
        ({"low": 1e-5, "high": 1e-1, "log": True}, Number("optimizer.lr", 1e-5, 1e-1, log=True)),
        ({"choices": ["a", "b c"]}, Choice("optimizer.lr", ("a", "b c"))),
        ({"choices": ["a,b", "c"]}, Choice("optimizer.lr", ("'a,b'", "c"))),
    ],
)
def test_a_parameter_can_be_written_as(node, expected):
    assert only(node) == expected


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"low": 1}, "optimizer.lr.high: missing"),
        ({"low": 2, "high": 1}, "low = 2 is more than high = 1"),
        ({"low": 0, "high": 1, "log": True}, "a logarithm needs a low end above 0"),
        ({"low": 1.0, "high": 2.0, "step": 0.3}, "divides high - low"),
        ({"low": 1.0, "high": 2.0, "step": -0.5}, "divides high - low"),
        ({"low": 1.0, "high": 2.0, "step": 0.5, "log": True}, "step or log, not both"),
        ({"low": 0.5, "high": 2, "type": "int"}, "low = 0.5: expected an integer"),
        ({"low": 0, "high": 1, "type": "bool"}, "type = 'bool': expected int or float"),
        ({"low": "a", "high": 1}, "low = 'a': expected a number"),
        ({"low": float("nan"), "high": 1}, "low = nan: expected a number"),
        ({"low": True, "high": 2}, "low = True: expected a number"),
        ({"low": 0, "high": 1, "hihg": 2}, "hihg: no such key"),
        ({"choices": []}, "at least one option"),
        ({"choices": "ab"}, "choices = 'ab': expected a list"),
        (["a", "a"], "a stands there twice"),
        ("interval(3, 1)", "more than high"),
        ("tag(exp, interval(0, 1))", "tag exp is not known"),
        ("range(3, 1)", "an empty range"),
        ("glob(*)", "glob is not supported"),
        ("interval(", "expected key=value, or a range"),
        ({"low": 0, "high": 1, "when": {"smoothing": "none"}}, "expected an earlier parameter"),
    ],
)
def test_a_wrong_parameter_is_refused_in_one_line(node, message):
    with pytest.raises(UserMistake) as mistake:
        only(node)
    assert message in str(mistake.value)
    assert "optimizer.lr" in str(mistake.value)
    assert "\n" not in str(mistake.value)


def test_the_command_line_wins_over_the_file_and_the_rest_is_the_same_in_every_trial():
    space = Space.read(
        {"optimizer.lr": "interval(0, 1)", "seed": 3, "net.width": "8,16"},
        ["optimizer.lr=0.5", "smoothing=none,standard", "+net.extra=1"],
    )
    assert [dimension.key for dimension in space] == ["net.width", "smoothing"]
    assert space.fixed == ("seed=3", "optimizer.lr=0.5", "+net.extra=1")


def test_a_key_given_twice_is_refused():
    with pytest.raises(UserMistake, match=r"seed: given twice"):
        Space.read(None, ["seed=1,2", "seed=3,4"])


CONDITIONAL = {
    "smoothing": ["none", "standard", "gradual"],
    "smoothing.strength.epsilon": {"low": 0.1, "high": 0.3, "step": 0.1, "when": {"smoothing": "standard"}},
    "seed": [0, 1],
}


def test_the_grid_has_each_point_once_and_no_conditional_value_where_it_does_not_apply():
    points = Space.read(CONDITIONAL).grid()
    assert points == [
        {"smoothing": "none", "seed": "0"},
        {"smoothing": "none", "seed": "1"},
        *(
            {"smoothing": "standard", "smoothing.strength.epsilon": epsilon, "seed": seed}
            for epsilon in (0.1, 0.2, 0.3)
            for seed in ("0", "1")
        ),
        {"smoothing": "gradual", "seed": "0"},
        {"smoothing": "gradual", "seed": "1"},
    ]


def test_without_smoothing_nothing_of_smoothing_is_searched_or_fixed():
    words = ["smoothing.strength.epsilon=0.1,0.2", "smoothing=none,standard", "smoothing/prior=uniform", "seed=0"]
    space = Space.read(None, words)
    assert [space.overrides(point) for point in space.grid()] == [
        ["seed=0", "smoothing=none"],
        *(
            ["seed=0", "smoothing=standard", f"smoothing.strength.epsilon={epsilon}", "smoothing/prior=uniform"]
            for epsilon in (0.1, 0.2)
        ),
    ]
    only_standard = Space.read(None, ["smoothing=standard,online", "smoothing.strength.epsilon=0.1,0.2"])
    assert len(only_standard.grid()) == 4


def test_a_grid_of_endless_values_is_refused():
    with pytest.raises(UserMistake, match=r"optimizer\.lr: a grid needs a step"):
        Space.read({"optimizer.lr": "interval(0, 1)"}).grid()


def test_a_condition_on_an_option_that_is_not_there_is_refused():
    node = {"smoothing": ["none"], "seed": {"choices": [1], "when": {"smoothing": "standart"}}}
    with pytest.raises(UserMistake, match=r"seed\.when\.smoothing = standart: expected one of none"):
        Space.read(node)


def test_the_corners_show_each_option_and_both_ends_under_their_conditions():
    corners = Space.read(CONDITIONAL).corners()
    assert {corner["smoothing"] for corner in corners} == {"none", "standard", "gradual"}
    assert {corner["seed"] for corner in corners} == {"0", "1"}
    ends = {corner["smoothing.strength.epsilon"] for corner in corners if "smoothing.strength.epsilon" in corner}
    assert ends == {0.1, 0.3}
    for corner in corners:
        assert ("smoothing.strength.epsilon" in corner) == (corner["smoothing"] == "standard")


def test_values_are_written_as_the_command_line_takes_them():
    space = Space.read(
        {
            "a": {"low": 0.0, "high": 1.0, "step": 0.1},
            "b": "int(interval(1, 8))",
            "c": "tag(log, interval(1e-6, 1))",
            "d": ["x", "y"],
        },
        ["e=1"],
    )
    values = {"a": 0.1 + 0.2, "b": 3.0, "c": 1.25e-6, "d": "x"}
    assert space.overrides(values) == ["e=1", "a=0.3", "b=3", "c=1.25e-06", "d=x"]


def test_the_sampler_is_asked_in_order_and_only_for_what_applies():
    space = Space.read(CONDITIONAL)
    for option, there in (("none", False), ("standard", True)):
        trial = optuna.trial.FixedTrial({"smoothing": option, "smoothing.strength.epsilon": 0.2, "seed": "1"})
        values = space.suggest(trial)
        assert ("smoothing.strength.epsilon" in values) == there


def test_a_number_has_six_digits_and_stays_in_its_range():
    space = Space.read({"a": {"low": 0.0, "high": 0.9999999}, "b": {"low": 0.1234564, "high": 1.0}})
    assert space.overrides({"a": 0.99999985, "b": 0.12345641}) == ["a=0.9999999", "b=0.1234564"]
    assert space.overrides({"a": 1 / 3, "b": 2 / 3}) == ["a=0.333333", "b=0.666667"]
