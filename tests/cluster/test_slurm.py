"""A real SLURM of two nodes: who is a rank, and what a preemption leaves."""

from __future__ import annotations

import os
import time
from functools import partial

import pytest
from runs import ONE_EACH, QUICK, SMOOTHLAB, assert_same, only_run, status, wait

# As scripts/slurm_train.sh, on CPUs.
BATCH = f"""#!/bin/bash
#SBATCH --nodes=2 --ntasks-per-node=1 --requeue --open-mode=append --output=job.out --partition=low
srun --kill-on-bad-exit=1 {SMOOTHLAB} train {" ".join(ONE_EACH)} name=preempted resume=auto trainer.max_epochs=EPOCHS
code=$?
[ "$code" -eq 143 ] && scontrol requeue "$SLURM_JOB_ID" && sleep 120
exit "$code"
"""
PREEMPTIONS = int(os.environ.get("SMOOTHLAB_PREEMPTIONS", "10"))


@pytest.fixture
def typed(cluster, tmp_path):
    def run(*words):
        return cluster.run(*words, check=False, cwd=tmp_path)

    return run


def test_two_nodes_train_one_run(typed, tmp_path):
    answer = typed(
        "srun", "-N2", "--ntasks-per-node=1", SMOOTHLAB, "train", *ONE_EACH, "name=a", "trainer.max_epochs=2"
    )
    assert answer.returncode == 0, answer.stderr
    assert status(only_run(tmp_path, "a"))["state"] == "done"
    assert "srun` command is available" not in answer.stderr


def test_tasks_that_are_not_evenly_laid_out_train_too(typed, tmp_path):
    words = ["train", *QUICK, "trainer.devices=2", "name=b", "trainer.max_epochs=2"]
    answer = typed("srun", "-N1", "--ntasks=2", SMOOTHLAB, *words)
    assert answer.returncode == 0, answer.stderr
    assert status(only_run(tmp_path, "b"))["state"] == "done"


def test_srun_of_an_interactive_allocation_trains_one_run(typed, tmp_path):
    words = ["train", *QUICK, "trainer.devices=2", "name=c", "trainer.max_epochs=2"]
    answer = typed("salloc", "--job-name=interactive", "-N1", "-n2", "srun", SMOOTHLAB, *words)
    assert answer.returncode == 0, answer.stderr
    assert status(only_run(tmp_path, "c"))["state"] == "done"


def test_a_command_in_an_allocation_makes_its_own_ranks(typed, tmp_path):
    words = ["train", *QUICK, "trainer.devices=2", "name=d", "trainer.max_epochs=2"]
    answer = typed("salloc", "-N1", "-n2", SMOOTHLAB, *words)
    assert answer.returncode == 0, answer.stderr
    assert status(only_run(tmp_path, "d"))["state"] == "done"


def test_a_task_makes_a_sweep_whose_runs_have_ranks(typed):
    words = ["train", "-m", "seed=0,1", *QUICK, "trainer.devices=2", "name=e", "trainer.max_epochs=2"]
    answer = typed("srun", "-N1", "-n1", SMOOTHLAB, *words)
    assert answer.returncode == 0, answer.stderr
    assert "2 runs: 2 done" in answer.stdout + answer.stderr


@pytest.mark.parametrize("words", [["train", "-m", "seed=0,1"], ["compare", "budget=quick"], ["report", "outputs"]])
def test_what_one_process_does_is_refused_to_two(typed, tmp_path, words):
    answer = typed("srun", "-N1", "-n2", SMOOTHLAB, *words)
    assert answer.returncode == 2
    assert "not as ranks, of which srun has started 2; srun --ntasks=1" in answer.stderr
    assert not (tmp_path / "outputs").exists()


def test_more_tasks_than_ranks_are_one_line(typed, tmp_path):
    answer = typed("srun", "-N1", "-n3", SMOOTHLAB, "train", *QUICK, "trainer.devices=2")
    assert answer.returncode == 2
    assert "2 ranks, but srun has started 3" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "outputs").exists()


def trains_again(cluster, job, log, rows):
    """Whether a job has written so many lines of epochs, or is completed."""
    state = cluster.state_of(job)
    assert state in ("PENDING", "RUNNING", "COMPLETED"), cluster.run("scontrol", "show", "job", job).stdout
    if state == "PENDING":  # without the two minutes that SLURM keeps a job back, but once its last start is over
        time.sleep(3.0)
        cluster.run("scontrol", "update", f"JobId={job}", "StartTime=now", check=False)
        time.sleep(3.0)  # the scheduler looks every two seconds
    return state == "COMPLETED" or rows_of(log) >= rows


def rows_of(log):
    """How many lines of epochs a job has written, over all its starts."""
    return log.read_text().count("epoch ") if log.exists() else 0


def restarted(cluster, job, times):
    return cluster.restarts_of(job) >= times


def test_a_run_that_is_preempted_ends_as_an_undisturbed_one(cluster, typed, tmp_path):
    epochs = 40 + 40 * PREEMPTIONS
    words = ["train", *ONE_EACH, "name=whole", f"trainer.max_epochs={epochs}"]
    assert typed("srun", "-N2", "--ntasks-per-node=1", SMOOTHLAB, *words).returncode == 0
    (tmp_path / "job.sh").write_text(BATCH.replace("EPOCHS", str(epochs)))
    answer = typed("sbatch", "--parsable", "job.sh")
    job = answer.stdout.strip()
    log = tmp_path / "job.out"
    rows = 0
    for preempted in range(PREEMPTIONS):
        wait(partial(trains_again, cluster, job, log, rows + 1), "the job trains again")
        assert cluster.state_of(job) == "RUNNING", "the run was over too soon; give it more epochs"
        assert typed("srun", "--partition=high", "-N2", "--ntasks-per-node=1", "--exclusive", "true").returncode == 0
        wait(partial(restarted, cluster, job, preempted + 1), "the job is put back into the queue")
        rows = rows_of(log)
    wait(partial(trains_again, cluster, job, log, rows + 1), "the job trains again")
    assert cluster.wait_for(job, "COMPLETED", "FAILED", "CANCELLED") == "COMPLETED", log.read_text()[-3000:]
    assert_same(only_run(tmp_path, "preempted"), only_run(tmp_path, "whole"))
