"""What a new process does: take its environment, run its function, say how it ended."""

from __future__ import annotations

import atexit
import ctypes
import faulthandler
import os
import pickle
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from smoothlab.errors import RunFailed, Terminated, UserMistake, disk_refusal

TRACE_BYTES = 32_768  # the end of a trace; less than a pipe holds, so that writing it never waits
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Request:
    """A process to make.

    Args:
        number: its number among the owner's.
        call: the pickled function and its arguments.
        environment: the whole environment.
        folder: the working directory.
        paths: ``sys.path``.
        log: takes standard output and error, at its end; None leaves them where the server's go.
        threads: torch's CPU threads; None leaves torch its choice.
    """

    number: int
    call: bytes
    environment: dict[str, str]
    folder: str
    paths: list[str]
    log: str | None
    threads: int | None


def run(request: Request, report: int, parent: int) -> NoReturn:
    """Be the process that was asked for; never returns.

    Args:
        request: what was asked for.
        report: file descriptor that takes the trace.
        parent: process id of the server; when it dies, so does this process.
    """
    code, trace = 1, ""
    try:
        _settle(request, parent)
        code, trace = _call(request)
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the interpreter does at its end
        atexit._run_exitfuncs()
    except BaseException:  # whatever happens here, the process must not go on as a second server
        code, trace = 1, trace or traceback.format_exc()
    finally:
        try:
            if trace:
                os.write(report, trace.encode(errors="replace")[-TRACE_BYTES:])
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _settle(request: Request, parent: int) -> None:
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])  # which the server has blocked
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before it could be watched
        raise SystemExit(1)
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.folder)
    sys.path[:] = request.paths
    if request.log is not None:
        Path(request.log).parent.mkdir(parents=True, exist_ok=True)
        target = os.open(request.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(target, 1)
        os.dup2(target, 2)
        os.close(target)
    faulthandler.enable(file=2)
    if "numpy" in sys.modules:  # a fork shares the state that a new interpreter draws anew
        sys.modules["numpy"].random.seed()
    if request.threads is not None:
        import torch

        torch.set_num_threads(request.threads)


def _call(request: Request) -> tuple[int, str]:
    """Run the function; returns exit code and trace."""
    try:
        target, arguments = pickle.loads(request.call)  # noqa: S301 - from the owner of this process
        target(*arguments)
    except KeyboardInterrupt as stop:
        return (143 if isinstance(stop, Terminated) else 130), ""
    except SystemExit as ending:
        if ending.code is None or isinstance(ending.code, int):
            return ending.code or 0, ""
        print(ending.code, file=sys.stderr)
        return 1, str(ending.code)
    except UserMistake as mistake:
        print(f"smoothlab: {mistake}", file=sys.stderr)
        return 2, str(mistake)
    except RunFailed as failure:  # the run has said why, with its trace
        return 1, str(failure)
    except BaseException as error:
        if refusal := disk_refusal(error):
            print(f"smoothlab: {refusal}", file=sys.stderr)
            return 1, refusal
        traceback.print_exc()
        return 1, traceback.format_exc()
    return 0, ""


def main(descriptor: int, report: int, parent: int) -> NoReturn:
    """A process that was not forked: read the request from a pipe, and be it."""
    with os.fdopen(descriptor, "rb") as file:
        request: Any = pickle.load(file)  # noqa: S301 - from the owner of this process
    run(request, report, parent)
