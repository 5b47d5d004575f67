"""What the runs of a sweep share out: CPU threads and GPUs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smoothlab.errors import UserMistake

DRIVERS = tuple(
    f"/dev/{name}" for name in ("nvidiactl", "nvidia0", "nvhost-gpu", "nvmap", "dxg", "kfd")
)  # of CUDA and ROCm


class Devices:
    """Threads and GPUs of a machine, handed out to jobs.

    Args:
        n_jobs: jobs at a time, at least 1; ``auto`` is one a GPU, or one a core where there is no GPU.
        cores: CPU cores that may be used.
        gpus: ids of the GPUs that may be used, as CUDA_VISIBLE_DEVICES takes them.

    Raises:
        UserMistake: ``n_jobs`` is none of these.
    """

    def __init__(self, n_jobs: int | str, cores: int, gpus: Sequence[str] = ()) -> None:
        check_n_jobs(n_jobs)
        self.gpus = tuple(gpus)
        self.n_jobs = (len(self.gpus) or cores) if n_jobs == "auto" else int(n_jobs)
        self.threads = max(1, cores // self.n_jobs)
        self._free = list(self.gpus)

    @classmethod
    def of_this_machine(cls, n_jobs: int | str) -> Devices:
        """This machine's, less what OMP_NUM_THREADS and CUDA_VISIBLE_DEVICES withhold."""
        have = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        devices = cls(n_jobs, have, visible_gpus())
        limit = os.environ.get("OMP_NUM_THREADS", "")
        if limit.isdecimal() and int(limit) >= 1:
            devices.threads = min(devices.threads, int(limit))
        return devices

    def wanted(self, values: dict[str, Any]) -> int:
        """How many GPUs a job asks for; 0 where it runs on the CPU or names its devices itself."""
        trainer = values["trainer"]
        if not self.gpus or trainer.get("accelerator", "auto") not in ("auto", "gpu", "cuda"):
            return 0
        count = trainer.get("devices", 1)
        if count in ("auto", -1, "-1"):
            return max(1, len(self.gpus) // self.n_jobs)
        return count if isinstance(count, int) else 0

    def check(self, values: dict[str, Any]) -> None:
        """Refuse a job that would wait for ever.

        Raises:
            UserMistake: the job wants more than there are.
        """
        if (count := self.wanted(values)) > len(self.gpus):
            raise UserMistake(f"trainer.devices = {count}: this machine has {len(self.gpus)} GPU(s)")

    def take(self, values: dict[str, Any]) -> tuple[str, ...] | None:
        """GPUs for a job, none where it needs none; None where it must wait for some.

        Raises:
            UserMistake: the job wants more than there are.
        """
        self.check(values)
        count = self.wanted(values)
        if count > len(self._free):
            return None
        taken, self._free = tuple(self._free[:count]), self._free[count:]
        return taken

    def give_back(self, gpus: Sequence[str]) -> None:
        """GPUs that a job no longer uses."""
        self._free += gpus


def check_n_jobs(n_jobs: Any) -> None:
    """Refuse what is neither ``auto`` nor a number of jobs.

    Raises:
        UserMistake: neither of them.
    """
    if n_jobs != "auto" and (not isinstance(n_jobs, int) or isinstance(n_jobs, bool) or n_jobs < 1):
        raise UserMistake(f"hydra.launcher.n_jobs = {n_jobs!r}: expected auto or an integer of at least 1")


def visible_gpus() -> list[str]:
    """Ids of the GPUs that CUDA would show this process."""
    if sys.platform == "linux" and not any(Path(driver).exists() for driver in DRIVERS):
        return []  # torch, which takes seconds to import, would say no more
    import torch

    named = [gpu.strip() for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu.strip()]
    count = torch.cuda.device_count()
    return named[:count] if named else [str(index) for index in range(count)]
