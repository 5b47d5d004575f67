"""A run directory in memory, and in a temporary folder while it is written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from smoothlab.errors import WrongInput
from smoothlab.models.model import Model, load_run
from smoothlab.rundir.atomic import make_folders, write_atomically

LEFT_OUT = {"last.ckpt", ".lock"}  # of a run that is over


@contextlib.contextmanager
def run_folder() -> Iterator[Path]:
    """A temporary folder for one run, in memory where the system has such a place: checkpoints need no disk."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder below it is this process's own
    place = str(memory) if memory.is_dir() and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="smoothlab-", dir=place) as folder:
        run = Path(folder) / "run"
        run.mkdir()
        yield run


def files_of(folder: Path) -> dict[str, bytes]:
    """The files of a run directory by their place in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in LEFT_OUT)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write them as a run directory.

    Raises:
        WrongInput: there is something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WrongInput(f"path = {str(folder)!r}: there is something already; expected a folder that is new or empty")
    for name, content in files.items():
        path = folder / name
        make_folders(path.parent)
        write_atomically(path, partial(_put, content))


def _put(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def model_of(files: Mapping[str, bytes], code: str | None) -> Model:
    """The model in these files; smoothlab's own nets in float64, so that no row's answer depends on the other rows."""
    with run_folder() as folder:
        needed = {name: content for name, content in files.items() if "/" not in name or name.endswith(".ckpt")}
        write_files(needed, folder)
        model = load_run(folder, code=code)
    if not isinstance(model, Model):
        raise WrongInput("path: the run's model translates; expected one that classifies")
    if not code:
        model.net.double()
    return model
