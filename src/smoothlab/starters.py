"""Who has started this process: torchrun, srun, mpirun or a cluster as one rank of several, or nobody, as one alone.

This is the one place that reads their environment variables. What smoothlab starts itself inherits none of them
(:func:`without_ranks`), so that a run of a sweep on a cluster does not take its parent's rank for its own.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

LOCAL = "127.0.0.1"
TORCHRUN = "torchrun"
# Variables that give a process its place among the ranks of a starter.
OF_RANKS = frozenset(
    {
        *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "NODE_RANK"),
        *("ROLE_RANK", "ROLE_WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT"),
        *("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_GTIDS", "SLURM_TASK_PID"),
        *("SLURM_NTASKS", "SLURM_NPROCS", "SLURM_NTASKS_PER_NODE", "SLURM_TASKS_PER_NODE", "SLURM_STEPID"),
    }
)
OF_RANKS_BY_PREFIX = ("TORCHELASTIC_", "SLURM_STEP_", "OMPI_COMM_WORLD_", "PMI_", "PMIX_", "PALS_", "MPI_LOCAL")


@dataclass(frozen=True)
class Place:
    """The place of this process among ranks that were started from outside.

    Args:
        rank: the number of this process, from 0.
        ranks: how many there are on all machines.
        starter: who made them, as a user calls it.
        local_rank: the number of this process on its machine, from 0.
        node: the number of its machine, from 0.
        nodes: how many machines there are; 0 where the starter does not say.
        address: of the machine of rank 0, where the ranks meet; None where the starter does not say.
        port: there.
    """

    rank: int
    ranks: int
    starter: str
    local_rank: int = 0
    node: int = 0
    nodes: int = 0
    address: str | None = None
    port: int = 0


def found_ranks(environment: Mapping[str, str], *, terminal: bool | None = None) -> Place | None:
    """The ranks of which this process is one; None where it was started alone.

    Args:
        environment: of the process.
        terminal: whether its standard input is a terminal; None asks.
    """
    if "TORCHELASTIC_RUN_ID" in environment and "RANK" in environment:
        return _by_torchrun(environment, TORCHRUN)
    for place in (_by_srun(environment, terminal), _by_mpirun(environment)):
        if place is not None:
            return place
    if {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= environment.keys() and int(environment["WORLD_SIZE"]) > 1:
        return _by_torchrun(environment, "the environment (RANK, WORLD_SIZE)")
    return None


def without_ranks(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that this one starts: all but its own place among ranks."""
    return {
        name: value
        for name, value in environment.items()
        if name not in OF_RANKS and not name.startswith(OF_RANKS_BY_PREFIX)
    }


def _by_torchrun(environment: Mapping[str, str], starter: str) -> Place:
    """By the variables of torch's own launcher, which Kubernetes operators set as well, a process a machine."""
    rank, ranks = int(environment["RANK"]), int(environment.get("WORLD_SIZE", 1))
    there = int(environment.get("LOCAL_WORLD_SIZE", ranks if starter == TORCHRUN else 1))
    return Place(
        rank,
        ranks,
        starter,
        local_rank=int(environment.get("LOCAL_RANK", 0)),
        node=int(environment.get("GROUP_RANK", environment.get("NODE_RANK", rank // max(there, 1)))),
        nodes=-(-ranks // max(there, 1)),
        address=environment.get("MASTER_ADDR", LOCAL),
        port=int(environment.get("MASTER_PORT", 29500)),
    )


def _by_srun(environment: Mapping[str, str], terminal: bool | None) -> Place | None:
    """By what srun says of the step. The allocation's own variables count tasks that nobody has started."""
    ranks = int(environment.get("SLURM_STEP_NUM_TASKS", environment.get("SLURM_NTASKS", 1)))
    if ranks < 2 or "SLURM_PROCID" not in environment or "SLURM_STEP_ID" not in environment:
        return None
    if "SLURM_PTY_PORT" in environment and (os.isatty(0) if terminal is None else terminal):
        return None  # typed in a shell of srun --pty, whose other tasks have ended
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_NODELIST") or LOCAL
    job, step = int(environment.get("SLURM_JOB_ID", 0)), int(environment["SLURM_STEP_ID"])
    return Place(
        int(environment["SLURM_PROCID"]),
        ranks,
        "srun",
        local_rank=int(environment.get("SLURM_LOCALID", 0)),
        node=int(environment.get("SLURM_NODEID", 0)),
        nodes=int(environment.get("SLURM_STEP_NUM_NODES", environment.get("SLURM_NNODES", 1))),
        address=environment.get("MASTER_ADDR") or first_host(nodes),
        port=_port(environment, f"{job}.{step}"),
    )


def _by_mpirun(environment: Mapping[str, str]) -> Place | None:
    """By Open MPI's variables, or those of MPICH, Intel MPI and their like (PMI)."""
    if "OMPI_COMM_WORLD_SIZE" in environment:
        size, rank = environment["OMPI_COMM_WORLD_SIZE"], environment["OMPI_COMM_WORLD_RANK"]
        local, there = environment.get("OMPI_COMM_WORLD_LOCAL_RANK"), environment.get("OMPI_COMM_WORLD_LOCAL_SIZE")
        name = environment.get("PMIX_NAMESPACE", "")
    elif "PMI_SIZE" in environment and "PMI_RANK" in environment:
        size, rank = environment["PMI_SIZE"], environment["PMI_RANK"]
        local, there = environment.get("MPI_LOCALRANKID"), environment.get("MPI_LOCALNRANKS")
        name = environment.get("PMI_JOBID") or environment.get("PMI_PORT", "")
    else:
        return None
    ranks = int(size)
    if ranks < 2:
        return None
    on_machine = int(there or ranks)
    nodes = -(-ranks // on_machine)
    return Place(
        int(rank),
        ranks,
        "mpirun",
        local_rank=int(local if local is not None else rank),
        node=int(rank) // on_machine,
        nodes=nodes,
        address=environment.get("MASTER_ADDR") or (LOCAL if nodes == 1 else None),
        port=_port(environment, name),
    )


def first_host(nodes: str) -> str:
    """The first host of SLURM's list of them: ``node[07-09,12],other3`` gives ``node07``."""
    match = re.match(r"([^\[,\s]+)(?:\[([^\],-]+)[^\]]*\])?([^,\s]*)", nodes)
    return nodes if match is None else match[1] + (match[2] or "") + (match[3] or "")


def _port(environment: Mapping[str, str], name: str) -> int:
    """Where the ranks of a job's step meet: the same for all of them, another for each step."""
    return int(environment.get("MASTER_PORT") or 15000 + zlib.crc32(name.encode()) % 15000)
