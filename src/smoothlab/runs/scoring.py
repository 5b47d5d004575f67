"""Score a task on its data: after training and by `smoothlab evaluate`, in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from pytorch_lightning import Trainer
from torch import Tensor

from smoothlab.metrics import ClassificationMetrics, bootstrap, classification_metrics, ece_bias
from smoothlab.runs.atomic import write_atomically

EXACT_ROWS = 1_000_000  # beyond, metrics come from the streaming forms, whose error bound docs/metrics.md states
STREAM_ROWS = 65_536
LEVEL = 0.95


@dataclass
class Scores:
    """A split's predictions and what they are worth.

    Args:
        logits: ``(N, K)``.
        labels: ``(N,)``.
        rows: row numbers in the data's source ``(N,)``.
        metrics: by name.
        precision: ``exact``, or ``streaming`` beyond ``EXACT_ROWS`` rows.
        num_bins: bins of the calibration errors.
    """

    logits: Tensor
    labels: Tensor
    rows: Tensor
    metrics: dict[str, float]
    precision: str
    num_bins: int

    def uncertainty(self) -> dict[str, Any]:
        """How sure the metrics are: bootstrap intervals over the samples, and the ECE that chance alone would give."""
        intervals = bootstrap(self.logits, self.labels, from_logits=True, num_bins=self.num_bins, level=LEVEL)
        chance = ece_bias(self.logits, self.labels, from_logits=True, num_bins=self.num_bins)
        return {
            "level": LEVEL,
            "intervals": {name: [one.low, one.high] for name, one in intervals.items()},
            "ece_of_a_calibrated_model": {"mean": chance.calibrated, "high": chance.calibrated_high},
        }

    def write(self, path: Path, class_names: Sequence[str]) -> None:
        """Write a Parquet file with ``row``, ``label``, ``prediction`` and a ``prob_<class>`` column a class."""
        table = probability_table(self.logits, class_names)
        names = list(class_names)
        table.insert(0, "row", self.rows.numpy())
        table.insert(1, "label", [names[int(label)] for label in self.labels])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda temporary: table.to_parquet(temporary, index=False))


def probability_table(logits: Tensor, class_names: Sequence[str]) -> pd.DataFrame:
    """``prediction`` and ``prob_<class>`` columns, a row for each row of ``logits`` ``(N, K)``."""
    probabilities = torch.softmax(logits.double(), dim=-1)
    names = list(class_names)
    table = pd.DataFrame(probabilities.numpy(), columns=[f"prob_{name}" for name in names])
    table.insert(0, "prediction", [names[int(index)] for index in probabilities.argmax(dim=-1)])
    return table


def score(task: Any, data: Any, trainer: Trainer, splits: Sequence[str]) -> dict[str, Scores]:
    """Run the task over each split in evaluation batches and compute its exact metrics.

    Args:
        task: a LightningModule whose ``predict_step`` returns ``logits``, ``labels`` and ``rows``; has ``num_bins``.
        data: has ``loader(split)``.
        trainer: where to run.
        splits: names of splits.
    """
    scores = {}
    for split in splits:
        parts: list[dict[str, Tensor]] = trainer.predict(task, dataloaders=data.loader(split))  # type: ignore[assignment]
        logits, labels, rows = (torch.cat([part[name] for part in parts]) for name in ("logits", "labels", "rows"))
        precision = "exact" if len(labels) <= EXACT_ROWS else "streaming"
        if precision == "exact":
            metrics = classification_metrics(logits, labels, from_logits=True, num_bins=task.num_bins)
        else:
            streaming = ClassificationMetrics(logits.shape[-1], num_bins=task.num_bins, from_logits=True)
            for part, part_labels in zip(logits.split(STREAM_ROWS), labels.split(STREAM_ROWS), strict=True):
                streaming.update(part, part_labels)
            metrics = streaming.compute()
        metrics = {name: float(value) for name, value in metrics.items()}
        scores[split] = Scores(logits, labels, rows, metrics, precision, task.num_bins)
    return scores
