"""Who has started a process: environments as real starters set them, and what a child inherits of them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment

from smoothlab.commands.main import refuse_ranks
from smoothlab.errors import UserMistake
from smoothlab.starters import first_host, found_ranks, without_ranks
from smoothlab.training.clusters import StartedRanks, cluster_environment

# The variables of SLURM 22.05, Open MPI 4.1, MPICH's PMI and torch 2.13, as each was seen.
ALLOCATION = {
    "SLURM_JOB_ID": "7",
    "SLURM_NTASKS": "4",
    "SLURM_NPROCS": "4",
    "SLURM_NNODES": "2",
    "SLURM_NODELIST": "node[1-2]",
    "SLURM_JOB_NODELIST": "node[1-2]",
    "SLURM_TASKS_PER_NODE": "2(x2)",
}
STEP = {
    **ALLOCATION,
    "SLURM_STEP_ID": "0",
    "SLURM_STEPID": "0",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NODELIST": "node[1-2]",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
}
TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "GROUP_RANK": "1",
    "MASTER_ADDR": "10.0.0.1",
    "MASTER_PORT": "29400",
    "TORCHELASTIC_RUN_ID": "none",
    "TORCHELASTIC_RESTART_COUNT": "0",
}
OPEN_MPI = {
    "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "PMIX_NAMESPACE": "1182990337",
}
MPICH = {"PMI_SIZE": "2", "PMI_RANK": "1", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"}
OPERATOR = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "job-master-0", "MASTER_PORT": "23456"}


def place(environment, **more):
    start = found_ranks(environment, **{"terminal": False, **more})
    return start and (start.starter, start.rank, start.ranks, start.local_rank, start.node, start.nodes, start.address)


def test_each_starter_gives_rank_machine_and_meeting_point():
    assert place(STEP) == ("srun", 3, 4, 1, 1, 2, "node1")
    assert place(TORCHRUN) == ("torchrun", 3, 4, 1, 1, 2, "10.0.0.1")
    assert place(OPEN_MPI) == ("mpirun", 1, 2, 1, 0, 1, "127.0.0.1")
    assert place(MPICH) == ("mpirun", 1, 2, 1, 0, 1, "127.0.0.1")
    assert place(OPERATOR) == ("the environment (RANK, WORLD_SIZE)", 1, 2, 0, 1, 2, "job-master-0")


@pytest.mark.parametrize(
    "environment",
    [
        {},
        ALLOCATION,  # a shell of salloc
        {**ALLOCATION, "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"},  # a batch script, without srun
        {**STEP, "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"},  # srun --ntasks=1 within an allocation of four
        {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost"},
        {**OPEN_MPI, "OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"},
    ],
)
def test_a_process_that_nobody_waits_for_is_alone(environment):
    assert found_ranks(environment, terminal=False) is None
    assert isinstance(cluster_environment(environment), LightningEnvironment)


@pytest.mark.parametrize("name", ["bash", "interactive", "train"])
def test_the_name_of_a_job_says_nothing(name):
    assert place({**STEP, "SLURM_JOB_NAME": name}) == place(STEP)


def test_a_shell_of_srun_pty_is_alone_and_what_srun_starts_from_there_is_not():
    shell = {**STEP, "SLURM_PTY_PORT": "40123"}
    assert found_ranks(shell, terminal=True) is None
    assert place(shell, terminal=False) == place(STEP)


def test_steps_of_a_job_meet_at_ports_of_their_own_and_a_users_port_stands():
    first, second = (found_ranks({**STEP, "SLURM_STEP_ID": step}, terminal=False).port for step in "01")
    assert first != second
    assert 15000 <= first < 30000
    assert found_ranks({**STEP, "MASTER_PORT": "4711"}, terminal=False).port == 4711


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node1", "node1"),
        ("node[1-2]", "node1"),
        ("gpu[007-009,12],cpu3", "gpu007"),
        ("a-1,b-2", "a-1"),
        ("rack2-n[04,07]-ib", "rack2-n04-ib"),
    ],
)
def test_first_host_of_a_list(nodes, first):
    assert first_host(nodes) == first


@pytest.mark.parametrize("environment", [STEP, TORCHRUN, OPEN_MPI, MPICH, OPERATOR])
def test_what_is_started_from_a_rank_is_alone_and_keeps_the_rest(environment):
    child = without_ranks({**environment, "PATH": "/bin", "SLURM_CPUS_PER_TASK": "4", "CUDA_VISIBLE_DEVICES": "1"})
    assert found_ranks(child, terminal=False) is None
    assert child["PATH"] == "/bin"
    assert child["SLURM_CPUS_PER_TASK"] == "4"
    assert child["CUDA_VISIBLE_DEVICES"] == "1"
    assert ("SLURM_JOB_ID" in environment) == ("SLURM_JOB_ID" in child)


def test_lightning_is_told_and_not_left_to_guess(monkeypatch):
    environment = cluster_environment(STEP)
    assert isinstance(environment, StartedRanks)
    assert (environment.world_size(), environment.global_rank(), environment.local_rank(), environment.node_rank()) == (
        4,
        3,
        1,
        1,
    )
    assert (environment.main_address, environment.creates_processes_externally) == ("node1", True)
    assert isinstance(cluster_environment(TORCHRUN), TorchElasticEnvironment)


def test_ranks_on_several_machines_need_a_meeting_point():
    two_machines = {**OPEN_MPI, "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}
    with pytest.raises(UserMistake, match="MASTER_ADDR: mpirun has started 4 ranks on 2 machines"):
        cluster_environment(two_machines)
    assert cluster_environment({**two_machines, "MASTER_ADDR": "10.0.0.1"}).main_address == "10.0.0.1"


@pytest.mark.parametrize(
    ("name", "words", "line"),
    [
        ("train", ["-m", "seed=0,1"], "-m: not as ranks, of which srun has started 4; srun --ntasks=1"),
        ("compare", ["data=medical"], "compare: not as ranks, of which srun has started 4; srun --ntasks=1"),
        ("report", ["outputs"], "report: not as ranks, of which srun has started 4; srun --ntasks=1"),
    ],
)
def test_what_one_process_does_is_refused_as_one_of_several_ranks(monkeypatch, name, words, line):
    for variable, value in STEP.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(UserMistake) as refusal:
        refuse_ranks(name, words)
    assert str(refusal.value) == line
    refuse_ranks("train", ["seed=1"])


ENDS = """
import atexit, sys
from smoothlab.commands import main

atexit.register(print, "files are closed")
sys.argv = ["smoothlab", "report", "outputs"]
main()
print("the interpreter goes on to its end")
"""


def test_a_rank_that_ends_badly_leaves_at_once_but_for_what_waits_for_its_end():
    ended = subprocess.run([sys.executable, "-c", ENDS], env={**os.environ, **STEP}, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (2, "files are closed\n")
    assert "not as ranks" in ended.stderr
