"""The command line. Only here and in `sweeps` is Hydra known."""

from smoothlab.commands.main import main

__all__ = ["main"]
