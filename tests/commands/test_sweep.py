"""Sweeps: every run in its own process, found again by the same command, whatever happened in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import uuid
from pathlib import Path

import pytest
from warm import Command

import smoothlab
from smoothlab.models.checkpoint import read_checkpoint

LONG = 180.0  # seconds that a loaded machine may take
SUPPORT = Path(__file__).resolve().parent.parent / "support"
TINY = ("train", "-m", "logger=csv", "data=synthetic_medical", "data.rows=200", "trainer.max_epochs=2", "progress=none")


@pytest.fixture
def own_net(empty_folder) -> tuple[str, ...]:
    """Words that bring in the net that misbehaves, by a module name that this process has not seen."""
    name = f"net_{uuid.uuid4().hex}"
    shutil.copy(SUPPORT / "misbehaving.py", empty_folder / f"{name}.py")
    return f"code={name}.py", f"net._target_={name}.Net", "~net.hidden", "~net.dropout"


def the_sweep() -> Path:
    (file,) = Path("outputs/sweeps").glob("*/*/sweep.json")
    return file.parent


def runs(sweep: Path) -> dict[int, smoothlab.Run]:
    """A sweep's runs by their seeds."""
    jobs = json.loads((sweep / "sweep.json").read_text())["jobs"]
    done = [smoothlab.Run(sweep / job["directory"]) for job in jobs]
    return {run.config["seed"]: run for run in done}


def objectives(sweep: Path) -> dict[int, float]:
    return {seed: run.results["objective"]["value"] for seed, run in runs(sweep).items()}


def written(sweep: Path) -> dict[str, int]:
    return {str(file): file.stat().st_mtime_ns for file in sweep.glob("*/results.json")}


def test_a_sweep_of_twenty_of_which_five_go_wrong_runs_only_the_five_again(cli, own_net):
    Path("sick").touch()
    words = (
        *TINY,
        *own_net,
        "trainer.max_epochs=1",
        f"seed={','.join(map(str, range(20)))}",
        "hydra.launcher.n_jobs=2",
    )
    code, _, err = cli(*words)
    assert code == 1, err
    assert "20 runs: 15 done, 5 failed" in err
    sweep = the_sweep()
    statuses = {seed: run.status for seed, run in runs(sweep).items()}
    assert {seed for seed, status in statuses.items() if status["state"] == "failed"} == {3, 4, 5, 6, 7}
    for seed in (3, 4, 5):
        assert statuses[seed]["error"] == f"seed {seed} does not want to"
        assert f"RuntimeError: seed {seed} does not want to" in (runs(sweep)[seed].path / "run.log").read_text()
    assert statuses[6]["error"].startswith("killed by SIGKILL")
    assert "non-finite" in statuses[7]["error"]
    before = written(sweep)
    assert len(before) == 15

    Path("sick").unlink()
    code, _, err = cli(*words)
    assert code == 0
    assert "20 runs, 15 of them done before" in err
    assert "20 runs: 20 done" in err
    assert {file: when for file, when in written(sweep).items() if file in before} == before

    code, _, err = cli(*words)  # nothing is left to do
    assert code == 0
    assert "20 of them done before" in err


def test_a_sweep_ends_as_its_runs_would_alone(cli):
    words = [option for option in TINY if option not in ("train", "-m")]
    assert cli(*TINY, "seed=0,1", "smoothing=none,standard")[0] == 0
    names = sorted(path.name for path in the_sweep().iterdir() if path.is_dir())
    assert [name.rsplit("-", 1)[0] for name in names] == [
        f"seed={seed},smoothing={smoothing}" for seed in (0, 1) for smoothing in ("none", "standard")
    ]
    alone = smoothlab.train([*words, "seed=1", "smoothing=none"])
    (run,) = (smoothlab.Run(the_sweep() / name) for name in names if name.startswith("seed=1,smoothing=none"))
    assert run.results["metrics"] == alone.results["metrics"]
    assert (run.path / "metrics.csv").read_bytes() == (alone.path / "metrics.csv").read_bytes()
    assert run.status["identity"] == alone.status["identity"]
    assert run.path.name.endswith(run.status["identity"][:8])
    assert (run.path / ".hydra" / "overrides.yaml").is_file()
    assert not (run.path / "output.log").exists()


