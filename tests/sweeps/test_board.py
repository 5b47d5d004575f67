"""The board of many runs: a picture of it on terminals of several sizes, and lines elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from smoothlab.sweeps import board as boards
from smoothlab.sweeps.board import Board


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(boards, "time", made)
    return made


def picture(board, width=100, height=24):
    text = io.StringIO()
    Console(file=text, width=width, height=height, force_terminal=True, color_system=None).print(board)
    return text.getvalue().rstrip().splitlines()


def test_the_table_fills_and_time_left_is_told(clock):
    board = Board("arm", "val NLL", answers=True)
    assert picture(board)[0].startswith("composing")
    clock.now += 10
    board.expect({"none": 2, "standard": 2})
    clock.now += 30
    board.advance("none", "none-1 in 30 s", 0.25)
    board.advance("none", "none-2 in 30 s", 0.35)
    board.look([("standard", 0.5)])
    assert board.left == "about 40 s left"  # two runs at 15 s, and 10 s as before the training
    shown = picture(board)
    assert shown[0].startswith("training 2/4")
    assert "about 40 s left" in shown[0]
    assert shown[1].split() == ["arm", "runs", "val", "NLL", "so", "far", "least", "to", "most", "state"]
    assert shown[2].split() == ["none", "2/2", "0.3000", "0.2500", "to", "0.3500", "done"]
    assert shown[3].split() == ["standard", "0/2", "runs", "50%"]
    board.phase("judging and drawing")
    clock.now += 4
    assert board.left == "about 6 s left"


@pytest.mark.parametrize(("width", "height"), [(60, 24), (60, 10), (30, 8), (200, 60)])
def test_it_fits_the_terminal(clock, width, height):
    board = Board("arm", "val NLL")
    board.expect({f"a_rather_long_name_of_an_arm_{number}": 110 for number in range(20)})
    board.advance("a_rather_long_name_of_an_arm_3", "one", 0.1)
    board.look([("a_rather_long_name_of_an_arm_17", 0.25)], [(19, 0.25)])
    shown = picture(board, width, height)
    assert max(map(len, shown)) <= width
    assert len(shown) < height
    if height == 10:
        assert any("25%" in line for line in shown[2:]), shown  # those that run are shown first
        assert shown[-1].startswith("and ")


def test_in_a_log_there_are_few_lines(clock, capsys):
    with Board("arm", "val NLL") as board:
        board.expect({"none": 100})
        for number in range(100):
            clock.now += 0.5
            board.advance("none", f"run {number}", 0.3, failed=number == 42)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 12  # one in five seconds, the failed one, the last one
    assert lines[0].startswith("[1/100] run 0; about")
    assert any(line.startswith("[43/100] run 42") for line in lines)
    assert lines[-1] == "[100/100] run 99"
