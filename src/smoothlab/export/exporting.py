"""From a run to one file, compared with the run's checkpoint before it is put in place."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import nn

from smoothlab.config.allowed import add_code
from smoothlab.errors import RunFailed, UserMistake, reason_of
from smoothlab.export import onnx_file, torch_file
from smoothlab.export.card import write_card
from smoothlab.export.graph import WholeModel
from smoothlab.export.inputs import Arrays, Inputs, signature
from smoothlab.export.inputs_of_encoder import inputs_of
from smoothlab.export.loading import FORMAT
from smoothlab.kinds import KINDS
from smoothlab.models.checkpoint import KEY, read_checkpoint
from smoothlab.models.making import target_of
from smoothlab.models.model import Model, checkpoint_path, model_from
from smoothlab.rundir.atomic import write_atomically, write_json
from smoothlab.rundir.content import forget_sums, write_sums
from smoothlab.rundir.directory import RunDirectory
from smoothlab.rundir.provenance import provenance
from smoothlab.rundir.reading import MissingFile, read_csv

Format = Literal["onnx", "torch"]
SUFFIXES: dict[Format, str] = {"onnx": onnx_file.SUFFIX, "torch": torch_file.SUFFIX}
TOLERANCE = 1e-5  # between probabilities of the graph and of the checkpoint
TRIAL_ROWS = 64
EPSILON = "smoothing/epsilon"


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
    model = model_from(content, add_code(code))
    if not isinstance(model, Model):
        raise UserMistake(f"run = {str(run)!r}: models of {model.kind} are not exported; tables, images and texts are")
    inputs = inputs_of(model.encoder)
    arrays, features = inputs.trial(TRIAL_ROWS, seed=0)
    answers = KINDS[model.kind]
    whole = WholeModel(inputs.graph(), model.net, model.calibrator, answers).eval()
    program = _program(whole, inputs, arrays, target_of(content[KEY]["config"]))
    expected = answers.probabilities(model.logits_of(features)).double().numpy()  # as the checkpoint's own net says
    about = {"inputs": signature(arrays), "epsilon": _epsilon(RunDirectory(run), int(content["epoch"]))}
    metadata = _metadata(model, content, source) | about
    if output.suffix not in SUFFIXES.values():
        output.mkdir(parents=True, exist_ok=True)
        output = output / f"model{SUFFIXES[kind]}"
    difference = 0.0

    def write(temporary: Path) -> None:
        nonlocal difference
        if kind == "onnx":
            onnx_file.to_onnx(program, inputs.names, temporary)
            metadata["graph"] = onnx_file.fingerprint(onnx_file.structure(temporary))
            onnx_file.put_metadata(temporary, metadata)
        else:
            metadata["graph"] = onnx_file.fingerprint(torch_file.structure(program))
            torch_file.save(program, temporary, metadata)
        difference = _difference(temporary, kind, arrays, expected)
        forget_sums(output.parent, [output])

    write_atomically(output, write)
    write_sums(output.parent, [output])
    beside = output.with_suffix(".json")
    metadata["check"] = {"rows": len(expected), "largest_difference": difference, "tolerance": TOLERANCE}
    write_json(beside, metadata)
    write_card(output, RunDirectory(run), content, model)
    return Written(output, beside, difference, len(expected), str(metadata["graph"]))


def _program(whole: nn.Module, inputs: Inputs, arrays: Arrays, net: str) -> torch.export.ExportedProgram:
    free = inputs.dynamic()
    dynamic = tuple(dict.fromkeys(free[name], torch.export.Dim.DYNAMIC) for name in inputs.names)
    tensors = tuple(torch.from_numpy(arrays[name].copy()) for name in inputs.names)
    try:
        with onnx_file.quiet(), torch.no_grad():
            return torch.export.export(whole, tensors, dynamic_shapes={"inputs": dynamic})
    except Exception as error:  # what a net does that no graph can hold
        raise UserMistake(f"run: its net, {net}, has no graph for torch.export ({reason_of(error)[:160]})") from error


def _metadata(model: Model, content: dict[str, Any], source: Path) -> dict[str, Any]:
    """What a file says of the model in it; without summaries of training rows, which predictions do not need."""
    ours, calibrator = content[KEY], model.calibrator
    return {
        "format": FORMAT,
        "kind": model.kind,
        "class_names": model.class_names,
        "columns": model.encoder.raw_columns,
        "encoder": {key: value for key, value in model.encoder.state().items() if key not in ("summary", "seen")},
        "calibrator": None if calibrator is None else _settings(calibrator),
        "decision": None if model.decision is None else model.decision.to_state(),
        "smoothing": ours["config"]["smoothing"],
        "run": {
            "name": ours["config"].get("name"),
            "seed": ours["config"].get("seed"),
            "identity": ours.get("identity"),
            "checkpoint": source.name,
            "epoch": int(content["epoch"]),
        },
        "versions": provenance()["versions"],
    }


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


def _epsilon(run: RunDirectory, epoch: int) -> float | None:
    """The mean strength of the epoch that the checkpoint is of; None where the run logged none."""
    try:
        table = read_csv(run.metrics)
    except MissingFile:
        return None
    if not {"epoch", EPSILON} <= set(table.columns):
        return None
    values = pd.to_numeric(table.loc[table["epoch"] == epoch, EPSILON], errors="coerce").dropna()
    return float(values.iloc[0]) if len(values) else None
