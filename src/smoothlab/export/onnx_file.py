"""ONNX files: written by torch, run by onnxruntime."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smoothlab.errors import UserMistake, readable, reason_of
from smoothlab.export.inputs import Arrays
from smoothlab.rundir.content import content_of

SUFFIX = ".onnx"
KEY = "smoothlab"  # of the metadata in the file
MOST_BYTES = 2**36  # of an exported model
OUTPUTS = ("logits", "probabilities")
AXES = ("rows", "tokens")  # of inputs and outputs, where they may have any size
INSTALL = 'pip install "smoothlab[export]"'


def check_installed() -> None:
    """Refuse where a package is lacking.

    Raises:
        UserMistake: what installs it.
    """
    from importlib.util import find_spec

    lacking = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if lacking:
        raise UserMistake(f"format = 'onnx': needs {', '.join(lacking)}; {INSTALL}")


def to_onnx(program: torch.export.ExportedProgram, names: tuple[str, ...], path: Path) -> None:
    """Write a program of torch.export as ONNX, with the weights in the file.

    Raises:
        UserMistake: ONNX has no operators for it.
    """
    options: dict[str, Any] = {"input_names": list(names), "output_names": list(OUTPUTS)}
    try:
        with quiet():
            made = torch.onnx.export(program, dynamo=True, external_data=False, verbose=False, **options)
            assert made is not None
            made.save(path)
    except Exception as error:  # in kinds of the exporter's own
        raise UserMistake(f"format = 'onnx': the net has no form in ONNX ({reason_of(error)[:160]})") from error


def put_metadata(path: Path, metadata: dict[str, Any]) -> None:
    """Put metadata into a file, in place of what the exporter says of the Python code it came from."""
    import onnx

    model = onnx.load(path)
    graph, functions = model.graph, list(model.functions)
    inside = [*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer]
    inside += [node for function in functions for node in function.node]
    for part in (model, graph, *functions, *inside):
        del part.metadata_props[:]  # lines and folders of the machine
        part.doc_string = ""
    _name_axes(graph)
    model.metadata_props.add(key=KEY, value=json.dumps(metadata))
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _name_axes(graph: Any) -> None:
    """Call what may have any size by what it counts, in place of the exporter's own symbols."""
    sides = [(place, side) for value in graph.input for place, side in enumerate(value.type.tensor_type.shape.dim)]
    names = {side.dim_param: AXES[place] for place, side in sides if side.dim_param}
    for value in (*graph.input, *graph.value_info, *graph.output):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param in names:
                side.dim_param = names[side.dim_param]


def structure(path: Path) -> list[str]:
    """The graph without its weights, a line each: inputs, operators with their attributes, shapes of the weights.

    Two models are the same graph where these are equal: then they take the same steps for a row.
    """
    import onnx

    graph = onnx.load(path).graph
    lines = [f"input {value.name} {_shape(value)}" for value in graph.input]
    lines += [f"weight {weight.name} {weight.data_type} {list(weight.dims)}" for weight in graph.initializer]
    for node in graph.node:
        attributes = ", ".join(
            f"{attribute.name}={onnx.helper.get_attribute_value(attribute)!r}"
            for attribute in sorted(node.attribute, key=lambda attribute: attribute.name)
        )
        lines.append(f"{','.join(node.output)} = {node.domain}:{node.op_type}({','.join(node.input)}; {attributes})")
    return [*lines, *(f"output {value.name} {_shape(value)}" for value in graph.output)]


def _shape(value: Any) -> str:
    kind = value.type.tensor_type
    return f"{kind.elem_type} {[side.dim_param or side.dim_value for side in kind.shape.dim]}"


def fingerprint(lines: list[str]) -> str:
    """A hash of a graph's structure."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


class OnnxGraph:
    """An ONNX file, ready to run on the CPU.

    Args:
        path: the file.
        threads: of onnxruntime; None: as many as there are cores.

    Raises:
        UserMistake: onnxruntime is not installed, or the file is not a model of smoothlab.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise UserMistake(f"{path}: needs onnxruntime; {INSTALL}") from None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        with readable(str(path), "ONNX"):
            content = content_of(path, MOST_BYTES)
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            text = self._session.get_modelmeta().custom_metadata_map.get(KEY)
            if text is None:
                raise UserMistake(f"{path}: an ONNX model, but not one of smoothlab export")
            self.metadata: dict[str, Any] = json.loads(text)

    def logits(self, inputs: Arrays) -> np.ndarray:
        """Logits ``(N, K)``."""
        return np.asarray(self._session.run([OUTPUTS[0]], inputs)[0])

    def probabilities(self, inputs: Arrays) -> np.ndarray:
        """Probabilities ``(N, K)``."""
        return np.asarray(self._session.run([OUTPUTS[1]], inputs)[0])


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep to themselves what the exporters of torch and onnxscript say of their own insides."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
