"""SIGTERM, by which a cluster takes a machine back: the run ends as by Ctrl-C, with another exit code."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from pytorch_lightning import Callback, LightningModule, Trainer

from smoothlab.errors import Terminated


class Sigterm:
    """The handler of SIGTERM while a run is on: it raises :class:`Terminated`, once."""

    def __init__(self) -> None:
        self.received = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """End what is going on."""
        if not self.received:  # a second one must not cut off the writing of the status
            self.received = True
            raise Terminated


@contextlib.contextmanager
def stopped_by_sigterm() -> Iterator[Sigterm]:
    """Handle SIGTERM in this block; in another thread than the main one nothing changes."""
    handler = Sigterm()
    if threading.current_thread() is not threading.main_thread():
        yield handler
        return
    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield handler
    finally:
        signal.signal(signal.SIGTERM, before)


class KeepSigterm(Callback):
    """Put our handler back in place of Lightning's.

    Lightning's sends a broadcast to the other ranks out of the handler, whatever the ranks are doing, and waits for the
    batch's end otherwise.

    Args:
        handler: ours.
    """

    def __init__(self, handler: Sigterm) -> None:
        self._handler = handler

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After Lightning has set its own."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handler)
