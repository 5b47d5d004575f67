"""The processes of tests come from one warm server: an interpreter that imports everything costs more than a test."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smoothlab.processes import Child
from smoothlab.processes.server import PRELOAD, WarmServer

PATHS = list(sys.path)  # as a new interpreter has them: tests of own code add folders of theirs


def warm_server() -> WarmServer:
    """The server of this process, started at the first call; a fork has one of its own."""
    return _server_of(os.getpid())


@functools.cache
def _server_of(process: int) -> WarmServer:
    server = WarmServer((*PRELOAD, "smoothlab.commands.main", "quick_figures"))
    atexit.register(server.close)
    return server


class LentServer:
    """The warm server of this process to whoever makes one, who ends what was made in that time, and not the server."""

    def __init__(self, preload: Sequence[str] = PRELOAD) -> None:
        self._made: list[Child] = []

    def __enter__(self) -> LentServer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(warm_server(), name)

    def launch(self, *arguments: Any, **options: Any) -> Child:
        """See :class:`WarmServer`."""
        self._made.append(warm_server().launch(*arguments, **options))
        return self._made[-1]

    def close(self) -> None:
        """End at once what runs still."""
        for child in self._made:
            child.signal(signal.SIGKILL)
            child.wait()


class Command:
    """A command in a process of its own, in the current folder; used as ``subprocess.Popen`` is.

    Args:
        words: of the command line.
    """

    def __init__(self, *words: str) -> None:
        folder = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._files = [Path(folder, name) for name in ("out", "err")]
        self._child = warm_server().launch(_run, (words, PATHS, *map(str, self._files)))
        self.pid = self._child.pid

    @property
    def returncode(self) -> int | None:
        """As of ``Popen``: negative where a signal ended the process."""
        ending = self._child.poll()
        if ending is None:
            return None
        return ending.code if ending.signal is None else -ending.signal

    def poll(self) -> int | None:
        """The exit code, None while the command runs."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal the process, not those that it made."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 600.0) -> tuple[str, str]:
        """Wait for the end; what was written to standard output and to standard error."""
        if self._child.wait(timeout) is None:
            raise subprocess.TimeoutExpired("smoothlab", timeout)
        return self.written()

    def written(self) -> tuple[str, str]:
        """What it has written so far."""
        out, err = (file.read_text() if file.exists() else "" for file in self._files)
        return out, err


def _run(words: tuple[str, ...], paths: list[str], out: str, err: str) -> None:
    sys.path[:] = paths
    for stream, file in ((sys.stdout, out), (sys.stderr, err)):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
    from smoothlab.commands.main import main

    sys.exit(main(words))
