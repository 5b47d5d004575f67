"""A training that ends after a step, with a checkpoint from which it goes on as if it had not."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from smoothlab.models.checkpoint import RunState
from smoothlab.training.stopping import Stop

log = logging.getLogger("smoothlab")
ASKED = "smoothlab/stop"  # key by which a rank tells the others at which step all of them stop


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


def keep_handlers(trainer: Trainer) -> None:
    """Keep Lightning from putting its own handler in the place of ours.

    Its handler of SIGTERM sends a broadcast to the other ranks, whatever the ranks are doing, and else waits for the
    end of the batch. No hook comes between its registration and the first collective operation after that.
    """
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
