"""The warm server: a process that has imported the heavy packages once, and makes processes that have them too."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from smoothlab import own_code
from smoothlab.errors import InvalidArgument
from smoothlab.processes import serving
from smoothlab.processes.child import Child, Ending
from smoothlab.processes.entry import Request
from smoothlab.starters import without_ranks

# What a training imports sooner or later. Modules only: nothing here may start a thread, a tensor or CUDA.
WITHOUT_WANDB = (
    *("torch", "pytorch_lightning", "torchmetrics", "smoothlab.training.job"),
    *("sklearn.datasets", "sklearn.model_selection", "omegaconf", "fsspec.implementations.chained"),
    *("matplotlib.backends.backend_agg", "PIL.PngImagePlugin", "pyarrow.pandas_compat", "scipy.stats"),
)
# the latter of each wandb.init; its models look at every frame of the stack: seconds in a rank
PRELOAD = (*WITHOUT_WANDB, "wandb", "wandb.sdk.launch")
# OpenBLAS and pyarrow's allocator start threads when they are imported. This is for the server: each process gets its
# whole environment with its request.
NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
Method = Literal["auto", "fork", "spawn"]


class ServerDied(RuntimeError):
    """The warm server was killed, and with it the processes that it had made."""


class WarmServer:
    """Make processes that start at once, each with the packages of a training imported.

    The server's own process is started here and imports while the caller goes on. It executes nothing of the caller's
    program: neither its main module nor ``sys.argv`` is read. Inside a process that came from such a server, and has
    no second thread yet, a server is a mere fork, ready at once: so do the ranks of a sweep's run start.

    Every process is the leader of its own session and dies with the server; the server dies with its owner. A process
    that ends takes along what it left running in its process group. What such a process starts in a session of its own
    is its own matter.

    Args:
        preload: modules that the server imports.
        method: ``fork`` from the server; ``spawn`` a new interpreter for each process, which imports everything again;
            ``auto`` is fork on Linux and spawn elsewhere, where system libraries (Metal among them) do not bear a fork.

    Raises:
        InvalidArgument: no such method.
    """

    def __init__(self, preload: Sequence[str] = PRELOAD, *, method: Method = "auto") -> None:
        if method not in ("auto", "fork", "spawn"):
            raise InvalidArgument("method", method, "one of auto, fork, spawn")
        fork = method == "fork" or (method == "auto" and sys.platform == "linux")
        ours, theirs = socket.socketpair()
        with theirs:
            can_fork = fork and serving.warm and _single_threaded() and all(name in sys.modules for name in preload)
            start = _fork_server if can_fork else _new_server
            self.pid, self._process = start(theirs.fileno(), list(preload), fork)
        self._connection = Connection(ours.detach())
        self._sending = threading.Lock()
        self._changed = threading.Condition()
        self._number = 0
        self._answers: dict[int, tuple[str, Any]] = {}
        self._children: dict[int, Child] = {}
        self._early: dict[int, Ending] = {}  # of processes that ended before their owner had their handle
        self._state: tuple[str, str] = ("starting", "")
        self._listener = threading.Thread(target=self._listen, name="warm server", daemon=True)
        self._listener.start()
        self._finalizer = weakref.finalize(self, _close, self._connection)

    def ready(self, timeout: float | None = None) -> bool:
        """Wait until the server has imported everything; False where ``timeout`` seconds were not enough.

        Raises:
            RuntimeError: an import failed, or the server died.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._state[0] != "starting", timeout)
        self._check()
        return self._state[0] == "ready"

    def launch(
        self,
        target: Callable[..., object],
        args: tuple[Any, ...] = (),
        *,
        env: Mapping[str, str | None] | None = None,
        log: Path | None = None,
        threads: int | None = None,
    ) -> Child:
        """Make a process that calls ``target(*args)``.

        Its exit code is 0, 1 after an exception (of which the ending keeps the trace), 2 after a UserMistake, 130
        after a KeyboardInterrupt, and that of a SystemExit. It starts with the environment, working directory and
        ``sys.path`` that the caller has now, but not with the caller's own code (``code=``), nor with its place among
        the ranks of torchrun or srun.

        Args:
            target: a function of a module that can be imported; the caller's ``__main__`` cannot.
            args: its arguments, which are pickled.
            env: variables to set, or with None to remove.
            log: file that takes the process's standard output and error, at its end; None leaves them with the
                server's, which are those that the caller had when the server was made.
            threads: CPU threads of torch, at least 1; None leaves torch its choice.

        Raises:
            InvalidArgument: a target or a number of threads that will not do.
            OSError: the system has no room for one more process.
            RuntimeError: an import of the server failed; ServerDied: it was killed.
        """
        if getattr(target, "__module__", "__main__") == "__main__" or "<" in getattr(target, "__qualname__", "<"):
            raise InvalidArgument("target", target, "a function of a module, which can be imported by its name")
        if threads is not None and threads < 1:
            raise InvalidArgument("threads", threads, "an integer of at least 1")
        environment = without_ranks(os.environ)
        for name, value in (env or {}).items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value
        call = pickle.dumps((target, args))
        with self._changed:
            self._number += 1
            number = self._number
        place = None if log is None else str(Path(log).absolute())
        self._send(Request(number, call, environment, os.getcwd(), own_code.paths(), place, threads))
        with self._changed:
            self._changed.wait_for(lambda: number in self._answers or self._state[0] in ("broken", "dead"))
            if number not in self._answers:
                self._check()
            kind, value = self._answers.pop(number)
            if kind == "refused":
                raise OSError(f"no process could be made: {value}")
            child = Child(value, lambda wanted: self._send((number, wanted)), self._changed)
            self._children[number] = child
            if (ending := self._early.pop(number, None)) is not None:
                self._children.pop(number)._ended(ending)
        return child

    def wait_any(self, children: Iterable[Child], timeout: float | None = None) -> list[Child]:
        """Wait until at least one of ``children`` has ended; returns those, none after ``timeout`` seconds."""
        children = list(children)
        with self._changed:
            self._changed.wait_for(lambda: any(child.poll() is not None for child in children), timeout)
            return [child for child in children if child.poll() is not None]

    def close(self) -> None:
        """End the server and, at once, every process that it made. Nothing happens the second time."""
        starting = self._state[0] == "starting"
        self._finalizer()
        if starting:  # it would notice after its imports, and has made no process yet
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._listener.join()
        _wait_for(self.pid, self._process)

    def __enter__(self) -> WarmServer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _check(self) -> None:
        state, why = self._state
        if state == "broken":
            raise RuntimeError(f"the warm server could not import what it must:\n{why}")
        if state == "dead":
            raise ServerDied("the warm server has ended")

    def _send(self, what: Any) -> None:
        try:
            with self._sending:
                self._connection.send(what)
        except OSError:  # the listener notices it as well, and says why
            self._listener.join(1.0)

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError, TypeError):  # the last from a connection closed meanwhile
            while True:
                kind, number, value = self._connection.recv()
                with self._changed:
                    self._take(kind, number, value)
                    self._changed.notify_all()
        with self._changed:
            if self._state[0] != "broken":
                self._state = ("dead", "")
            left = list(self._children.values())
            self._children.clear()
            self._changed.notify_all()
        for child in left:  # the leaders died with the server; what is left of their groups dies here
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child._ended(Ending(None, signal.SIGKILL, orphaned=True))

    def _take(self, kind: str, number: int, value: Any) -> None:
        if kind in ("ready", "broken"):
            self._state = (kind, str(value))
        elif kind == "ended":
            code, trace = value
            ending = Ending(None, -code, trace) if code < 0 else Ending(code, None, trace)
            if number in self._children:
                self._children.pop(number)._ended(ending)
            else:
                self._early[number] = ending
        else:
            self._answers[number] = (kind, value)


