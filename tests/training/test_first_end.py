"""Whoever of the ranks ends first, all go by the same end."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from smoothlab.errors import Terminated, UserMistake
from smoothlab.training.first_end import FirstEnd, RankEnd
from smoothlab.training.stopping import stopped_by_signals


def test_of_many_that_leave_word_at_once_one_is_the_first_for_all(tmp_path: Path):
    for turn in range(20):
        place, together = tmp_path / f".end{turn}", Barrier(8)

        def leave(rank: int, place: Path = place, together: Barrier = together) -> RankEnd:
            together.wait()
            return FirstEnd(place).claim(RankEnd(rank, error=f"rank {rank}: gone", trace="a\nb"))

        with ThreadPoolExecutor(8) as pool:
            ends = list(pool.map(leave, range(8)))
        assert len(set(ends)) == 1
        assert FirstEnd(place).read() == ends[0]
        assert list(tmp_path.iterdir()) == [place]
        FirstEnd(place).clear()
        assert not list(tmp_path.iterdir())


def test_a_place_where_nothing_can_be_written_leaves_each_its_own_end(tmp_path: Path):
    end = RankEnd(1, signal=15)
    assert FirstEnd(tmp_path / "none" / ".end").claim(end) == end
    assert FirstEnd(tmp_path / "none" / ".end").read() is None


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_leaves_word_before_it_raises(tmp_path: Path, number: int, kind: type[BaseException]):
    first_end = FirstEnd(tmp_path / ".end")
    with stopped_by_signals(first_end, rank=3), pytest.raises(kind):
        os.kill(os.getpid(), number)
    assert first_end.read() == RankEnd(3, signal=int(number))


def test_a_signal_in_a_block_that_holds_it_raises_at_its_end_and_leaves_word_where_that_is_known(tmp_path: Path):
    def block() -> None:
        with stopped_by_signals(rank=1) as stop, stop.held():
            os.kill(os.getpid(), signal.SIGTERM)
            stop.first_end = FirstEnd(tmp_path / ".end")

    with pytest.raises(Terminated):
        block()
    assert FirstEnd(tmp_path / ".end").read() == RankEnd(1, signal=signal.SIGTERM)


def test_a_rank_that_is_stopped_since_another_was_killed_says_so(tmp_path: Path):
    def work() -> None:
        with FirstEnd(tmp_path / ".end").alive(2):
            os.kill(os.getpid(), signal.SIGKILL)

    first_end = FirstEnd(tmp_path / ".end")
    with first_end.alive(1), first_end.alive(0):
        assert first_end.lost() is None
        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
        child.join()
        assert first_end.lost() == 2
        with stopped_by_signals(first_end), pytest.raises(Terminated):
            os.kill(os.getpid(), signal.SIGTERM)
    end = first_end.read()
    assert end is not None
    assert (end.rank, end.signal) == (2, None)
    assert "rank 2: gone" in end.error
    first_end.clear()
    assert not list(tmp_path.iterdir())


def test_what_comes_up_after_a_signal_is_an_interruption_and_nothing_disturbs_its_writing():
    with stopped_by_signals() as stop:
        try:
            with stop.heard():
                os.kill(os.getpid(), signal.SIGTERM)
        except Terminated:
            end = stop.end_of(RuntimeError("connection closed"))
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
        assert end.signal == signal.SIGTERM


def test_a_rank_that_finds_a_connection_closed_goes_by_the_word_of_the_first(tmp_path: Path):
    FirstEnd(tmp_path / ".end").claim(RankEnd(1, signal=signal.SIGINT))
    with stopped_by_signals(FirstEnd(tmp_path / ".end")) as stop:
        assert stop.end_of(RuntimeError("connection closed")).signal == signal.SIGINT
        assert type(stop.end_of(RuntimeError()).as_interruption()) is KeyboardInterrupt


def test_a_failure_says_its_rank_its_error_and_its_trace():
    assert RankEnd.of(UserMistake("data.path: gone"), 0) == RankEnd(0, error="data.path: gone")
    try:
        raise ZeroDivisionError("by\nzero")
    except ZeroDivisionError as error:
        end = RankEnd.of(error, 2)
    assert end.error == "rank 2: ZeroDivisionError: by"
    assert "test_first_end.py" in end.trace
