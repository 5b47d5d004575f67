"""Run commands as a user does: in an empty folder, in a process of their own or in this one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from smoothlab.processes.server import PRELOAD, WarmServer


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty folder, with one thread, and without the W&B settings of the machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)


class Lasting:
    """A warm server that outlives the sweeps that use it: its start costs more than a test."""

    def __init__(self) -> None:
        self.server: WarmServer | None = None

    def __call__(self) -> Lasting:
        return self

    def __enter__(self) -> Lasting:
        if self.server is None:
            self.server = WarmServer((*PRELOAD, "quick_figures"))
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stay."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.server, name)


@pytest.fixture(scope="session")
def lasting() -> Iterator[Lasting]:
    one = Lasting()
    yield one
    if one.server is not None:
        one.server.close()


@pytest.fixture(autouse=True)
def one_server(lasting: Lasting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every sweep in this process use one server, started by the first."""
    monkeypatch.setattr("smoothlab.processes.WarmServer", lasting)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; returns exit code, standard output and standard error."""
    from smoothlab.commands import main

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
