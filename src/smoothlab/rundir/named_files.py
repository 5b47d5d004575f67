"""Files that a config names beside its data: a tree of classes, a matrix, a teacher. Their content is part of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from smoothlab.packaged_files import WEIGHTS, weights_of_package
from smoothlab.rundir.directory import RunDirectory
from smoothlab.rundir.files_read import is_file

TEACHER = "smoothlab.models.teacher.teacher_net"
OF_OTHERS = {"weights", "pretrained"}  # keys that name a file, a folder or an installed package with weights
OF_DATA = {"tree"}  # what a data module's fingerprint, which is of its rows, does not tell


def contents_of(config: Mapping[str, Any]) -> str:
    """A hash of what stands in the files that a config names; empty where it names none.

    Args:
        config: the resolved config, or those of its keys that make a run what it is. Of ``data``, whose content has a
            fingerprint of its own, only a tree is looked at.
    """
    data = config.get("data")
    of_data = {key: data[key] for key in OF_DATA & data.keys()} if isinstance(data, Mapping) else {}
    files = [*_files({**config, "data": of_data}, "")]
    digest = hashlib.sha256()
    for key, file in files:
        state = file.stat()
        digest.update(f"{key}\0{_content(file.resolve(), state.st_mtime_ns, state.st_size)}\0".encode())
    return digest.hexdigest() if files else ""


def _files(node: Any, key: str) -> Iterator[tuple[str, Path]]:
    if isinstance(node, Mapping):
        if node.get("_target_") == TEACHER:
            node = {"checkpoint": _teacher(node)}
        for name, value in node.items():
            yield from _files(value, f"{key}.{name}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _files(value, f"{key}[{index}]")
    elif isinstance(node, str) and "\n" not in node and Path(node).suffix and is_file(Path(node)):
        yield key, Path(node)
    elif isinstance(node, str):
        yield from ((key, file) for file in weights_of(key, node))


def weights_of(key: str, named: str) -> list[Path]:
    """Files with weights in the folder, or else in the installed package, that a key of a config names.

    Args:
        key: with those above it; none but ``weights`` and ``pretrained`` name some.
        named: its value.
    """
    if key.rpartition(".")[2] not in OF_OTHERS:
        return []
    try:
        inside = sorted(Path(named).iterdir())
    except (OSError, ValueError):
        return weights_of_package(named)
    return [file for file in inside if file.suffix in WEIGHTS]


def checkpoint_in(named: str, checkpoint: str = "best") -> str:
    """The checkpoint file of a run directory; ``named`` as it is where it is none.

    Args:
        named: a run directory or a file.
        checkpoint: ``best``, ``last``, or a file.
    """
    run = RunDirectory(named)
    if not run.path.is_dir():
        return named
    return str({"best": run.best_checkpoint, "last": run.last_checkpoint}.get(checkpoint, checkpoint))


def _teacher(node: Mapping[str, Any]) -> str:
    """The checkpoint file that a teacher's node names."""
    return checkpoint_in(str(node.get("path")), str(node.get("checkpoint", "best")))


@lru_cache(maxsize=256)
def _content(file: Path, modified: int, size: int) -> str:
    """The hash of a file; read once for all runs of a sweep."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
