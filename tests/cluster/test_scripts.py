"""The scripts of SLURM that a team copies, on a real one, with CPUs in place of GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest
from runs import QUICK, SMOOTHLAB, only_run, status

from smoothlab.sweeps.search.stored import all_well, stored_trials

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
HERE = ["--gpus-per-node=0", "--cpus-per-task=1", "--time=9", "--partition=low"]
SHORT = [word for word in QUICK if word.split("=")[0] not in ("trainer", "progress")] + ["trainer.max_epochs=1"]


@pytest.fixture
def submit(cluster, tmp_path):
    """Submit a script with options of sbatch and words of the command; returns the job's number once it has ended."""

    def run(script, options, words, **environment):
        folder = Path(SMOOTHLAB).parent
        variables = {"PATH": f"{folder}:{cluster.environment['PATH']}", **environment}
        command = ["sbatch", "--parsable", "--wait", *HERE, *options, str(SCRIPTS / script), *words]
        answer = cluster.run(*command, check=False, cwd=tmp_path, env=variables)
        output = "".join(path.read_text() for path in tmp_path.glob("slurm-*.out"))
        assert answer.returncode == 0, answer.stderr + output[-3000:]
        return answer.stdout.split()[0]

    return run


def test_one_node(submit, tmp_path):
    job = submit("slurm_node.sh", [], SHORT, TRAINER="ddp_cpu", DEVICES="2")
    assert status(only_run(tmp_path, f"job_{job}"))["state"] == "done"


def test_two_nodes(submit, tmp_path):
    job = submit("slurm_train.sh", ["--ntasks-per-node=1"], SHORT, TRAINER="ddp_cpu")
    assert status(only_run(tmp_path, f"job_{job}"))["state"] == "done"


def test_an_array(submit, tmp_path):
    job = submit("slurm_array.sh", ["--array=0-1%1"], SHORT, TRAINER="cpu")
    for seed in range(2):
        assert status(only_run(tmp_path, f"array_{job}_{seed}"))["state"] == "done"


def test_search_workers(submit, tmp_path):
    url = f"sqlite:///{tmp_path}/search.db"
    place = tmp_path / "storage"
    place.write_text(url)
    words = [
        *SHORT,
        "progress=none",
        "hydra/sweeper=smoothlab",
        "optimizer.lr=interval(0.001,0.1)",
        "hydra.sweeper.n_trials=4",
    ]
    options = ["--array=0-1"]
    submit(
        "slurm_search.sh", options, [*words, "hydra.launcher.name=mine"], TRAINER="cpu", SEARCH_STORAGE_FILE=str(place)
    )
    trials, total = stored_trials("medical/mine", url)
    assert all_well(trials, total)
    assert len(trials) == 4
