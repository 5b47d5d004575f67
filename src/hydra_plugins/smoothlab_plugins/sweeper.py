"""Hydra's name for smoothlab's search."""

from __future__ import annotations

from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SmoothlabSweeper(Sweeper):
    """Choose each next run by what the runs before have shown; see ``smoothlab.sweeps.search.sweeper``.

    Args:
        settings: the keys of ``conf/hydra/sweeper/smoothlab.yaml``.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what a search needs, and make the launcher."""
        from hydra.core.plugins import Plugins

        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Search until all trials have ended."""
        from smoothlab.sweeps.search.sweeper import search

        assert self.config is not None
        assert self.launcher is not None
        search(self.config, arguments, self.launcher)