def test_another_base_config_is_refused_and_the_difference_shown(cli, empty_folder, monkeypatch):
    folder = empty_folder / "own" / "experiment"
    folder.mkdir(parents=True)
    preset = folder / "mine.yaml"
    text = "# @package _global_\noptimizer:\n  lr: {}\n"
    preset.write_text(text.format(0.01))
    words = (*TINY, "--config-dir", "own", "experiment=mine", "data=breast_cancer", "trainer.max_epochs=1", "seed=0,1")
    words = tuple(option for option in words if not option.startswith("data.") and option != "data=synthetic_medical")
    assert cli(*words)[0] == 0
    before = written(the_sweep())
    preset.write_text(text.format(0.02))
    code, _, err = cli(*words)
    assert code == 2
    assert "optimizer.lr: 0.01 -> 0.02" in err
    assert "hydra.launcher.name" in err
    assert written(the_sweep()) == before
    preset.write_text(text.format(0.01))
    monkeypatch.setattr("smoothlab.sweeps.pool.JobPool.warm", refuse)
    monkeypatch.setattr("smoothlab.sweeps.pool.JobPool.call", refuse)  # nothing is imported for a sweep that is done
    code, _, err = cli(*words)
    assert code == 0
    assert "2 of them done before" in err


def refuse(*_: object) -> None:
    raise AssertionError("a process was started")


def test_a_named_sweep_takes_more_runs(cli):
    named = (*TINY, "trainer.max_epochs=1", "hydra.launcher.name=mine")
    assert cli(*named, "seed=0")[0] == 0
    code, _, err = cli(*named, "seed=0,1")
    assert code == 0
    assert "2 runs, 1 of them done before" in err
    assert the_sweep().name == "mine"
    assert set(runs(the_sweep())) == {0, 1}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("hydra.launcher.n_jobs=0", "hydra.launcher.n_jobs = 0: expected auto or an integer of at least 1"),
        ("hydra.launcher.name=a/b", "hydra.launcher.name = 'a/b': expected the name of a folder"),
        ("resume=some/where", "resume: is for one run"),
        ("seed=1,1", "one run twice"),
        ("smoothing=none,nothing", "smoothing = nothing: no such option"),
    ],
)
def test_a_mistake_is_found_before_anything_is_made(cli, word, message):
    code, _, err = cli(*TINY, word)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not Path("outputs").exists()


def wait_until(condition, process: Command) -> None:
    end = time.monotonic() + LONG
    while not condition():
        assert process.poll() is None, process.written()[1]
        assert time.monotonic() < end
        time.sleep(0.02)


def half_done() -> bool:
    """One run is done, and one has a checkpoint but is not."""
    done = {file.parent for file in Path("outputs").rglob("results.json")}
    started = {file.parent.parent for file in Path("outputs").rglob("last.ckpt")}
    return bool(done) and bool(started - done)


def pids_of(sweep: Path) -> list[int]:
    return [json.loads(file.read_text())["pid"] for file in sweep.glob("*/status.json")]


def alive(pid: int) -> bool:
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        try:
            ended = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
            if ended and len(os.listdir(f"/proc/{pid}/task")) == 1:  # other threads would still hold its files
                return False
        except (FileNotFoundError, ProcessLookupError):
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_sweep_that_was_cut_off_ends_as_an_undisturbed_one(cli, own_net, how):
    words = (*TINY, *own_net, "trainer.max_epochs=4", "seed=0,1")
    assert cli(*words, "output_root=undisturbed")[0] == 0
    (undisturbed,) = Path("undisturbed/sweeps").glob("*/*")

    Path("slow").touch()  # so that there is time to cut it off
    process = Command(*words)
    wait_until(half_done, process)
    process.send_signal(how)
    err = process.communicate(timeout=LONG)[1]
    assert not any(alive(pid) for pid in pids_of(the_sweep()))
    states = {run.status["state"] for run in runs_started()}
    assert states == {"done", "interrupted"}
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on with it" in err
        assert any(json.loads(f.read_text())["state"] == "interrupted" for f in the_sweep().glob("*/status.json"))

    Path("slow").unlink()
    before = written(the_sweep())
    code, _, err = cli(*words)
    assert code == 0
    assert "(continued)" in err
    assert objectives(the_sweep()) == objectives(undisturbed)
    assert {file: when for file, when in written(the_sweep()).items() if file in before} == before
    for seed, run in runs(the_sweep()).items():
        assert (run.path / "metrics.csv").read_bytes() == (runs(undisturbed)[seed].path / "metrics.csv").read_bytes()


