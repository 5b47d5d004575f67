"""The warm server: processes that start at once, end cleanly, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import process_targets as targets
import pytest
from torch.distributed import TCPStore

from smoothlab.errors import InvalidArgument
from smoothlab.processes import Ending, WarmServer, serving
from smoothlab.processes.ranks import meeting_point, run_ranks

LONG = 120.0  # seconds that a loaded machine may take


@pytest.fixture(scope="module")
def server():
    with WarmServer() as warm_server:
        yield warm_server


def content(path: Path) -> list[str]:
    end = time.monotonic() + LONG
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.01)
    return path.read_text().split("\n" if "\n" in path.read_text() else None)


def gone(pid: int) -> bool:
    """Whether a process ends, by itself or soon; a zombie that nobody has waited for is gone too."""
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_a_process_has_its_own_group_the_callers_place_and_what_it_was_given(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    child = server.launch(targets.write_place, ("place",), env={"SMOOTHLAB_TEST": "given"}, threads=1)
    assert child.wait(LONG) == Ending(0)
    pid, group, session, folder, given, threads, cuda, bad_fork, main = content(tmp_path / "place")
    assert int(pid) == child.pid == int(group) == int(session) != os.getpgrp()
    assert (folder, given, threads) == (str(tmp_path), "given", "1")
    assert (cuda, bad_fork) == ("False", "False")
    assert "pytest" not in main  # nothing of the caller's program was run again


def test_the_environment_is_the_callers_of_the_moment(server, tmp_path, monkeypatch):
    monkeypatch.setenv("SMOOTHLAB_TEST", "now")
    server.launch(targets.write_place, (str(tmp_path / "one"),)).wait(LONG)
    server.launch(targets.write_place, (str(tmp_path / "two"),), env={"SMOOTHLAB_TEST": None}).wait(LONG)
    assert content(tmp_path / "one")[4] == "now"
    assert content(tmp_path / "two")[4] == "unset"
    assert os.environ["SMOOTHLAB_TEST"] == "now"


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_the_server_has_only_imported_so_a_fork_of_it_is_sound(server, tmp_path):
    server.launch(targets.count_threads, (str(tmp_path / "threads"),)).wait(LONG)
    assert content(tmp_path / "threads") == ["1", "1"]


@pytest.mark.parametrize(
    ("what", "code", "number", "reason"),
    [
        ("exception", 1, None, "ValueError: the reason"),
        ("mistake", 2, None, "seed = -1: expected more"),
        ("interrupt", 130, None, "exit code 130"),
        ("exit", 7, None, "exit code 7"),
        ("kill", None, signal.SIGKILL, "killed by SIGKILL (out of memory, or killed by hand)"),
    ],
)
def test_an_ending_says_what_happened(server, tmp_path, what, code, number, reason):
    ending = server.launch(targets.fail, (what,), log=tmp_path / "log").wait(LONG)
    assert (ending.code, ending.signal, ending.reason) == (code, number, reason)
    assert not ending.good
    if what == "exception":
        assert ending.trace in (tmp_path / "log").read_text()
        assert 'raise ValueError("the reason")' in ending.trace


def test_a_log_takes_both_outputs_and_what_threads_still_write(server, tmp_path):
    log = tmp_path / "below" / "log"
    for _ in range(2):
        assert server.launch(targets.talk, log=log).wait(LONG).good
    assert sorted(log.read_text().splitlines()) == sorted(
        2 * ["on standard output", "on standard error", "from a thread"]
    )


def test_processes_run_side_by_side_and_any_of_them_can_be_waited_for(server, tmp_path):
    slow = server.launch(targets.sleep_on, (str(tmp_path / "slow"),))
    quick = server.launch(targets.fail, ("exit",), log=tmp_path / "log")
    assert server.wait_any([slow, quick], LONG) == [quick]
    assert server.wait_any([slow], 0.01) == []
    content(tmp_path / "slow")
    assert slow.terminate().signal == signal.SIGTERM
    assert slow.terminate().signal == signal.SIGTERM  # the second time nothing happens


def test_a_process_that_does_not_listen_is_killed_with_its_group(server, tmp_path):
    child = server.launch(targets.sleep_on, (str(tmp_path / "pids"), True))
    own, beside = map(int, content(tmp_path / "pids"))
    assert own == child.pid
    assert child.terminate(grace=0.2).signal == signal.SIGKILL
    assert gone(own)
    assert gone(beside)


def test_what_a_process_leaves_running_ends_with_it(server, tmp_path):
    assert server.launch(targets.leave_something_running, (str(tmp_path / "pid"),)).wait(LONG).good
    assert gone(int(content(tmp_path / "pid")[0]))


def test_two_processes_draw_different_numbers(server, tmp_path):
    for name in "ab":
        server.launch(targets.draw, (str(tmp_path / name),)).wait(LONG)
    first, second = (content(tmp_path / name) for name in "ab")
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_a_process_of_the_server_can_be_a_server_itself_at_once(server, tmp_path):
    assert server.launch(targets.own_server, (str(tmp_path / "rank"),)).wait(LONG) == Ending(0)
    pids = {content(tmp_path / f"rank.{rank}")[0] for rank in range(2)}
    assert len(pids) == 2


def test_the_ranks_of_a_killed_run_die_too(server, tmp_path):
    child = server.launch(targets.sleeping_ranks, (str(tmp_path / "pids"),))
    pids = list(map(int, content(tmp_path / "pids")))
    child.signal(signal.SIGKILL)
    assert child.wait(LONG).signal == signal.SIGKILL
    assert all(gone(pid) for pid in pids)


def test_a_killed_owner_leaves_no_process(tmp_path):
    program = f"import process_targets; process_targets.own_sleepers({str(tmp_path / 'pids')!r})"
    environment = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", program], env=environment) as owner:
        pids = list(map(int, content(tmp_path / "pids")))
        owner.kill()
    assert all(gone(pid) for pid in pids)


def test_a_killed_server_ends_its_processes_and_the_owner_is_told(tmp_path):
    with WarmServer(preload=()) as server:
        child = server.launch(targets.sleep_on, (str(tmp_path / "pids"),))
        pids = list(map(int, content(tmp_path / "pids")))
        os.kill(server.pid, signal.SIGKILL)
        assert child.wait(LONG).signal == signal.SIGKILL
        assert all(gone(pid) for pid in pids)
        with pytest.raises(RuntimeError, match="has ended"):
            server.launch(targets.talk)


def test_closing_ends_everything(tmp_path):
    server = WarmServer(preload=())
    child = server.launch(targets.sleep_on, (str(tmp_path / "pids"),))
    pids = list(map(int, content(tmp_path / "pids")))
    server.close()
    server.close()
    assert child.wait(LONG).signal == signal.SIGKILL
    assert all(gone(pid) for pid in [*pids, server.pid])


def test_an_import_that_fails_is_told():
    with WarmServer(preload=("no_such_module_at_all",)) as server, pytest.raises(RuntimeError, match="no_such_module"):
        server.launch(targets.talk)


def test_without_a_fork_each_process_is_a_new_interpreter(tmp_path):
    with WarmServer(method="spawn") as server:
        child = server.launch(targets.fail, ("exception",), log=tmp_path / "log")
        assert child.wait(LONG).reason == "ValueError: the reason"
        place = server.launch(targets.write_place, (str(tmp_path / "place"),), env={"SMOOTHLAB_TEST": "x"}, threads=1)
        assert place.wait(LONG) == Ending(0)
    assert content(tmp_path / "place")[4:6] == ["x", "1"]


def test_what_cannot_be_found_in_another_process_is_refused(server):
    with pytest.raises(InvalidArgument, match="target"):
        server.launch(lambda: None)
    with pytest.raises(InvalidArgument, match="threads"):
        server.launch(targets.talk, threads=0)
    with pytest.raises(InvalidArgument, match="method"):
        WarmServer(method="thread")


def test_a_port_that_is_reserved_for_rank_0_goes_to_nobody_else():
    with meeting_point() as port:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        TCPStore("127.0.0.1", port, is_master=False).set("rank", "0")


def test_ranks_of_one_machine_listen_on_the_loopback_interface_alone(server, tmp_path):
    run_ranks(server, targets.write_listening, (str(tmp_path / "listening"),), ranks=2, logs=tmp_path)
    for rank in range(2):
        addresses = (tmp_path / f"listening.{rank}").read_text().split()
        assert len(addresses) == 2  # of gloo, and of the store in this process
        assert set(addresses) == {"127.0.0.1"}


def test_a_server_whose_owner_died_with_words_unread_ends_without_a_trace():
    ours, theirs = socket.socketpair()
    read, write = os.pipe()
    made = object.__new__(serving._Server)
    made._connection, made._owner, made._wake, made._running = Connection(ours.detach()), os.getppid(), read, {}
    made._connection.send("unread")
    theirs.close()
    made.loop()
    made._connection.close()
    os.close(read)
    os.close(write)
