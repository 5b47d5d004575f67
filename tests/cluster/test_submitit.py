"""Sweeps whose runs are jobs of a real SLURM: arrays with a limit, several ranks, the end of the time."""

from __future__ import annotations

import pytest
from runs import QUICK, SMOOTHLAB, assert_same, only_run, status, wait

BARE = [word for word in QUICK if not word.startswith("trainer=")]
LONG = [*BARE, "trainer=cpu", "seed=0", "trainer.max_epochs=1000"]
# Half a second an epoch, so that a run outlasts its job's time on a fast machine too.
SLOW = """
import time

from pytorch_lightning import Callback


class Slow(Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        time.sleep(0.5)
"""
SUBMIT = ["hydra/launcher=submitit_slurm", "hydra.launcher.partition=low", "hydra.launcher.cpus_per_task=1"]


@pytest.fixture
def sweep(cluster, tmp_path):
    """Run a sweep of a name on SLURM to its end; returns its output, the runs' states and the batch script."""

    def run(name, *words):
        folder = tmp_path / "sweeps" / name
        command = [SMOOTHLAB, "train", "-m", *QUICK, *SUBMIT, f"hydra.sweep.dir={folder}", *words]
        answer = cluster.run(*command, check=False, cwd=tmp_path)
        runs = [path.parent for path in sorted(folder.glob("*/status.json"))]
        batch = "".join(path.read_text() for path in folder.glob(".submitit/**/*.sh"))
        return answer, runs, batch

    return run


def test_an_array_has_its_limit_and_its_resources(sweep):
    words = ["seed=0,1,2", "trainer.devices=1", "trainer.max_epochs=1", "hydra.launcher.array_parallelism=2"]
    answer, runs, batch = sweep("array", *words, "hydra.launcher.mem_gb=1", "hydra.launcher.timeout_min=9")
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert [status(run)["state"] for run in runs] == ["done"] * 3
    assert "#SBATCH --array=0-2%2" in batch
    assert "#SBATCH --mem=1GB" in batch
    assert "#SBATCH --time=9" in batch


@pytest.mark.parametrize(
    ("nodes", "tasks", "options"),
    [
        (2, 1, ["trainer.devices=1", "trainer.num_nodes=2"]),
        (1, 2, ["trainer.devices=2"]),
        (1, 1, ["trainer.devices=2"]),
    ],
)
def test_a_job_may_be_a_run_of_several_ranks(sweep, nodes, tasks, options):
    words = [f"hydra.launcher.nodes={nodes}", f"hydra.launcher.tasks_per_node={tasks}", *options]
    answer, runs, _ = sweep("ranks", *words, "seed=0,1", "trainer.max_epochs=2")
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert [status(run)["state"] for run in runs] == ["done"] * 2


@pytest.fixture
def begun(cluster, tmp_path):
    """Start a sweep of one long run on SLURM; returns its folder, and what waits until it has ended well."""
    folder, log = tmp_path / "sweep", tmp_path / "sweep.log"

    def start(*limits):
        words = [*SUBMIT, *LONG, *limits, f"hydra.sweep.dir={folder}", f"output_root={tmp_path / 'outputs'}"]
        process = cluster.machines.start("node1", [SMOOTHLAB, "train", "-m", *words], log=log, env=cluster.environment)

        def over():
            for job in cluster.run("squeue", "--noheader", "--states=PENDING", "--format=%A").stdout.split():
                cluster.run("scontrol", "update", f"JobId={job}", "StartTime=now", check=False)  # not in two minutes
            return process.poll() is not None

        def end():
            wait(over, "the sweep ends", 600.0)
            assert process.returncode == 0, log.read_text()[-3000:]
            (run,) = (path.parent for path in folder.glob("*/status.json"))
            assert status(run)["state"] == "done"
            assert "resumed at step" in (run / "run.log").read_text()
            return run

        return folder, end

    return start


def test_a_job_that_is_preempted_goes_on_and_the_sweep_waits_for_it(cluster, begun):
    folder, end = begun()
    wait(lambda: list(folder.glob("*/checkpoints/last.ckpt")), "the job trains")
    cluster.run("srun", "--partition=high", "-N2", "--ntasks-per-node=1", "--exclusive", "true")
    end()


def test_a_job_whose_time_is_over_goes_on_in_the_queue_and_ends_as_an_undisturbed_one(cluster, begun, tmp_path):
    limits = ["hydra.launcher.timeout_min=2", "hydra.launcher.signal_delay_s=60", "hydra.launcher.max_num_timeout=9"]
    (tmp_path / "slow.py").write_text(SLOW)
    slow = [f"code={tmp_path / 'slow.py'}", "+callbacks.slow._target_=slow.Slow", "trainer.max_epochs=120"]
    _, end = begun(*limits, *slow)
    run = end()
    assert cluster.run(SMOOTHLAB, "train", *LONG, *slow, "name=whole", check=False, cwd=tmp_path).returncode == 0
    assert_same(run, only_run(tmp_path, "whole"))
