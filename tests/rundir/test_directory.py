"""A run directory is held by one process, and its status is true after that process died."""

import fcntl
import json
import signal
import subprocess
import sys
import threading
import time

import pytest

from smoothlab.errors import UserMistake
from smoothlab.rundir.atomic import folder_in_one_step, remove_leftovers, write_atomically
from smoothlab.rundir.directory import DONE, RunDirectory, StatusFile, existing_run

HOLDER = """
import sys, time
from smoothlab.rundir.directory import RunDirectory, StatusFile
run = RunDirectory(sys.argv[1])
with run.held(), StatusFile(run, "abc"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        run = RunDirectory(tmp_path)
        assert run.is_locked()
        assert run.read_status()["state"] == "running"
        with pytest.raises(UserMistake, match=f"in use by process {holder.pid} on "), run.held():
            pass
    finally:
        holder.kill()
        holder.communicate()
    # SIGKILL left "running" in the file, but nobody holds the directory any more
    assert json.loads(run.status.read_text())["state"] == "running"
    assert run.read_status()["state"] == "interrupted"
    with run.held():
        assert run.is_locked()
    assert not run.is_locked()


def test_status_file_is_whole_json_at_any_time_and_beats(tmp_path, monkeypatch):
    monkeypatch.setattr("smoothlab.rundir.directory.HEARTBEAT_SECONDS", 0.001)
    run = RunDirectory(tmp_path)
    with StatusFile(run, "abc") as status:
        seen = set()
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            status.note(step=len(seen))
            seen.add(json.loads(run.status.read_text()).get("step"))
        assert len(seen) > 2
        status.update(state=DONE)
    content = run.read_status()
    assert content["state"] == DONE
    assert {"identity", "host", "pid", "started", "heartbeat"} <= set(content)


def test_progress_is_the_last_heartbeat_before_which_the_run_got_ahead(tmp_path, monkeypatch):
    times = iter(f"2026-01-01T00:00:{second:02}+00:00" for second in range(60))
    monkeypatch.setattr("smoothlab.rundir.directory.now", lambda: next(times))
    run, batches = RunDirectory(tmp_path), [0]
    status = StatusFile(run, "abc")

    def written():
        status.update()
        content = json.loads(run.status.read_text())
        return content.get("progress"), content["heartbeat"]

    assert written()[0] is None
    status.watch(lambda: list(batches))
    progress, heartbeat = written()
    assert progress == heartbeat
    assert written()[0] == heartbeat
    batches[0] += 1
    assert len(set(written())) == 1
    status.watch(None)
    assert written()[0] is None


def test_reading_a_directory_that_is_none_is_a_mistake(tmp_path):
    with pytest.raises(UserMistake, match="no such directory"):
        existing_run(tmp_path / "nowhere")
    with pytest.raises(UserMistake, match=r"not a run directory, it has no config.yaml"):
        existing_run(tmp_path)


def test_who_only_looks_whether_a_directory_is_held_keeps_nobody_out(tmp_path):
    run = RunDirectory(tmp_path)
    with run.held():
        pass
    looking = open(run.lock, "rb")  # noqa: SIM115 - closed by the timer
    fcntl.flock(looking, fcntl.LOCK_SH)
    timer = threading.Timer(0.03, looking.close)
    timer.start()
    with run.held():
        assert run.is_locked()
    timer.join()


def test_a_heartbeat_that_cannot_be_written_is_not_the_last_one(tmp_path, monkeypatch):
    monkeypatch.setattr("smoothlab.rundir.directory.HEARTBEAT_SECONDS", 0.001)
    run, beats = RunDirectory(tmp_path), threading.Semaphore(0)

    def full(*_, **__):
        beats.release()
        raise OSError(28, "No space left on device")

    with run.held(), StatusFile(run, "abc"), monkeypatch.context() as patch:
        patch.setattr("smoothlab.rundir.directory.write_json", full)
        for _ in range(3):
            assert beats.acquire(timeout=60)


def test_leftovers_of_killed_processes_go_and_nothing_else(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    stays = [".lock", ".hydra", "checkpoints/best.ckpt", ".first_end", ".notes.txt", "table.12.csv"]
    goes = [".status.4711.json", "checkpoints/.best.123.ckpt", "checkpoints/.last.9.ckpt", ".x.1"]
    for name in (*stays, *goes):
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == {*stays, "checkpoints"}


def test_two_threads_that_write_one_file_leave_one_of_the_two_whole(tmp_path):
    both, written = threading.Barrier(2), []

    def write(text):
        def fill(temporary):
            temporary.write_text(text)
            both.wait(10)  # both temporary files are there at once
            written.append(temporary.read_text())

        write_atomically(tmp_path / "status.json", fill)

    texts = ["one" * 100, "two" * 200]
    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(written) == sorted(texts)
    assert (tmp_path / "status.json").read_text() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_a_folder_is_made_whole_or_not_at_all(tmp_path):
    def cut_off() -> None:
        with folder_in_one_step(tmp_path / "made") as folder:
            (folder / "part").write_text("some")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_off()
    assert not list(tmp_path.iterdir())
    with folder_in_one_step(tmp_path / "made") as folder:
        (folder / "part").write_text("all")
        assert not (tmp_path / "made").exists()
    assert (tmp_path / "made" / "part").read_text() == "all"


def test_what_a_killed_process_left_of_a_folder_goes_and_that_of_a_living_one_stays(tmp_path):
    program = """
import os, pathlib, signal, sys
from smoothlab.rundir.atomic import folder_in_one_step
with folder_in_one_step(pathlib.Path(sys.argv[1])) as folder:
    (folder / "part").write_text("some")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path / "made")], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == 1
    (tmp_path / ".made.yaml").mkdir()
    with folder_in_one_step(tmp_path / "made") as first:
        assert not left & {path.name for path in tmp_path.iterdir()}
        with folder_in_one_step(tmp_path / "made"):
            assert first.exists()
        (tmp_path / "made").rmdir()
    assert {path.name for path in tmp_path.iterdir()} == {".made.yaml", "made"}
