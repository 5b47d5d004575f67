"""A callback for one's own LightningModule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from smoothlab.errors import InvalidArgument
from smoothlab.loops.criterion import SmoothCrossEntropy
from smoothlab.metrics import ClassificationMetrics


class SmoothingCallback(Callback):
    """Tell a criterion how far the training is, let it learn, and log the calibration of each validation.

    The module's ``validation_step`` returns ``{"logits": (N, K), "labels": (N,)}``; of one that returns something else
    nothing is logged, and strategies that learn from validation learn nothing. Logged are ``val/nll``, ``val/ece`` and
    their like, which ``ModelCheckpoint`` and ``EarlyStopping`` may monitor.

    Args:
        criterion: of the module; None: its attribute ``criterion``.
        num_bins: of the calibration errors.
        prefix: of what is logged.
    """

    def __init__(
        self, criterion: SmoothCrossEntropy | None = None, *, num_bins: int = 15, prefix: str = "val/"
    ) -> None:
        self.criterion = criterion
        self.num_bins = num_bins
        self.prefix = prefix
        self._metrics: ClassificationMetrics | None = None

    def _of(self, module: LightningModule) -> SmoothCrossEntropy:
        criterion = self.criterion or getattr(module, "criterion", None)
        if not isinstance(criterion, SmoothCrossEntropy):
            raise InvalidArgument("criterion", criterion, "a SmoothCrossEntropy, here or as the module's criterion")
        return criterion

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a module without a criterion before it trains."""
        self._of(pl_module)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Tell the progress."""
        total = float(trainer.estimated_stepping_batches)
        self._of(pl_module).at_step(trainer.global_step, int(total) if math.isfinite(total) else None)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the criterion learn from the epoch."""
        self._of(pl_module).end_epoch()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count a batch."""
        if not isinstance(outputs, Mapping) or not {"logits", "labels"} <= set(outputs):
            return
        logits, labels = outputs["logits"].detach(), outputs["labels"]
        if self._metrics is None:
            self._metrics = ClassificationMetrics(logits.shape[-1], num_bins=self.num_bins, from_logits=True)
        self._metrics.update(logits, labels)
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._of(pl_module).validate(logits, labels)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log what was counted."""
        if self._metrics is None:
            return
        values = {f"{self.prefix}{name}": value for name, value in self._metrics.compute().items()}
        self._metrics = None
        pl_module.log_dict(values)
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._of(pl_module).end_validation()
