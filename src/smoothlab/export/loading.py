"""An exported model, ready for raw rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from smoothlab.calibration.decision import decision_from_state
from smoothlab.data.encoder import encoder_from_state
from smoothlab.errors import UserMistake
from smoothlab.export import onnx_file, torch_file
from smoothlab.export.inputs_of_encoder import inputs_of
from smoothlab.kinds import KINDS
from smoothlab.models.checkpoint import odd_content

FORMAT = 1
SUFFIXES = (onnx_file.SUFFIX, torch_file.SUFFIX)


class Exported:
    """A graph with what turns raw rows into its inputs and its logits into names.

    Args:
        graph: has ``metadata``, ``logits(inputs)`` and ``probabilities(inputs)``.

    Attributes:
        metadata: what stands in ``model.json`` too.
        class_names: in the order of the probabilities.
    """

    def __init__(self, graph: Any) -> None:
        if graph.metadata.get("format") != FORMAT:
            raise UserMistake(
                f"format {graph.metadata.get('format')!r} of an exported model; this version reads {FORMAT}"
            )
        self.graph = graph
        self.metadata: dict[str, Any] = graph.metadata
        self.class_names: list[str] = list(self.metadata["class_names"])
        decision = self.metadata.get("decision")
        self.decision = None if decision is None else decision_from_state(decision, self.class_names)
        self.encoder = encoder_from_state(self.metadata["encoder"])
        self.inputs = inputs_of(self.encoder)

    def logits(self, frame: pd.DataFrame, *, batch_size: int = 4096, where: str = "table") -> np.ndarray:
        """Logits ``(N, K)`` of raw rows; arguments as of :meth:`predict`."""
        parts = [
            self.graph.logits(self.inputs.read(frame.iloc[start : start + batch_size], where=where))
            for start in range(0, max(len(frame), 1), batch_size)
        ]
        return np.concatenate(parts)

    def predict(self, frame: pd.DataFrame, *, batch_size: int = 4096, where: str = "table") -> pd.DataFrame:
        """What is predicted and the probability of each class, as the run's own model says it.

        Args:
            frame: raw rows with the columns of training; other columns are ignored, their order does not matter.
            batch_size: rows that go through the graph at once.
            where: what to call the table in an error.

        Raises:
            UserMistake: a column is missing, or a cell is one that its column cannot hold.
        """
        logits = torch.from_numpy(self.logits(frame, batch_size=batch_size, where=where))
        table = KINDS[self.metadata["kind"]].table(logits, self.class_names, self.decision)
        table.index = frame.index
        return table


def load(path: str | Path, *, threads: int | None = None) -> Exported:
    """The model that ``smoothlab export`` wrote.

    Args:
        path: ``model.onnx`` or ``model.pt2``, or the folder with one of them.
        threads: of onnxruntime; None: as many as there are cores.

    Raises:
        UserMistake: there is none, it is not readable, or not one of smoothlab.
    """
    path = Path(path)
    if path.is_dir():
        files = [path / f"model{suffix}" for suffix in SUFFIXES if (path / f"model{suffix}").is_file()]
        if len(files) != 1:
            raise UserMistake(f"{path}: expected one of model.onnx and model.pt2 in it, found {len(files)}")
        path = files[0]
    if not path.is_file():
        raise UserMistake(f"{path}: no such file")
    if path.suffix not in SUFFIXES:
        raise UserMistake(f"{path}: expected a file ending in {' or '.join(SUFFIXES)}")
    graph = onnx_file.OnnxGraph(path, threads) if path.suffix == onnx_file.SUFFIX else torch_file.TorchGraph(path)
    with odd_content(f"{path}: its metadata"):
        return Exported(graph)
