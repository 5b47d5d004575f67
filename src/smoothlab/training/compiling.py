"""torch.compile of a run: of its net, or of its training steps."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from pytorch_lightning import Trainer

from smoothlab.errors import UserMistake
from smoothlab.kinds import KINDS
from smoothlab.tasks.compiled import CompiledTerms
from smoothlab.tasks.task import Task
from smoothlab.training.devices import wanted_ranks

STEP = "step"
CHOICES = (False, True, STEP)
CXX = {"darwin": "clang++", "win32": "cl"}  # what torch takes where CXX names nothing; elsewhere g++


def compile_in_place(task: Task, wanted: bool | str) -> None:
    """Compile a task's net, or its steps, so that its weights keep their names; ``torch.compile(net)`` does not."""
    if wanted == STEP:
        task.compiled = CompiledTerms(task)
    elif wanted:
        task.net.compile()


def check_compile(config: Mapping[str, Any], task: Task) -> None:
    """Refuse ``compile`` where it would change nothing.

    Raises:
        UserMistake: the task does not call its net as a whole.
    """
    if config.get("compile") and KINDS[task.kind].decodes:
        named = STEP if config["compile"] == STEP else "true"
        raise UserMistake(f"compile = {named}: a net that translates is called in parts; take false")


def check_compiler(config: Mapping[str, Any], trainer: Trainer) -> None:
    """Refuse ``compile`` where nothing can compile.

    Raises:
        UserMistake: another value than those that there are, steps of several ranks, or no compiler.
    """
    wanted = config.get("compile", False)
    if not any(wanted is choice or (choice == STEP and wanted == STEP) for choice in CHOICES):
        raise UserMistake(f"compile = {wanted!r}: expected false, true (the net) or step (net, loss and backward pass)")
    if wanted == STEP and wanted_ranks(trainer) > 1:
        raise UserMistake("compile = step: is of one device; several ranks take true or false")
    if wanted and (problem := _problem(trainer.strategy.root_device.type)) is not None:
        raise UserMistake(f"compile = {STEP if wanted == STEP else 'true'}: {problem}; take false")


@lru_cache(maxsize=4)
def _problem(device: str) -> str | None:
    """Why torch cannot compile for a device; None where it can, which a small function shows."""
    if device == "cuda" and importlib.util.find_spec("triton") is None:
        return "torch compiles for CUDA by the package triton, which is not installed"
    named = os.environ.get("CXX") or CXX.get(sys.platform, "g++")
    if device == "cpu" and shutil.which(named) is None:
        return f"torch compiles by the C++ compiler {named}, which is not found (CXX names another one)"
    try:
        torch.compile(lambda numbers: (numbers * 2).sum())(torch.ones(3, device=device))
    except Exception as error:  # of a compiler without its headers, of a disk, of torch
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"torch cannot compile here ({lines[0] if lines else type(error).__name__})"
    return None
