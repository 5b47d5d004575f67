"""SIGTERM, by which a cluster takes a machine back, and Ctrl-C: the run ends in order, and the other ranks hear why."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Protocol

from smoothlab.training.first_end import FirstEnd, RankEnd


class Asked(Protocol):
    """What ends a training after its step once it is asked to."""

    def ask(self) -> None:
        """A signal was received."""


class Stop:
    """The handler of SIGTERM and SIGINT while a run is on: it leaves word, and raises.

    SIGTERM raises :class:`Terminated` once, since a second one must not cut off the writing of the status; SIGINT
    raises KeyboardInterrupt each time that a user presses Ctrl-C. While there is a ``step_stop``, the first signal
    waits for the end of a training step; a second Ctrl-C does not.

    Args:
        first_end: where the ranks of the run leave word; None for a run on one device.
        rank: of this process.
    """

    def __init__(self, first_end: FirstEnd | None = None, rank: int = 0) -> None:
        self.number: int | None = None  # of the first signal that was received
        self.first_end = first_end
        self.rank = rank
        self.step_stop: Asked | None = None
        self.hosts: Sequence[str] = ()  # of the ranks, once they have met
        self._interrupts = 0
        self._held = False  # whether a signal waits for the end of a block
        self._over = False  # whether how the run ended is settled

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """End what is going on."""
        first, self.number = self.number is None, self.number or number
        self._interrupts += number == signal.SIGINT
        if self._over or self._held:
            return
        if self.step_stop is not None and self._interrupts < 2 and not self._lost():
            self.step_stop.ask()
        elif first or number == signal.SIGINT:
            self.end()

    def _lost(self) -> bool:
        """Whether another rank was killed, so that no step ends any more."""
        return self.first_end is not None and self.first_end.lost() is not None

    def end(self, rank: int | None = None) -> None:
        """Raise, and leave word.

        Args:
            rank: that received the signal; None: this one.
        """
        assert self.number is not None
        end = RankEnd(self.rank if rank is None else rank, signal=int(self.number))
        if self.first_end is not None:
            lost = self.first_end.lost()  # torchrun ends the others by SIGTERM where one was killed
            killed = RankEnd(lost or 0, error=f"rank {lost}: gone without a word (killed, or out of memory)")
            self.first_end.claim(end if lost is None else killed)  # before any connection of this process closes
        raise end.as_interruption()

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """In this block a signal raises; after it none does, so that how the run ended is written whole."""
        try:
            yield
        finally:
            self._over = True

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A signal that comes in this block raises at its end."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self.number is not None:
            self.end()

    @contextlib.contextmanager
    def at_step_end(self, step_stop: Asked) -> Iterator[None]:
        """In this block the first signal waits for the end of a training step, or for the end of the block."""
        self.step_stop = step_stop
        try:
            yield
        finally:
            self.step_stop = None
        if self.number is not None:
            self.end()

    def end_of(self, error: BaseException) -> RankEnd:
        """How the run ended: as this process's error says, or as the rank that ended before it."""
        self._over = True
        end = RankEnd.of(error, self.rank, self.number, self.hosts)
        return end if self.first_end is None else self.first_end.claim(end)


class StuckWatch:
    """End a rank that a signal cannot end: it waits in a collective operation for a rank that is gone.

    Python calls a signal's handler between two of its own instructions; the main thread, which waits inside torch,
    comes to none. A second thread hears of each signal by a pipe, and then looks at the main thread: where that stays
    in one call for ``patience`` seconds, it leaves word, calls ``on_end``, and ends the process.

    Args:
        stop: the handler of the signals.
        on_end: called with the signal's number before the process ends.
        patience: seconds; below the 30 that clusters leave between SIGTERM and SIGKILL.
    """

    def __init__(
        self, stop: Stop, on_end: Callable[[int], object] = lambda number: None, patience: float = 15.0
    ) -> None:
        self._stop = stop
        self._on_end = on_end
        self._patience = patience
        self._main = threading.main_thread().ident

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch in this block; nothing happens in another thread than the main one, to which no signal comes."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._listen, args=(ours,), name="stuck watch", daemon=True).start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            theirs.close()

    def _listen(self, signals: socket.socket) -> None:
        with signals:
            while received := signals.recv(1):
                if received[0] in (signal.SIGTERM, signal.SIGINT) and self._is_stuck(signals):
                    self._end(received[0])

    def _is_stuck(self, signals: socket.socket) -> bool:
        """Whether the main thread stays in one call for as long as the patience is."""
        where, until = self._where(), time.monotonic() + self._patience
        while time.monotonic() < until:
            time.sleep(0.1)
            if _over(signals):
                return False
            if (now := self._where()) != where:
                where, until = now, time.monotonic() + self._patience
        return True

    def _where(self) -> tuple[object, int] | None:
        """The innermost frame of the main thread, and its place there; kept, so that no later frame is taken for it."""
        frame = sys._current_frames().get(self._main or 0)
        return None if frame is None else (frame, frame.f_lasti)

    def _end(self, number: int) -> None:
        if self._stop.first_end is not None:
            self._stop.first_end.claim(RankEnd(self._stop.rank, signal=number))
        if self._on_end is not None:
            self._on_end(number)
        os._exit(128 + number)


def _over(signals: socket.socket) -> bool:
    """Whether the block is left, by which the other end of the pipe is closed."""
    try:
        return signals.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


@contextlib.contextmanager
def stopped_by_signals(first_end: FirstEnd | None = None, rank: int = 0) -> Iterator[Stop]:
    """Handle SIGTERM and SIGINT in this block; in another thread than the main one nothing changes.

    Args:
        first_end: where the ranks of the run leave word; None for a run on one device.
        rank: of this process.
    """
    handler = Stop(first_end, rank)
    if threading.current_thread() is not threading.main_thread():
        yield handler
        return
    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # in a background job the shell has it ignored
        numbers.append(signal.SIGINT)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield handler
    finally:
        for number, old in before.items():
            signal.signal(number, old)
