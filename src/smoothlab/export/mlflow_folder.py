"""A run's model as an MLflow model: raw rows in, probabilities out."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from smoothlab.errors import UserMistake
from smoothlab.export.exporting import Written, export
from smoothlab.export.loading import Exported, load
from smoothlab.rundir.atomic import folder_in_one_step
from smoothlab.version import __version__

DATA = "model"
LOADER = "smoothlab.export.mlflow_folder"
REQUIREMENTS = [f"smoothlab[export]=={__version__}"]


def export_mlflow(run: str | Path, output: Path, *, checkpoint: str = "best", code: str | None = None) -> Written:
    """Write a folder that ``mlflow models serve``, ``mlflow.pyfunc.load_model`` and a registry take.

    It holds the ONNX export, which a function of smoothlab loads; nothing in it is pickled.

    Args:
        run: the run directory.
        output: the folder, which is made.
        checkpoint: ``best``, ``last`` or a path.
        code: the Python file or folder that the run was trained with, if it was.

    Raises:
        UserMistake: the folder is there, MLflow is not installed, or the model is none that is exported.
        RunFailed: the graph gives other probabilities than the checkpoint; nothing was written.
    """
    if output.exists():
        raise UserMistake(f"output = {str(output)!r}: is there already; expected a folder to make")
    pyfunc = _mlflow()
    with folder_in_one_step(output) as whole, tempfile.TemporaryDirectory() as scratch:
        written = export(run, Path(scratch) / DATA, checkpoint=checkpoint, code=code)
        pyfunc.save_model(
            path=str(whole), loader_module=LOADER, data_path=str(Path(scratch) / DATA), pip_requirements=REQUIREMENTS
        )
    place = output / "data" / DATA
    return Written(
        place / written.path.name, place / written.metadata.name, written.difference, written.rows, written.graph
    )


def _mlflow() -> Any:
    try:
        return importlib.import_module("mlflow.pyfunc")
    except ImportError:
        raise UserMistake(
            "format = 'mlflow': needs the package mlflow, which is not installed: "
            "pip install 'smoothlab[mlflow,export]'"
        ) from None


class Served:
    """What MLflow asks of a model.

    Args:
        model: the export.
    """

    def __init__(self, model: Exported) -> None:
        self.model = model

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """``prediction`` and ``prob_<class>`` of raw rows.

        Args:
            model_input: a DataFrame with the columns of training, or what becomes one.
            params: none is known.
        """
        frame = model_input if isinstance(model_input, pd.DataFrame) else pd.DataFrame(model_input)
        return self.model.predict(frame, where="input")


def _load_pyfunc(path: str) -> Served:
    """Called by MLflow with the folder of the export."""
    return Served(load(path))
