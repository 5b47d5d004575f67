"""From a folder to what predicts: a run's model, or an ensemble."""

from __future__ import annotations

from pathlib import Path

from smoothlab.errors import UserMistake
from smoothlab.models.ensemble import ENSEMBLE, Ensemble, load_ensemble
from smoothlab.models.model import Model, load_run
from smoothlab.models.translator import Translator


def load(path: str | Path, *, checkpoint: str = "best", code: str | None = None) -> Model | Translator | Ensemble:
    """Load the model of a run, or an ensemble of runs.

    Args:
        path: a run directory, or the folder of an ensemble.
        checkpoint: ``best``, ``last``, or the path of a checkpoint file.
        code: the Python file or folder that the run was trained with, if it was.

    Raises:
        UserMistake: no run directory, no checkpoint, or one that cannot be read safely.
    """
    if (Path(path) / ENSEMBLE).is_file():
        if checkpoint != "best":
            raise UserMistake(f"checkpoint = {checkpoint!r}: expected best, of which an ensemble is made")
        return load_ensemble(Path(path), code=code)
    return load_run(path, checkpoint=checkpoint, code=code)
