"""A rank that waits in one call for another that is gone ends at a signal all the same, and says so."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

# The handler only notes the signal, since a block holds it; the main thread is back in its call at once, as it is in a
# collective operation, where no handler runs at all.
PROGRAM = """
import pathlib, sys, threading, time
from smoothlab.training.first_end import FirstEnd
from smoothlab.training.stopping import StuckWatch, stopped_by_signals

def step():
    return sum(range(1000))

how, folder = sys.argv[1], pathlib.Path(sys.argv[2])
with stopped_by_signals(FirstEnd(folder / "first_end"), rank=1) as stop:
    watch = StuckWatch(stop, lambda number: (folder / "status").write_text(str(number)), patience=0.5)
    try:
        with stop.held(), watch.watching():
            print("ready", flush=True)
            if how == "stuck":
                threading.Lock().acquire()
                lock = threading.Lock()
                lock.acquire()
                lock.acquire()
            until = time.monotonic() + 2.0
            while time.monotonic() < until:
                step()
    except BaseException as error:
        print(type(error).__name__, flush=True)
"""


@pytest.fixture
def signalled(tmp_path):
    def run(how, number):
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, how, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert program.stdout.readline() == "ready\n"
        program.send_signal(number)
        rest, _ = program.communicate()
        return program.returncode, rest

    return run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stuck_rank_leaves_word_and_ends(signalled, tmp_path, number):
    code, rest = signalled("stuck", number)
    assert (code, rest) == (128 + number, "")
    assert (tmp_path / "status").read_text() == str(int(number))
    word = json.loads((tmp_path / "first_end" / "end.json").read_text())
    assert (word["rank"], word["signal"]) == (1, int(number))


def test_a_rank_that_goes_on_ends_in_its_own_way(signalled, tmp_path):
    assert signalled("busy", signal.SIGTERM) == (0, "Terminated\n")
    assert not (tmp_path / "status").exists()
