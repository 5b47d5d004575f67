"""Score a task on its data and write what comes of it: after training, and by `smoothlab evaluate`, in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from pytorch_lightning import Trainer
from torch import Tensor

from smoothlab.metrics import classification_metrics
from smoothlab.reports.figures import reliability_diagram
from smoothlab.runs.atomic import write_atomically
from smoothlab.runs.directory import RunDirectory
from smoothlab.tracking.sink import save_figure


@dataclass
class Scores:
    """Logits ``(N, K)``, labels ``(N,)`` and row numbers ``(N,)`` of a split, and its metrics."""

    logits: Tensor
    labels: Tensor
    rows: Tensor
    metrics: dict[str, float]
    precision: str = "exact"

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
        metrics = classification_metrics(logits, labels, from_logits=True, num_bins=task.num_bins)
        scores[split] = Scores(logits, labels, rows, {name: float(value) for name, value in metrics.items()})
    return scores


def write_scores(
    scores: Mapping[str, Scores], run: RunDirectory, task: Any, loggers: Sequence[Any], *, title: str
) -> None:
    """Write predictions and figures of each split; put the final metrics into every logger's summary.

    Args:
        scores: by split.
        run: the run's directory.
        task: has ``class_names`` and ``num_bins``.
        loggers: Lightning loggers.
        title: heads the figures, followed by the split.
    """
    for split, one in scores.items():
        one.write(run.predictions / f"{split}.parquet", task.class_names)
        figure = reliability_diagram(
            one.logits, one.labels, from_logits=True, num_bins=task.num_bins, title=f"{title}, {split}"
        )
        save_figure(figure, f"reliability_{split}", run.figures, loggers)
    summary = {f"final/{split}/{name}": value for split, one in scores.items() for name, value in one.metrics.items()}
    for logger in loggers:
        if hasattr(logger, "log_summary"):
            logger.log_summary(summary)
