"""Whether runs that were cut off and resumed are those that nothing disturbed, to the last bit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

OF_THE_MACHINE = ("seconds", "peak_memory_mib", "machine", "git", "versions")


def finished(root: Path) -> dict[str, Path]:
    """The finished runs below ``root``, by identity."""
    runs = {}
    for path in sorted(root.rglob("status.json")):
        status = json.loads(path.read_text())
        if status.get("state") == "done" and (path.parent / "checkpoints").is_dir():
            runs[status["identity"]] = path.parent
    return runs


def differences(expected: Path, actual: Path) -> list[str]:
    """What of the finished runs below ``found`` is not as below ``expected``; empty where all is."""
    undisturbed, resumed = finished(expected), finished(actual)
    lines = [f"no finished run {identity[:8]}" for identity in undisturbed if identity not in resumed]
    for identity, run in undisturbed.items():
        if identity in resumed:
            lines += [f"{identity[:8]}: {line}" for line in _differences(run, resumed[identity])]
    return lines


def _differences(expected: Path, actual: Path) -> list[str]:
    files = {path.relative_to(expected) for path in expected.rglob("*") if path.is_file()}
    lines = []
    for file in sorted(files):
        other = actual / file
        if file.name in ("run.log", "status.json", ".lock", "output.log") or ".hydra" in file.parts:
            continue
        if not other.is_file():
            lines.append(f"{file}: not there")
        elif file.suffix == ".ckpt":
            if not _same(_checkpoint(expected / file), _checkpoint(other)):
                lines.append(f"{file}: other content")
        elif file.name == "results.json":
            first, second = (json.loads(path.read_text()) for path in (expected / file, other))
            lines += [
                f"results.json: {key}" for key in first if key not in OF_THE_MACHINE and first[key] != second.get(key)
            ]
        elif file.name == "SHA256SUMS":
            if _names(expected / file) != _names(other) or _wrong(other):
                lines.append(f"{file}: other files, or wrong sums")
        elif (expected / file).read_bytes() != other.read_bytes():
            lines.append(f"{file}: other bytes")
    more = {path.relative_to(actual) for path in actual.rglob("*") if path.is_file()} - files
    return lines + [f"{file}: too much" for file in sorted(more) if file.name != "output.log"]


def _names(sums: Path) -> list[str]:
    return [line.split("  ", 1)[1] for line in sums.read_text().splitlines()]


def _wrong(sums: Path) -> list[str]:
    lines = [line.split("  ", 1) for line in sums.read_text().splitlines()]
    return [name for digest, name in lines if hashlib.sha256((sums.parent / name).read_bytes()).hexdigest() != digest]


def _checkpoint(path: Path) -> dict[str, Any]:
    """Weights, optimizer, schedule, random states, callbacks' scores; not the folders, which have the run's name."""
    content: dict[str, Any] = torch.load(path, weights_only=True)
    for state in content.get("callbacks", {}).values():
        for key in ("dirpath", "best_model_path", "last_model_path", "kth_best_model_path", "best_k_models"):
            state.pop(key, None)
    return content


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return isinstance(second, torch.Tensor) and first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return (
            isinstance(second, dict)
            and first.keys() == second.keys()
            and all(_same(first[key], second[key]) for key in first)
        )
    if isinstance(first, list | tuple):
        return isinstance(second, list | tuple) and len(first) == len(second) and all(map(_same, first, second))
    return bool(first == second)