def _close(connection: Connection) -> None:
    # a reader that waits in this process is woken by the shutdown, not by closing the descriptor
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as ending:
        ending.shutdown(socket.SHUT_RDWR)


def _new_server(descriptor: int, preload: list[str], fork: bool) -> tuple[int, Any]:
    """A new interpreter that becomes the server."""
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    program = (
        f"import sys; sys.path[:] = {own_code.paths()!r}; from smoothlab.processes.serving import serve; "
        f"serve({descriptor}, {preload!r}, {os.getpid()}, {fork})"
    )
    environment = dict(os.environ) | NO_THREADS
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, *flags, "-c", program],
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env=environment,
    )
    return process.pid, process


def _fork_server(descriptor: int, preload: list[str], fork: bool) -> tuple[int, Any]:
    """A fork of this process, which came from a server and has done nothing since, becomes the server."""
    owner = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            for other in (int(name) for name in os.listdir("/proc/self/fd")):
                if other > 2 and other != descriptor:  # locks and pipes of the owner end with the owner
                    with contextlib.suppress(OSError):
                        os.close(other)
            serving.serve(descriptor, preload, owner, fork)
        finally:
            os._exit(0)
    return pid, None


def _wait_for(pid: int, process: Any, seconds: float = 10.0) -> None:
    if process is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        return
    end = time.monotonic() + seconds
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG)[0] == 0 and time.monotonic() < end:
            time.sleep(0.005)


def _single_threaded() -> bool:
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False
