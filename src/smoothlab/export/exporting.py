"""From a run to one file, compared with the run's checkpoint before it is put in place."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from smoothlab.config.allowed import add_code
from smoothlab.errors import RunFailed, UserMistake
from smoothlab.export import onnx_file, torch_file
from smoothlab.export.graph import WholeModel
from smoothlab.export.inputs import Arrays, Inputs, signature
from smoothlab.export.inputs_of_encoder import inputs_of
from smoothlab.export.loading import FORMAT
from smoothlab.kinds import KINDS
from smoothlab.models.checkpoint import KEY, read_checkpoint
from smoothlab.models.model import Model, checkpoint_path, model_from
from smoothlab.rundir.atomic import write_atomically, write_json
from smoothlab.rundir.directory import RunDirectory
from smoothlab.rundir.provenance import provenance
from smoothlab.tracking.csv import read_rows

Format = Literal["onnx", "torch"]
SUFFIXES: dict[Format, str] = {"onnx": onnx_file.SUFFIX, "torch": torch_file.SUFFIX}
TOLERANCE = 1e-5  # between probabilities of the graph and of the checkpoint
TRIAL_ROWS = 64


@dataclass(frozen=True)
class Written:
    """What an export has left.

    Args:
        path: the model.
        metadata: the file beside it.
        difference: the largest between probabilities of graph and checkpoint.
        rows: that were compared.
        graph: a hash of the graph without its weights.
    """

    path: Path
    metadata: Path
    difference: float
    rows: int
    graph: str


def export(
    run: str | Path, output: Path, kind: Format = "onnx", *, checkpoint: str = "best", code: str | None = None
) -> Written:
    """Write the model of a run as one file, with its metadata in it and beside it.

    Args:
        run: the run directory.
        output: the file, or a folder for ``model.onnx`` or ``model.pt2``.
        kind: ``onnx`` or ``torch``.
        checkpoint: ``best``, ``last`` or a path.
        code: the Python file or folder that the run was trained with, if it was.

    Raises:
        UserMistake: the model is none that is exported, or a package is lacking.
        RunFailed: the graph gives other probabilities than the checkpoint; nothing was written.
    """
    if kind == "onnx":
        onnx_file.check_installed()
    source = checkpoint_path(run, checkpoint)
    content = read_checkpoint(source)
    ours = content[KEY]
    model = model_from(content, add_code(code))
    if not isinstance(model, Model):
        raise UserMistake(f"run = {str(run)!r}: models of {model.kind} are not exported; tables, images and texts are")
    inputs = inputs_of(model.encoder)
    arrays, features = inputs.trial(TRIAL_ROWS, seed=0)
    whole = WholeModel(inputs.graph(), model.net, model.calibrator, KINDS[model.kind]).eval()
    program = _program(whole, inputs, arrays, str(ours["config"]["net"].get("_target_")))
    expected = _probabilities(model, features)
    lines = torch_file.structure(program)
    metadata = {
        "format": FORMAT,
        "kind": model.kind,
        "class_names": model.class_names,
        "inputs": signature(arrays),
        "columns": model.encoder.raw_columns,
        "encoder": _small(model.encoder.state()),
        "calibrator": None if model.calibrator is None else _settings(model.calibrator),
        "decision": None if model.decision is None else model.decision.to_state(),
        "smoothing": ours["config"]["smoothing"],
        "epsilon": _epsilon(RunDirectory(run), int(content["epoch"])),
        "run": {
            "name": ours["config"].get("name"),
            "seed": ours["config"].get("seed"),
            "identity": ours.get("identity"),
            "checkpoint": source.name,
            "epoch": int(content["epoch"]),
        },
        "versions": provenance()["versions"],
        "graph": onnx_file.fingerprint(lines),
    }
    if output.suffix not in SUFFIXES.values():
        output.mkdir(parents=True, exist_ok=True)
        output = output / f"model{SUFFIXES[kind]}"
    difference = 0.0

    def write(temporary: Path) -> None:
        nonlocal difference
        if kind == "onnx":
            try:
                onnx_file.to_onnx(program, inputs.names, temporary)
            except Exception as error:  # what its operators cannot say, in kinds of the exporter's own
                raise UserMistake(f"format = 'onnx': the net has no form in ONNX ({_one_line(error)})") from error
            metadata["graph"] = onnx_file.fingerprint(onnx_file.structure(temporary))
            onnx_file.put_metadata(temporary, metadata)
        else:
            torch_file.save(program, temporary, metadata)
        difference = _difference(temporary, kind, arrays, expected)

    write_atomically(output, write)
    beside = output.with_suffix(".json")
    metadata["check"] = {"rows": len(expected), "largest_difference": difference, "tolerance": TOLERANCE}
    write_json(beside, metadata)
    return Written(output, beside, difference, len(expected), str(metadata["graph"]))


def _program(whole: nn.Module, inputs: Inputs, arrays: Arrays, net: str) -> torch.export.ExportedProgram:
    free = inputs.dynamic()
    dynamic = tuple(dict.fromkeys(free[name], torch.export.Dim.DYNAMIC) for name in inputs.names)
    tensors = tuple(torch.from_numpy(arrays[name].copy()) for name in inputs.names)
    try:
        with onnx_file.quiet(), torch.no_grad():
            return torch.export.export(whole, tensors, dynamic_shapes={"inputs": dynamic})
    except Exception as error:  # what a net does that no graph can hold
        raise UserMistake(f"run: its net, {net}, has no graph for torch.export ({_one_line(error)})") from error


def _probabilities(model: Model, features: torch.Tensor) -> np.ndarray:
    """As the checkpoint's own net gives them."""
    return KINDS[model.kind].probabilities(model.logits_of(features)).double().numpy()


def _difference(path: Path, kind: Format, arrays: Arrays, expected: np.ndarray) -> float:
    """The largest one, over all rows together and the first one alone.

    Raises:
        RunFailed: above the tolerance.
    """
    graph = onnx_file.OnnxGraph(path, threads=1) if kind == "onnx" else torch_file.TorchGraph(path)
    alone = {name: array[:1] for name, array in arrays.items()}
    largest = max(
        float(np.abs(graph.probabilities(arrays) - expected).max()),
        float(np.abs(graph.probabilities(alone) - expected[:1]).max()),
    )
    if not largest <= TOLERANCE:
        raise RunFailed(f"nothing is written: the graph's probabilities are {largest:.2g} off those of the checkpoint")
    return largest


def _settings(calibrator: Any) -> dict[str, Any]:
    return {"kind": type(calibrator).__name__, **json.loads(json.dumps(calibrator.settings(), default=str))}


def _small(state: dict[str, Any]) -> dict[str, Any]:
    """An encoder's state without the summaries of training rows, which predictions do not need."""
    return {key: value for key, value in state.items() if key != "summary"}


def _epsilon(run: RunDirectory, epoch: int) -> float | None:
    """The mean strength of the epoch that the checkpoint is of; None where the run logged none."""
    for row in read_rows(run.metrics):
        if row.get("epoch") and int(row["epoch"]) == epoch and row.get("smoothing/epsilon"):
            return float(row["smoothing/epsilon"])
    return None


def _one_line(error: BaseException) -> str:
    text = str(error).strip()
    return (text.splitlines()[0] if text else type(error).__name__)[:160]
