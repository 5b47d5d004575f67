"""SIGTERM, by which a cluster takes a machine back, and Ctrl-C: the run ends in order, and the other ranks hear why."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from pytorch_lightning import Trainer

from smoothlab.training.first_end import FirstEnd, RankEnd


class Stop:
    """The handler of SIGTERM and SIGINT while a run is on: it leaves word, and raises.

    SIGTERM raises :class:`Terminated` once, since a second one must not cut off the writing of the status; SIGINT
    raises KeyboardInterrupt each time that a user presses Ctrl-C.

    Args:
        first_end: where the ranks of the run leave word; None for a run on one device.
        rank: of this process.
    """

    def __init__(self, first_end: FirstEnd | None = None, rank: int = 0) -> None:
        self.number: int | None = None  # of the first signal that was received
        self.first_end = first_end
        self.rank = rank
        self._held = False  # whether a signal waits for the end of a block
        self._over = False  # whether how the run ended is settled

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """End what is going on."""
        first, self.number = self.number is None, self.number or number
        if not self._over and not self._held and (first or number == signal.SIGINT):
            self._raise()

    def _raise(self) -> None:
        assert self.number is not None
        end = RankEnd(self.rank, signal=int(self.number))
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
            self._raise()

    def end_of(self, error: BaseException) -> RankEnd:
        """How the run ended: as this process's error says, or as the rank that ended before it."""
        self._over = True
        end = RankEnd.of(error, self.rank, self.number)
        return end if self.first_end is None else self.first_end.claim(end)


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


def keep_handlers(trainer: Trainer) -> None:
    """Keep Lightning from putting its own handler in the place of ours.

    Its handler of SIGTERM sends a broadcast to the other ranks, whatever the ranks are doing, and else waits for the
    end of the batch. No hook comes between its registration and the first collective operation after that.
    """
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
