"""SIGTERM, by which a cluster takes a machine back, and Ctrl-C: the run ends in order, and the other ranks hear why."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from smoothlab.models.checkpoint import RunState
from smoothlab.training.first_end import FirstEnd, RankEnd

log = logging.getLogger("smoothlab")
ASKED = "smoothlab/stop"  # key by which a rank tells the others at which step all of them stop


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
        self.step_stop: StepStop | None = None
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
    def at_step_end(self, step_stop: StepStop) -> Iterator[None]:
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


class StepStop(Callback):
    """End a training that was asked to stop after a step, with a checkpoint from which it goes on as if it had not.

    A step of gathered gradients is over with its last batch. A stop within a validation, or after an epoch's last
    batch, waits for the epoch's own checkpoint. On one rank this costs a training nothing: Lightning calls the hook
    once a signal was received. Of several, each looks after each step whether one of them has named the step at which
    all stop: the one after the next, which no rank has begun, since ranks part by at most one step.

    Args:
        stop: what receives the signals.
        state: puts the state of an epoch into the checkpoint.
        last: path of the checkpoint to resume from.
        several: whether there are other ranks.
    """

    def __init__(self, stop: Stop, state: RunState, last: Path, *, several: bool) -> None:
        self._stop = stop
        self._state = state
        self._last = last
        self._several = several
        self._rank: int | None = None  # that received the signal, of several
        if not several:
            self.on_train_batch_end = None  # type: ignore[assignment]

    def ask(self) -> None:
        """A signal was received."""
        vars(self).pop("on_train_batch_end", None)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write a checkpoint and end, where that was asked."""
        loop = trainer.fit_loop.epoch_loop
        if loop._should_accumulate() or not self._is_now(trainer) or loop.batch_progress.is_last_batch:
            return
        self._state.within_epoch = True
        trainer.save_checkpoint(self._last)
        log.info("stopped after step %d, within epoch %d", trainer.global_step, trainer.current_epoch)
        self._stop.end(self._rank)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End where the last epoch's checkpoint is the one to go on from."""
        if self._is_now(trainer):
            self._stop.end(self._rank)

    def _is_now(self, trainer: Trainer) -> bool:
        if not self._several:
            return self._stop.number is not None
        store = torch.distributed.distributed_c10d._get_default_store()
        if self._stop.number is not None:
            store.compare_set(ASKED, "", f"{trainer.global_step + 2} {int(self._stop.number)} {self._stop.rank}")
        if not store.check([ASKED]):
            return False
        step, number, rank = (int(word) for word in store.get(ASKED).split())
        if trainer.global_step < step:
            return False
        self._stop.number, self._rank = number, rank
        return True


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


def keep_handlers(trainer: Trainer) -> None:
    """Keep Lightning from putting its own handler in the place of ours.

    Its handler of SIGTERM sends a broadcast to the other ranks, whatever the ranks are doing, and else waits for the
    end of the batch. No hook comes between its registration and the first collective operation after that.
    """
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
