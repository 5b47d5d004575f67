"""Optuna, imported where a search needs it and kept quiet."""

from __future__ import annotations

from types import ModuleType

from smoothlab.errors import UserMistake


def load_optuna() -> ModuleType:
    """The package.

    Raises:
        UserMistake: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise UserMistake(
            "hydra/sweeper=smoothlab: needs the package optuna; pip install 'smoothlab[sweeps]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # the search says itself what happens
    return optuna
