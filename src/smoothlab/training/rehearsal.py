"""What Lightning would refuse once training begins, asked before a run's directory is made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import Any

from lightning_fabric.plugins.environments import LightningEnvironment
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import (
    BatchSizeFinder,
    LearningRateFinder,
    ModelSummary,
    ProgressBar,
    StochasticWeightAveraging,
)
from pytorch_lightning.loggers.logger import DummyLogger

from smoothlab.config.build import build
from smoothlab.errors import UserMistake
from smoothlab.learner import learners_in
from smoothlab.training.devices import make_trainer

# Callbacks that change behind the config, and the run's identity, what the config says, or what no checkpoint has.
REFUSED = {
    LearningRateFinder: "it changes the learning rate behind the config; give optimizer.lr, or search it (smoothlab "
    "train -m hydra/sweeper=smoothlab)",
    BatchSizeFinder: "it changes the batch size behind the config; give data.batch_size",
    StochasticWeightAveraging: "its average is made after the last checkpoint, so no score and no prediction has it; "
    "callbacks=swa averages before each validation",
}


def check_callbacks(callbacks: Mapping[str, Callback]) -> None:
    """Refuse callbacks of Lightning that change the run behind its config.

    Args:
        callbacks: by the names of the config's group.

    Raises:
        UserMistake: in one line.
    """
    for name, callback in callbacks.items():
        for kind, reason in REFUSED.items():
            if isinstance(callback, kind):
                raise UserMistake(f"callbacks.{name} = {type(callback).__name__}: {reason}")


def rehearse(config: Mapping[str, Any], allowed: tuple[str, ...], task: Any, data: Any, ranks: int) -> None:
    """Let Lightning set up the training, with loaders of the right length, and stop before the first batch.

    Callbacks of Lightning's own are made anew for it; others are left out, since they may write.

    Args:
        config: the resolved config of a run.
        allowed: prefixes that targets may begin with.
        task: of the run; its weights stay as they are.
        data: a data module that is set up.
        ranks: processes that will train.

    Raises:
        UserMistake: what Lightning refuses, or a training without a validation that something waits for.
    """
    node = {name: value for name, value in config["trainer"].items() if name not in ("min_epochs", "min_steps")}
    node |= {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "strategy": "auto", "precision": "32-true"}
    node |= {"num_sanity_val_steps": 0, "enable_progress_bar": False, "enable_model_summary": False}
    node |= {"profiler": None, "sync_batchnorm": False}
    callbacks = [*_of_lightning(config, allowed), _StopAtOnce()]
    logger = DummyLogger() if config["logger"] else False
    environment = LightningEnvironment()  # alone, whatever started the ranks
    trainer = make_trainer({"trainer": node}, allowed, environment=environment, logger=logger, callbacks=callbacks)
    train, val = (_Batches(-(-len(loader) // ranks)) for loader in (data.train_dataloader(), data.val_dataloader()))
    try:
        trainer.fit(task, train_dataloaders=train, val_dataloaders=val)
    except UserMistake:
        raise
    except Exception as error:  # of Lightning, torch or a callback, in their own words
        raise UserMistake(f"trainer: {_first_line(error)}") from error
    finally:
        task.trainer = None
    _check_validations(config, task, trainer)


def _of_lightning(config: Mapping[str, Any], allowed: tuple[str, ...]) -> list[Callback]:
    built = build(config["callbacks"], "callbacks", allowed=allowed).values()
    left_out = (ProgressBar, ModelSummary)
    return [
        callback
        for callback in built
        if type(callback).__module__.split(".")[0] == "pytorch_lightning" and not isinstance(callback, left_out)
    ]


def _first_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__


class _Batches:
    """A loader that has a length."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[None]:
        return repeat(None, self.length)


class _StopAtOnce(Callback):
    """End a training before its first batch."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop."""
        trainer.should_stop = True


def _check_validations(config: Mapping[str, Any], task: Any, trainer: Trainer) -> None:
    """Refuse a training that ends before its first validation, where something waits for that."""
    waiting = [f"callbacks.{name}" for name, node in config["callbacks"].items() if node.get("monitor")]
    waiting += ["scheduler"] if config["scheduler"].get("monitor") else []
    waiting += [
        f"smoothing ({type(learner).__name__})"
        for learner in learners_in(task.smoother)
        if getattr(learner, "source", None) == "validation"
    ]
    first = _first_validation(trainer)
    if not waiting or first is None:
        return
    batches, steps = first
    last = trainer.max_epochs * trainer.num_training_batches if trainer.max_epochs not in (None, -1) else math.inf
    if batches <= last and (trainer.max_steps == -1 or steps <= trainer.max_steps):
        return
    short = (
        f"trainer.max_steps = {trainer.max_steps}" if batches <= last else f"trainer.max_epochs = {trainer.max_epochs}"
    )
    raise UserMistake(
        f"{short}: training ends before its first validation, after {steps} steps, which {waiting[0]} waits for; train "
        "longer, or validate earlier (trainer.val_check_interval)"
    )


def _first_validation(trainer: Trainer) -> tuple[float, float] | None:
    """Batches and optimizer steps until the first validation; None where there is none, or where a clock says."""
    batches, length = trainer.val_check_batch, trainer.num_training_batches
    if batches is None or not trainer.enable_validation:
        return None
    if trainer.check_val_every_n_epoch is not None:
        batches = min(batches, length) + (trainer.check_val_every_n_epoch - 1) * length
    epochs, rest = divmod(batches, length)
    accumulate = trainer.accumulate_grad_batches  # an epoch's last step may be of fewer batches
    return batches, epochs * math.ceil(length / accumulate) + rest // accumulate
