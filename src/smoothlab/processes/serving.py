"""The warm server's own process: import once, then make processes and tell how they ended."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import selectors
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from smoothlab.processes import entry
from smoothlab.processes.entry import Request

WATCH_SECONDS = 1.0  # how often the owner is looked for, beside the end of its pipe

warm = False  # whether this process came from a server, with the packages that the server imported


@dataclass
class _Running:
    number: int
    report: int  # the reading end of the pipe that takes the trace


def serve(descriptor: int, preload: Sequence[str], owner: int, fork: bool) -> None:
    """Serve one owner until it closes its end or dies; then nothing that was made here is left.

    Args:
        descriptor: of a socket to the owner.
        preload: modules to import. Only imports may happen here: a fork after threads or CUDA are up is not sound.
        owner: the owner's process id.
        fork: make processes by fork; else each is a new interpreter.
    """
    global warm
    connection = Connection(descriptor)
    try:
        for name in preload if fork else ():
            importlib.import_module(name)
    except BaseException:
        connection.send(("broken", 0, traceback.format_exc()))
        return
    warm = fork
    gc.collect()
    gc.freeze()  # what is there already is not looked at again, and so not copied, in the processes
    with contextlib.suppress(OSError):
        connection.send(("ready", 0, os.getpid()))
        _Server(connection, owner, fork).loop()


class _Server:
    def __init__(self, connection: Connection, owner: int, fork: bool) -> None:
        self._connection = connection
        self._owner = owner
        self._fork = fork
        self._running: dict[int, _Running] = {}
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._waker, False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's matter
        # So is SIGTERM, which a cluster sends to all processes at once: those made here could not write how they end.
        # It is blocked, not ignored, so that a new process which is sent one before it is settled gets it then.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker)

    def loop(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._connection, selectors.EVENT_READ)
                selector.register(self._wake, selectors.EVENT_READ)
                while os.getppid() == self._owner:
                    for key, _ in selector.select(WATCH_SECONDS):
                        if key.fileobj is self._connection:
                            self._answer(selector)
                        else:
                            with contextlib.suppress(BlockingIOError):
                                os.read(self._wake, 4096)
                    self._bury()
        except (EOFError, ConnectionError):
            pass  # the owner has closed its end, or died with words of ours unread
        finally:
            for pid in self._running:
                self._signal(pid, signal.SIGKILL)
            self._running.clear()

    def _answer(self, selector: selectors.BaseSelector) -> None:
        what = self._connection.recv()
        if isinstance(what, Request):
            try:
                pid = self._start(what, selector)
            except OSError as error:
                self._connection.send(("refused", what.number, str(error)))
            else:
                self._connection.send(("started", what.number, pid))
        else:
            number, wanted = what
            for pid, running in self._running.items():
                if running.number == number:
                    self._signal(pid, wanted)

    def _start(self, request: Request, selector: selectors.BaseSelector) -> int:
        read, write = os.pipe()
        os.set_blocking(read, False)
        try:
            pid = self._forked(request, write, selector) if self._fork else _spawned(request, write)
        except OSError:
            os.close(read)
            raise
        finally:
            os.close(write)
        self._running[pid] = _Running(request.number, read)
        return pid

    def _forked(self, request: Request, report: int, selector: selectors.BaseSelector) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            selector.close()
            for descriptor in (self._connection.fileno(), self._wake, self._waker):
                os.close(descriptor)
            for running in self._running.values():
                os.close(running.report)
            entry.run(request, report, parent)
        return pid

    def _bury(self) -> None:
        """Tell the owner who ended, and take with them what they left running in their process groups."""
        for pid in list(self._running):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            self._signal(pid, signal.SIGKILL)  # before the id is free to be another group's
            _, status = os.waitpid(pid, 0)
            dead = self._running.pop(pid)
            trace = b""
            with contextlib.suppress(BlockingIOError):
                trace = os.read(dead.report, entry.TRACE_BYTES)
            os.close(dead.report)
            self._connection.send(("ended", dead.number, (os.waitstatus_to_exitcode(status), trace.decode() or None)))

    @staticmethod
    def _signal(pid: int, number: int) -> None:
        # a process that has not yet made its own group is signalled by itself
        for send in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                send(pid, number)
                return


def _spawned(request: Request, report: int) -> int:
    read, write = os.pipe()
    program = (
        f"import sys; sys.path[:] = {request.paths!r}; "
        f"from smoothlab.processes.entry import main; main({read}, {report}, {os.getpid()})"
    )
    try:
        # It is waited for by its id: the object is not needed, and would warn of a process that it thinks forgotten.
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", program],
            pass_fds=[read, report],
            stdin=subprocess.DEVNULL,
            env=request.environment,
            cwd=request.folder,
        )
        process.returncode = 0
    finally:
        os.close(read)
    with os.fdopen(write, "wb") as file, contextlib.suppress(BrokenPipeError):
        pickle.dump(request, file)
    return process.pid
