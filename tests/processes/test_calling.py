"""A function called in a process of the server: what it returns, and what it raises."""

from __future__ import annotations

import os

import pytest
from warm import warm_server

from smoothlab.errors import RunFailed, UserMistake, WrongInput
from smoothlab.processes import call


def product(first, second):
    return first * second, os.getpid()


def mistaken(words):
    raise WrongInput(words)


def broken():
    raise ZeroDivisionError("no divisor")


def gone():
    os.kill(os.getpid(), 9)


def test_a_value_comes_back_from_another_process(monkeypatch):
    value, process = call(warm_server(), product, [1, 2], 2)
    assert value == [1, 2, 1, 2]
    assert process != os.getpid()


def test_a_mistake_is_raised_as_it_was(capfd):
    with pytest.raises(WrongInput, match="rows = 3: expected more"):
        call(warm_server(), mistaken, "rows = 3: expected more")
    assert capfd.readouterr().err == ""
    assert issubclass(WrongInput, UserMistake)


@pytest.mark.parametrize(("target", "says"), [(broken, "ZeroDivisionError: no divisor"), (gone, "killed by SIGKILL")])
def test_another_failure_is_one_of_the_run(target, says):
    with pytest.raises(RunFailed, match=says):
        call(warm_server(), target)
