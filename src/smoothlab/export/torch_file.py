"""Programs of torch.export in files: written and run by torch."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smoothlab.errors import UserMistake, readable
from smoothlab.export.inputs import Arrays
from smoothlab.export.onnx_file import KEY, MOST_BYTES, quiet
from smoothlab.rundir.content import content_of
from smoothlab.unpacking import damaged_part

SUFFIX = ".pt2"
EXTRA = f"{KEY}.json"
LEAST = 2  # rows that a program takes: torch.export takes 1 for a size of its own


def save(program: torch.export.ExportedProgram, path: Path, metadata: dict[str, Any]) -> None:
    """Write a program with its metadata, without the lines and folders of the code that it came from."""
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    with quiet():
        torch.export.save(program, path, extra_files={EXTRA: json.dumps(metadata)})


def structure(program: torch.export.ExportedProgram) -> list[str]:
    """The program without its weights, a line each: names and shapes of what it holds, then its operators."""
    shapes = [f"weight {name} {value.dtype} {list(value.shape)}" for name, value in program.state_dict.items()]
    return [*shapes, *(str(node.format_node()) for node in program.graph.nodes)]


class TorchGraph:
    """A program of torch.export, ready to run on the CPU.

    Args:
        path: the file.

    Raises:
        UserMistake: not a program of smoothlab, or one that holds Python objects, which can run code when loaded.
    """

    def __init__(self, path: Path) -> None:
        extra = {EXTRA: ""}
        with readable(str(path), "a program of torch.export"), quiet():
            content = content_of(path, MOST_BYTES)
            check_archive(path, content)
            program = torch.export.load(io.BytesIO(content), extra_files=extra)
            if not extra[EXTRA]:
                raise UserMistake(f"{path}: a program of torch.export, but not one of smoothlab export")
            self.metadata: dict[str, Any] = json.loads(extra[EXTRA])
        self._module = program.module()

    def logits(self, inputs: Arrays) -> np.ndarray:
        """Logits ``(N, K)``."""
        return self._run(inputs)[0]

    def probabilities(self, inputs: Arrays) -> np.ndarray:
        """Probabilities ``(N, K)``."""
        return self._run(inputs)[1]

    def _run(self, inputs: Arrays) -> tuple[np.ndarray, np.ndarray]:
        rows = len(next(iter(inputs.values())))
        tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in inputs.values()]
        if rows < LEAST:
            tensors = [tensor.repeat(LEAST, *[1] * (tensor.ndim - 1)) for tensor in tensors]
        with torch.inference_mode():
            logits, probabilities = self._module(*tensors)
        return logits[:rows].numpy(), probabilities[:rows].numpy()


def check_archive(path: Path, content: bytes) -> None:
    """Refuse an archive with anything in it that torch would unpickle freely, or that is not what was written.

    ``torch.export.load`` does so where an archive asks for it, and where its sample inputs are no plain tensors.

    Raises:
        UserMistake: it does.
    """
    if damaged := damaged_part(io.BytesIO(content)):
        raise UserMistake(f"{path}: damaged: the part {damaged!r} is not what was written (its CRC-32 differs)")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            inside = name.split("/", 1)[-1]
            last = inside.rsplit("/", 1)[-1]
            refused = last.startswith(("custom_obj", "opaque_obj"))
            if last.endswith(".pt") and not inside.startswith("data/sample_inputs/"):
                refused = True
            elif last.endswith("_config.json"):
                config = json.loads(archive.read(name)).get("config", {})
                refused |= any(entry.get("use_pickle") for entry in config.values())
            elif last.endswith(".pt"):
                try:
                    torch.load(io.BytesIO(archive.read(name)), weights_only=True)
                except Exception:
                    refused = True
            if refused:
                raise UserMistake(f"{path}: refused, {inside} holds Python objects, which can run code when loaded")