def runs_started() -> list[smoothlab.Run]:
    return [smoothlab.Run(file.parent) for file in the_sweep().glob("*/config.yaml")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_a_mistake(cli, empty_folder):
    (empty_folder / "outputs").mkdir(mode=0o500)
    code, _, err = cli(*TINY, "seed=0,1")
    assert code == 2
    assert "output_root: cannot write" in err


def test_a_checkpoint_that_cannot_be_written_damages_nothing_and_the_run_goes_on_later(cli, own_net):
    words = (*TINY, *own_net, "trainer.max_epochs=4", "seed=0,1", "data.batch_size=80")
    assert cli(*words, "output_root=undisturbed")[0] == 0
    (undisturbed,) = Path("undisturbed/sweeps").glob("*/*")
    Path("full").touch()
    code, _, err = cli(*words)
    assert code == 1
    assert "1 done, 1 failed" in err
    run = runs(the_sweep())[1]
    assert run.status["state"] == "failed"
    assert ".ckpt: cannot be written" in run.status["error"]
    assert "make room" in run.status["error"]
    for file in (run.directory.last_checkpoint, run.directory.best_checkpoint):  # of the epoch before, whole
        assert read_checkpoint(file)["epoch"] == 0
    assert not list(run.path.rglob(".*.ckpt"))
    Path("full").unlink()
    code, _, err = cli(*words)
    assert code == 0
    assert "(continued)" in err
    assert objectives(the_sweep()) == objectives(undisturbed)


def test_a_sweep_json_that_cannot_be_written_leaves_the_old_one(cli, monkeypatch):
    words = (*TINY, "trainer.max_epochs=1", "hydra.launcher.name=mine")
    assert cli(*words, "seed=0")[0] == 0
    before = (the_sweep() / "sweep.json").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("smoothlab.rundir.atomic.os.replace", full)
        code, _, err = cli(*words, "seed=0,1")
    assert code == 2
    assert "sweep.json: cannot be written (No space left on device)" in err
    assert (the_sweep() / "sweep.json").read_bytes() == before
    assert {path.name for path in the_sweep().iterdir()} == {"sweep.json", ".lock", next(iter(before_dirs(before)))}


def before_dirs(ledger: bytes) -> set[str]:
    return {job["directory"] for job in json.loads(ledger)["jobs"]}


def test_a_sweep_that_runs_already_is_refused(cli):
    from smoothlab.rundir.directory import RunDirectory

    assert cli(*TINY, "trainer.max_epochs=1", "seed=0,1")[0] == 0
    with RunDirectory(the_sweep()).held():
        code, _, err = cli(*TINY, "trainer.max_epochs=1", "seed=0,1")
    assert code == 2
    assert f"in use by process {os.getpid()}" in err


@pytest.mark.parametrize("launcher", ["basic", "submitit_local"])
def test_other_launchers_leave_the_same_directories_and_go_on_too(cli, own_net, launcher):
    if launcher != "basic":
        pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    words = (*TINY, *own_net, "trainer.max_epochs=1", f"hydra/launcher={launcher}", "seed=3,9", "data.rows=60")
    Path("sick").touch()
    code, _, err = cli(*words)
    assert code == 1, err
    assert "2 runs: 1 done, 1 failed" in err
    sweep = the_sweep()
    found_runs = runs(sweep)
    assert {seed: run.status["state"] for seed, run in found_runs.items()} == {3: "failed", 9: "done"}
    assert found_runs[3].status["error"] == "seed 3 does not want to"
    for seed, run in found_runs.items():
        assert run.path.name == f"seed={seed}-{run.status['identity'][:8]}"
        assert (run.path / ".hydra" / "overrides.yaml").is_file()
    assert {path.name for path in sweep.glob("*/")} - {".submitit"} == {run.path.name for run in found_runs.values()}
    if launcher != "basic":
        return  # its jobs are new interpreters, seconds each
    before = written(sweep)
    Path("sick").unlink()
    code, _, err = cli(*words)
    assert code == 0, err
    assert "2 runs, 1 of them done before" in err
    assert before.items() <= written(sweep).items()
