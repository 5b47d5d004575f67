"""`smoothlab train -m hydra/sweeper=smoothlab`, and the presets of sweeps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from smoothlab.rundir.directory import RunDirectory

SMALL = [
    "data=synthetic_medical",
    "data.rows=60",
    "data.val_rows=30",
    "data.test_rows=30",
    "logger=none",
    "smoothing=standard",
]
SHORT = [*SMALL, "trainer.max_epochs=2", "callbacks=none", "progress=none"]
SEARCH = ["-m", "hydra/sweeper=smoothlab", "hydra.launcher.name=mine"]
RANGES = ["optimizer.lr=tag(log,interval(1e-4,1e-1))", "smoothing.strength.epsilon=interval(0,0.3)"]


def folder() -> Path:
    return next(Path("outputs/sweeps").glob("*/mine"))


def ledger() -> dict:
    return json.loads((folder() / "search.json").read_text())


def values(trial: dict) -> dict:
    """What search.json says a trial tried."""
    return dict(override.split("=", 1) for override in trial["overrides"])


def test_a_search_trains_what_it_says_goes_on_to_a_greater_total_and_finds_the_front(cli):
    words = ["train", *SEARCH, *SHORT, *RANGES, "hydra.sweeper.objectives=[val/nll,val/ece]"]
    words += ["hydra.sweeper.sampler=nsga2", "hydra.launcher.n_jobs=2"]
    code, _, err = cli(*words, "hydra.sweeper.n_trials=2")
    assert code == 0, err
    assert "2 of 2 trials: 2 done" in err
    first = ledger()["trials"]
    started = {
        trial["directory"]: RunDirectory(folder() / trial["directory"]).read_status()["started"] for trial in first
    }

    code, _, err = cli(*words, "hydra.sweeper.n_trials=3")
    assert code == 0, err
    assert "2 of them done before" in err
    search = ledger()
    assert search["trials"][:2] == first
    assert len(search["trials"]) == 3
    for trial in search["trials"]:
        run = folder() / trial["directory"]
        config = yaml.safe_load((run / "config.yaml").read_text())
        assert config["optimizer"]["lr"] == float(values(trial)["optimizer.lr"])
        assert config["smoothing"]["strength"]["epsilon"] == float(values(trial)["smoothing.strength.epsilon"])
        results = json.loads((run / "results.json").read_text())
        assert trial["values"]["val/nll"] == results["objective"]["value"]
        assert trial["values"]["val/ece"] == results["metrics"]["val"]["ece"]
        assert (run / ".hydra" / "overrides.yaml").is_file()
    for name, time_of_start in started.items():
        assert RunDirectory(folder() / name).read_status()["started"] == time_of_start
    front = yaml.safe_load((folder() / "best.yaml").read_text())["pareto_front"]
    assert [trial["trial"] for trial in front] == search["best"]
    nll = {trial["trial"]: trial["values"]["val/nll"] for trial in search["trials"]}
    assert min(nll, key=nll.get) in search["best"]


def test_a_hopeless_run_is_pruned_and_its_directory_says_so(cli):
    rates = "optimizer.lr=0.01,1e-9"
    long = ["logger=none", "trainer.max_epochs=90", "callbacks=none", "progress=none"]
    words = ["train", *SEARCH, *long, rates, "hydra.sweeper.sampler=grid", "hydra.sweeper.pruner=asha"]
    code, _, err = cli(*words)
    assert code == 0, err
    good, bad = ledger()["trials"]
    assert [good["state"], bad["state"]] == ["done", "pruned"]
    run = RunDirectory(folder() / bad["directory"])
    status = run.read_status()
    assert status["state"] == "pruned"
    assert status["reason"] == bad["reason"]
    assert not run.results.exists()
    told_epochs = [
        json.loads(line)["epoch"] for line in (run.path / "search" / "reports.jsonl").read_text().splitlines()
    ]
    assert told_epochs == list(range(1, len(told_epochs) + 1))
    assert len(told_epochs) < 90
    assert ledger()["best"] == [0]

    code, _, err = cli(*words)
    assert code == 0, err
    assert "2 of them done before" in err


def test_a_trial_that_fails_is_recorded_the_others_go_on_and_the_code_is_1(cli):
    Path("own.py").write_text(
        "import torch\n\nclass Own(torch.nn.Linear):\n"
        "    def __init__(self, fails, in_features, num_classes):\n"
        "        super().__init__(in_features, num_classes)\n        self.fails = fails\n"
        "    def forward(self, x):\n"
        "        if self.training and self.fails:\n            raise RuntimeError('out of ideas')\n"
        "        return super().forward(x)\n"
    )
    words = ["train", *SEARCH, *SHORT, "code=own.py", "net=linear", "net._target_=own.Own", "+net.fails=false,true"]
    words += ["hydra.sweeper.sampler=grid"]
    code, _, err = cli(*words)
    assert code == 1, err
    good, bad = ledger()["trials"]
    assert [good["state"], bad["state"]] == ["done", "failed"]
    assert "out of ideas" in bad["reason"]
    assert "1 of 2 trials failed" in err


def test_a_search_whose_process_was_killed_ends_as_an_undisturbed_one(cli, tmp_path):
    words = ["train", *SEARCH, *SHORT, *RANGES, "hydra.sweeper.n_trials=3"]
    words += ["+hydra.sweeper.sampler_options.n_startup_trials=1"]
    code, _, err = cli(*words)
    assert code == 0, err
    whole = [(trial["overrides"], trial["values"]) for trial in ledger()["trials"]]

    place = tmp_path / "again"
    place.mkdir()
    command = [sys.executable, "-m", "smoothlab", *words]
    with subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:  # ends with the process at the latest
            if line.startswith("[1/3]"):
                break
        process.send_signal(signal.SIGKILL)
    os.chdir(place)
    assert not (folder() / "search.json").exists() or len(ledger()["trials"]) < 3
    end = time.monotonic() + 60
    while any(RunDirectory(path).is_locked() for path in folder().glob("*/")) and time.monotonic() < end:
        time.sleep(0.05)  # the runs die with their server, which notices in its own time
    code, _, err = cli(*words)
    assert code == 0, err
    assert [(trial["overrides"], trial["values"]) for trial in ledger()["trials"]] == whole


STOPPING = '''
import os
import signal
import time
from pathlib import Path

import torch


class Own(torch.nn.Linear):
    """With number 1 sends the signal that the file `stop` names to the search, in its third epoch, once."""

    def __init__(self, number, in_features, num_classes):
        super().__init__(in_features, num_classes)
        self.number, self.steps = number, 0

    def forward(self, features):
        self.steps += self.training
        if self.training and self.steps > 5 and self.number == 1 and Path("stop").exists():
            what, pid, seconds = Path("stop").read_text().split()
            Path("stop").unlink()
            os.kill(int(pid), getattr(signal, what))
            time.sleep(float(seconds))
        return super().forward(features)
'''


@pytest.mark.parametrize(("what", "exit_code", "step_s"), [("SIGINT", 130, 1), ("SIGTERM", 143, 60)])
def test_a_search_that_is_stopped_leaves_no_process_and_goes_on_where_it_was(cli, what, exit_code, step_s):
    Path("own.py").write_text(STOPPING)
    words = ["train", *SEARCH, *SMALL, "trainer.max_epochs=4", "data.batch_size=30", "progress=none"]
    words += ["code=own.py", "net=linear", "net._target_=own.Own", "+net.number=0,1", "hydra.sweeper.sampler=grid"]
    assert cli(*words, "output_root=undisturbed")[0] == 0
    (whole,) = Path("undisturbed").glob("sweeps/*/mine/search.json")

    Path("stop").write_text(f"{what} {os.getpid()} {step_s}")
    before = signal.getsignal(signal.SIGTERM)
    code, _, err = cli(*words)
    assert code == exit_code, err
    assert signal.getsignal(signal.SIGTERM) is before
    assert "the same command goes on with it" in err
    runs = {path.parent.name.split("-")[0]: RunDirectory(path.parent) for path in folder().glob("*/status.json")}
    states = {name: json.loads(run.status.read_text()) for name, run in runs.items()}
    assert {name: state["state"] for name, state in states.items()} == {"number=0": "done", "number=1": "interrupted"}
    assert not any(Path(f"/proc/{state['pid']}").exists() for state in states.values())
    assert not RunDirectory(folder()).is_locked()

    code, _, err = cli(*words)
    assert code == 0, err
    assert "1 of them done before" in err
    assert "resumed at step" in (runs["number=1"].path / "run.log").read_text()
    assert [trial["values"] for trial in ledger()["trials"]] == [
        trial["values"] for trial in json.loads(whole.read_text())["trials"]
    ]


def test_a_pruned_run_of_several_ranks_ends_on_all_of_them(tmp_path):
    from smoothlab.config.compose import compose_config, plain
    from smoothlab.rundir.trial_files import TrialFiles
    from smoothlab.training.job import run_job

    run = RunDirectory(tmp_path / "run")
    files = TrialFiles(run.path)
    files.begin(number=0, monitor="val/nll")
    files.ask_to_stop("no hope")
    run_job(plain(compose_config("train", [*SHORT, "trainer=ddp_cpu"])), str(run.path))
    status = run.read_status()
    assert (status["state"], status["reason"]) == ("pruned", "no hope")
    assert len(files.read_reports(0)[0]) == 1
    assert not run.results.exists()


MISTAKES = [
    (["optimizer.lrr=interval(0,1)"], "optimizer.lrr"),
    (["smoothing=none,standart"], "smoothing = standart: no such option; nearest: standard"),
    (["smoothing.strength.epsilon=interval(0,1)"], "epsilon"),
    (["optimizer.lr=interval(1,0)"], "more than high"),
    ([], "nothing to search"),
    ([RANGES[0], "hydra.sweeper.sampler=tpa"], "hydra.sweeper.sampler = 'tpa'"),
    ([RANGES[0], "hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials = 0: expected an integer of at least 1"),
    ([RANGES[0], "hydra.sweeper.n_trails=3"], "n_trails"),
    ([RANGES[0], "hydra.sweeper.objectives=[val/nl]"], "val/nl: nearest: val/nll"),
    ([RANGES[0], "hydra.sweeper.objectives=[test/nll]"], "spoils it"),
    ([RANGES[0], "hydra.sweeper.objectives=[val/nll,val/ece]", "hydra.sweeper.pruner=median"], "cannot prune"),
    ([RANGES[0], "hydra.sweeper.pruner=median", "hydra/launcher=basic"], "needs hydra/launcher=smoothlab"),
    ([RANGES[0], "hydra.sweeper.sampler=grid"], "a grid needs a step"),
    ([RANGES[0], "resume=outputs/x"], "resume"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_a_mistake_is_one_line_and_nothing_is_made(cli, words, message):
    search = [option for option in SEARCH if "launcher" not in option or "hydra/launcher=basic" not in words]
    code, _, err = cli("train", *search, *SHORT, *words)
    assert (code, err.count("\n")) == (2, 1), err
    assert message in err
    assert not Path("outputs").exists()


def test_other_settings_in_the_same_directory_are_refused_with_the_difference(cli):
    words = ["train", *SEARCH, *SHORT, "optimizer.lr=0.01,0.1", "hydra.sweeper.n_trials=1"]
    assert cli(*words)[0] == 0
    code, _, err = cli(*words, "hydra.sweeper.seed=1")
    assert code == 2
    assert "seed: 0 -> 1" in err
    assert "hydra.launcher.name" in err
    code, _, err = cli(*words[:-2], "optimizer.lr=0.01,0.2", words[-1])
    assert code == 2
    assert "params.optimizer.lr" in err


def test_a_database_holds_the_study_and_its_url_stands_in_no_file(cli, monkeypatch, tmp_path):
    url = f"sqlite:///{tmp_path}/a-secret-place.db"
    monkeypatch.setenv("SEARCH_STORAGE", url)
    storage = "hydra.sweeper.storage=${oc.env:SEARCH_STORAGE}"
    words = ["train", *SEARCH, *SHORT, RANGES[1], "hydra.sweeper.n_trials=1", "hydra.sweeper.sampler=random"]
    code, _, err = cli(*words, "hydra.sweeper.storage=postgresql://me:secret@host/x")
    assert code == 2
    assert "holds a password" in err
    assert "secret" not in err
    assert not Path("outputs").exists()
    code, _, err = cli(*words, storage)
    assert code == 0, err
    assert "1 of 1 trials: 1 done" in err
    code, out, err = cli("sweep", "status", "synthetic_medical/mine", "storage=${oc.env:SEARCH_STORAGE}", "--json")
    assert code == 0, err
    (trial,) = json.loads(out)
    assert Path(trial["directory"], "results.json").is_file()
    assert cli("sweep", "status", str(folder()))[0] == 0
    written = [path for path in Path("outputs").rglob("*") if path.is_file()]
    assert not [path for path in written if b"a-secret-place" in path.read_bytes()]
    code, _, err = cli(*words, storage, "optimizer.weight_decay=0.5")
    assert code == 2
    assert "optimizer.weight_decay: " in err


def test_other_launchers_run_the_trials_in_batches_and_leave_the_same_directories(cli):
    words = ["train", *SEARCH[:2], *SHORT, RANGES[1], "hydra.sweeper.n_trials=2"]
    batches = [*words, "hydra/launcher=basic", "hydra.sweeper.batch_size=2", "hydra.sweeper.sampler=random"]
    code, _, err = cli(*batches, "hydra.sweep.dir=outputs/sweeps/synthetic_medical/mine")
    assert code == 0, err
    first = ledger()["trials"]
    for trial in first:
        run = RunDirectory(folder() / trial["directory"])
        config = yaml.safe_load(run.config.read_text())
        assert config["smoothing"]["strength"]["epsilon"] == float(values(trial)["smoothing.strength.epsilon"])
        assert trial["directory"].endswith(f"-{run.read_status()['identity'][:8]}")
        assert trial["directory"].startswith("epsilon=")
    jobs = json.loads((folder() / "sweep.json").read_text())["jobs"]
    assert [job["directory"] for job in jobs] == [trial["directory"] for trial in first]
    assert {path.name for path in folder().glob("*/")} == {trial["directory"] for trial in first}
    assert cli(*batches, "hydra.sweep.dir=outputs/sweeps/synthetic_medical/mine")[0] == 0
    assert ledger()["trials"] == first


@pytest.mark.parametrize(
    ("preset", "keys"),
    [
        ("epsilon", {"smoothing.strength.epsilon"}),
        ("strategy", {"smoothing"}),
        ("seeds", {"seed"}),
        ("search", {"optimizer.lr", "optimizer.weight_decay", "smoothing.strength.epsilon"}),
    ],
)
def test_each_preset_gives_its_lists_to_the_sweep(preset, keys):
    from omegaconf import OmegaConf

    from smoothlab.config.compose import compose_config
    from smoothlab.sweeps.launcher_pool import LauncherPool
    from smoothlab.sweeps.search.space import Space
    from smoothlab.sweeps.search.sweeper import Composing, check_space

    config = compose_config("train", [f"sweep={preset}"])
    node = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    ours = "SmoothlabSweeper" in node["_target_"]
    assert ours == (preset == "search")
    space = Space.read(node["params"])
    assert {dimension.key for dimension in space} == keys
    pool = LauncherPool(None)  # which calls here
    check_space(space, Composing([f"sweep={preset}"]), pool)  # every option composes and can be trained


def test_a_preset_without_m_is_refused(cli):
    code, _, err = cli("train", "sweep=epsilon")
    assert (code, err) == (2, "smoothlab: sweep=epsilon: makes a sweep; add -m\n")
