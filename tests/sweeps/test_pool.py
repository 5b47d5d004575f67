"""The pool's order of things, with processes that are made up."""

from __future__ import annotations

import json
import signal
import threading

import pytest

from smoothlab.processes import Child, Ending, ServerDied
from smoothlab.rundir.directory import RunDirectory
from smoothlab.sweeps.devices import Devices
from smoothlab.sweeps.pool import JobPool, Planned


class Made:
    """A server whose processes end when the test says so, or when they are signalled."""

    def __init__(self) -> None:
        self.launched: list[dict] = []
        self.children: list[Child] = []
        self.dead = False

    def __enter__(self) -> Made:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Nothing is left."""

    def die(self) -> None:
        self.dead = True
        for child in self.children:
            child._ended(Ending(None, signal.SIGKILL, orphaned=True))

    def launch(self, target, args, *, env, log, threads) -> Child:
        if self.dead:
            raise ServerDied("the warm server has ended")
        number = len(self.children)
        child = Child(1000 + number, lambda sent: self.end(number, Ending(None, sent)), threading.Condition())
        self.launched.append({"directory": args[1], "resume": args[2], "env": dict(env), "threads": threads})
        self.children.append(child)
        return child

    def wait_any(self, children, timeout=None) -> list[Child]:
        return [child for child in children if child.poll()]

    def end(self, number: int, ending: Ending, **status: object) -> None:
        run = RunDirectory(self.launched[number]["directory"])
        if status:
            run.status.write_text(json.dumps(status))
        self.children[number]._ended(ending)


RUN = Planned({"trainer": {"accelerator": "gpu", "devices": 1}})


@pytest.fixture
def made() -> Made:
    return Made()


def test_so_many_run_at_a_time_in_the_order_of_submission(made, tmp_path):
    begun = RunDirectory(tmp_path / "1").last_checkpoint
    begun.parent.mkdir(parents=True)
    begun.touch()
    with JobPool(devices=Devices(2, 4), server=made) as pool:
        jobs = [pool.submit(RUN, tmp_path / str(number)) for number in range(3)]
        assert [job.state for job in jobs] == ["started", "started", "waiting"]
        assert pool.free == 0
        made.end(1, Ending(0), state="done")
        assert pool.wait_any() == [jobs[1]]
        assert jobs[2].state == "started"
        assert pool.wait_any(timeout=0.0) == []
        for number in (0, 2):
            made.end(number, Ending(0), state="done")
        assert set(pool.ended()) == {jobs[0], jobs[2]}
        assert pool.wait_any() == []
        assert pool.free == 2
    assert [launch["resume"] for launch in made.launched] == [False, True, False]
    assert {launch["threads"] for launch in made.launched} == {2}
    assert {launch["env"]["OMP_NUM_THREADS"] for launch in made.launched} == {"2"}
    assert not any("CUDA_VISIBLE_DEVICES" in launch["env"] for launch in made.launched)


def test_each_run_has_a_gpu_of_its_own_and_waits_for_it(made, tmp_path):
    with JobPool(devices=Devices(3, 4, ["4", "7"]), server=made) as pool:
        jobs = [pool.submit(RUN, tmp_path / str(number)) for number in range(3)]
        assert [launch["env"]["CUDA_VISIBLE_DEVICES"] for launch in made.launched] == ["4", "7"]
        assert jobs[2].state == "waiting"
        made.end(1, Ending(0), state="done")
        pool.wait_any()
        assert made.launched[2]["env"]["CUDA_VISIBLE_DEVICES"] == "7"


@pytest.mark.parametrize(
    ("ending", "status", "state", "error"),
    [
        (Ending(1), {"state": "failed", "error": "its own reason"}, "failed", "its own reason"),
        (Ending(None, signal.SIGKILL), {"state": "running"}, "failed", "killed by SIGKILL"),
        (Ending(1, None, "Traceback\nMemoryError: much"), {}, "failed", "MemoryError: much"),
        (Ending(0), {"state": "running"}, "failed", "exit code 0"),
        (Ending(130), {"state": "interrupted"}, "interrupted", None),
        (Ending(143), {"state": "interrupted"}, "interrupted", None),
    ],
)
def test_status_json_says_how_a_run_ended_whatever_happened(made, tmp_path, ending, status, state, error):
    with JobPool(devices=Devices(1, 1), server=made) as pool:
        job = pool.submit(RUN, tmp_path / "run")
        made.end(0, ending, **status)
        assert pool.wait_any() == [job]
    written_status = RunDirectory(tmp_path / "run").read_status()
    assert (job.state, written_status["state"]) == (state, state)
    if error:
        assert job.error is not None
        assert error in job.error
        assert error in written_status["error"]


def test_leaving_the_pool_ends_what_runs_and_forgets_what_waits(made, tmp_path):
    with JobPool(devices=Devices(1, 1), server=made) as pool:
        running, waiting = (pool.submit(RUN, tmp_path / name) for name in "ab")
    assert made.children[0].poll() == Ending(None, signal.SIGTERM)
    assert running.state == "interrupted"
    assert RunDirectory(tmp_path / "a").read_status()["state"] == "interrupted"
    assert waiting.state == "waiting"
    assert len(made.launched) == 1


@pytest.mark.parametrize("ending", [Ending(None, signal.SIGTERM), Ending(1, None, "in a library, at its very end")])
def test_a_run_that_is_done_stays_so_however_its_process_ended(made, tmp_path, ending):
    with JobPool(devices=Devices(1, 1), server=made) as pool:
        job = pool.submit(RUN, tmp_path / "a")
        (tmp_path / "a" / "results.json").write_text('{"objective": {"value": 0.5}}')
        made.end(0, ending, state="done")
        assert pool.wait_any() == [job]
    assert (job.state, job.error, job.objective) == ("done", None, 0.5)
    assert RunDirectory(tmp_path / "a").read_status() == {"state": "done"}


def test_a_run_for_whose_process_there_is_no_room_fails_and_the_next_one_runs(made, tmp_path):
    launch = made.launch
    made.launch = lambda *args, **options: (_ for _ in ()).throw(OSError("no process could be made"))
    with JobPool(devices=Devices(1, 1), server=made) as pool:
        first = pool.submit(RUN, tmp_path / "a")
        made.launch = launch
        second = pool.submit(RUN, tmp_path / "b")
        assert pool.wait_any() == [first]
        assert (first.state, first.error) == ("failed", "no process could be made")
        assert second in pool.running


def test_a_server_that_is_killed_is_started_again_and_its_runs_go_on(made, tmp_path, monkeypatch, capsys):
    second = Made()
    monkeypatch.setattr("smoothlab.processes.WarmServer", lambda preload: second)
    with JobPool(devices=Devices(2, 2), server=made) as pool:
        jobs = [pool.submit(RUN, tmp_path / str(number)) for number in range(3)]
        jobs[1].directory.checkpoints.mkdir()
        jobs[1].directory.last_checkpoint.touch()
        made.die()
        assert pool.wait_any(timeout=0.0) == []
        assert [job.state for job in jobs] == ["started", "waiting", "started"]  # what waited is served first
        second.end(0, Ending(0), state="done")
        pool.wait_any()
        second.end(1, Ending(0), state="done")
        pool.wait_any()
        assert capsys.readouterr().err.count("the warm server was killed") == 1
        assert sorted((launch["directory"][-1], launch["resume"]) for launch in second.launched) == [
            ("0", False),
            ("1", True),
            ("2", False),
        ]
        second.die()
        (last,) = pool.ended()  # taken up once, not for ever
        assert last.state == "failed"
        assert "killed by SIGKILL" in str(last.error)
