"""Hydra's name for smoothlab's launcher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SmoothlabLauncher(Launcher):
    """Each job of a sweep in a process of its own; see ``smoothlab.sweeps.launcher``.

    Args:
        n_jobs: jobs at a time, or ``auto``.
        name: of the sweep's directory, which the command reads.
    """

    def __init__(self, n_jobs: Any = 1, name: str | None = None) -> None:
        self.n_jobs = n_jobs
        self.name = name

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what a launch needs."""
        self.hydra_context = hydra_context
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs of a sweeper and wait for all of them."""
        from smoothlab.sweeps.launcher import launch

        return launch(self.config, self.hydra_context.config_loader, job_overrides, self.n_jobs)
