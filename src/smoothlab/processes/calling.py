"""A function that is called in a process of the warm server, which has imported what it needs, and what it returns."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from smoothlab.errors import RunFailed, UserMistake
from smoothlab.processes.server import WarmServer

Result = TypeVar("Result")


def call(server: WarmServer, target: Callable[..., Result], *args: Any) -> Result:
    """Call ``target(*args)`` in a process of its own.

    Args:
        server: makes the process.
        target: a function of a module that can be imported.
        args: its arguments, which are pickled, as is what it returns.

    Raises:
        UserMistake: raised by the function.
        RunFailed: it failed otherwise, or was killed.
        KeyboardInterrupt: the user stopped it; the process ends with the server.
    """
    with tempfile.TemporaryDirectory(prefix="smoothlab-call-") as folder:
        result = Path(folder, "result")
        child = server.launch(_answer, (target, args, str(result)))
        while (ending := child.wait(1.0)) is None:  # in steps, so that a signal is heard on every system
            pass
        if not ending.good:
            raise RunFailed(ending.reason)
        returned, value = pickle.loads(result.read_bytes())  # noqa: S301 - written by the process made here
    if not returned:
        raise value
    answer: Result = value
    return answer


def _answer(target: Callable[..., Any], args: tuple[Any, ...], result: str) -> None:
    """In the process: leave what the function returns, or the user's mistake that it raises."""
    try:
        answer = True, target(*args)
    except UserMistake as mistake:
        answer = False, mistake
    Path(result).write_bytes(pickle.dumps(answer))
