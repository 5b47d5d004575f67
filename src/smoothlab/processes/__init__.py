"""Processes forked from a warm server: each run of a sweep, each rank of a training. Knows nothing of Hydra."""

from smoothlab.processes.calling import call
from smoothlab.processes.child import Child, Ending
from smoothlab.processes.server import PRELOAD, WITHOUT_WANDB, ServerDied, WarmServer

__all__ = ["PRELOAD", "WITHOUT_WANDB", "Child", "Ending", "ServerDied", "WarmServer", "call"]
