"""A process that the warm server made, as its owner sees it."""

from __future__ import annotations

import signal as signals
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Args:
        code: its exit code; None where a signal ended it.
        signal: the number of the signal that ended it; None where it ended by itself.
        trace: the traceback of the exception that ended it, as far as it could still write one.
        orphaned: whether it ended since its server did.
    """

    code: int | None
    signal: int | None = None
    trace: str | None = None
    orphaned: bool = False

    @property
    def good(self) -> bool:
        """Whether the process ended by itself with exit code 0."""
        return self.code == 0

    @property
    def stopped(self) -> int | None:
        """The signal by which it was asked to end, SIGTERM or SIGINT, whether or not it handled it; None for others."""
        asked = {130: signals.SIGINT, 143: signals.SIGTERM}
        number = asked.get(self.code or 0) if self.signal is None else self.signal
        return number if number in asked.values() else None

    @property
    def crashed(self) -> bool:
        """Whether a signal ended it that nobody ends a process in order with."""
        return self.signal is not None and self.stopped is None

    @property
    def reason(self) -> str:
        """One line: the last line of the trace, the signal's name, or the exit code."""
        if self.signal is not None:
            known = {int(signal): signal.name for signal in signals.Signals}
            name = known.get(self.signal, f"signal {self.signal}")
            likely = " (out of memory, or killed by hand)" if self.signal == signals.SIGKILL else ""
            return f"killed by {name}{likely}"
        if self.trace:
            return self.trace.strip().splitlines()[-1]
        return f"exit code {self.code}"


class Child:
    """A process, the leader of its own session and process group.

    Args:
        pid: its process id.
        send_signal: asks the server, who alone knows that the id is still this process's, to signal the whole group.
    """

    def __init__(self, pid: int, send_signal: Callable[[int], None], changed: threading.Condition) -> None:
        self.pid = pid
        self._send_signal = send_signal
        self._changed = changed
        self._ending: Ending | None = None

    def poll(self) -> Ending | None:
        """How it ended; None while it runs."""
        return self._ending

    def wait(self, timeout: float | None = None) -> Ending | None:
        """Wait until it has ended, for at most ``timeout`` seconds; None where it still runs then."""
        with self._changed:
            self._changed.wait_for(lambda: self._ending is not None, timeout)
        return self._ending

    def signal(self, number: int) -> None:
        """Send a signal to its whole process group; nothing happens where it has ended."""
        if self._ending is None:
            self._send_signal(number)

    def terminate(self, grace: float = 10.0) -> Ending:
        """End it: SIGTERM to its process group, and SIGKILL where it still runs after ``grace`` seconds."""
        self.signal(signals.SIGTERM)
        ending = self.wait(grace)
        if ending is None:
            self.signal(signals.SIGKILL)
            ending = self.wait()
        assert ending is not None
        return ending

    def _ended(self, ending: Ending) -> None:
        with self._changed:
            self._ending = self._ending or ending
            self._changed.notify_all()
