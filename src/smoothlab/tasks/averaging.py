"""Means of the weights that a training goes through: what is validated, kept and tested."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import EMAWeightAveraging, WeightAveraging
from pytorch_lightning.strategies import FSDPStrategy
from torch import Tensor

from smoothlab.errors import UserMistake
from smoothlab.numbers import check_share


class KeepsWhatIsLearned(WeightAveraging):
    """Averages weights and buffers alone: what strategies have learned stands in a checkpoint as it is.

    Lightning's callback writes its copy of the module, whose strategies are those of the training's start.
    """

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the mean as the checkpoint's weights, and the weights beside it."""
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        now = checkpoint.get("current_model_state", {})
        learned = {name: value for name, value in now.items() if not isinstance(value, Tensor)}
        checkpoint["state_dict"] = {**checkpoint["state_dict"], **learned}


class ExponentialMovingAverage(KeepsWhatIsLearned, EMAWeightAveraging):
    """Lightning's moving average of the weights; see :class:`pytorch_lightning.callbacks.EMAWeightAveraging`."""


class StochasticWeightAveraging(KeepsWhatIsLearned):
    """Average the weights at the ends of epochs, each with the same weight: it is what is validated, kept and tested.

    The mean takes in an epoch before that epoch's validation, so that best.ckpt has the mean that was validated. Before
    it begins, the weights themselves are validated. The training goes on from the weights, not from their mean; both
    stand in each checkpoint. Buffers, such as the means of batch normalisation, are averaged too.

    Args:
        start: share of the training after which the mean begins, in [0, 1). A training that goes on for longer keeps
            the mean that it has begun.

    Raises:
        InvalidArgument: ``start`` is outside [0, 1).

    Source: Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, "Averaging Weights Leads to Wider Optima and Better
    Generalization", UAI 2018.
    """

    def __init__(self, start: float = 0.5) -> None:
        check_share("start", start)
        super().__init__()
        self.start = start

    @property
    def begun(self) -> bool:
        """Whether there is a mean."""
        return self._average_model is not None and int(self._average_model.n_averaged) > 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """See Lightning.

        Raises:
            UserMistake: the weights are cut over the ranks.
        """
        if isinstance(trainer.strategy, FSDPStrategy):
            raise UserMistake("callbacks = swa: no mean of weights that trainer=fsdp cuts over its ranks; trainer=ddp")
        super().setup(trainer, pl_module, stage)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take in the weights after the epoch's last step."""
        if not trainer.is_last_batch or trainer.global_step <= self._latest_update_step:
            return
        progress: float = pl_module.progress  # type: ignore[assignment]  # a task's
        if self.begun or progress >= self.start:
            assert self._average_model is not None
            self._average_model.update_parameters(pl_module)
            self._latest_update_step = trainer.global_step

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing: it is done before the validation."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the mean in the module."""
        if self.begun:
            super().on_train_end(trainer, pl_module)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the mean in the weights' place."""
        if self.begun:
            super().on_validation_epoch_start(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the weights back."""
        if self.begun:
            super().on_validation_epoch_end(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the mean as the checkpoint's weights, and the weights beside it."""
        if self.begun:
            super().on_save_checkpoint(trainer, pl_module, checkpoint)
        elif self._average_model is not None:
            checkpoint["current_model_state"] = checkpoint["state_dict"]
            checkpoint["averaging_state"] = {"n_averaged": self._average_model.n_averaged.clone()}
