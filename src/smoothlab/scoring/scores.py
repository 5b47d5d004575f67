"""What the predictions of a split are worth, by kind of task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from smoothlab.data.batch import TRUTH
from smoothlab.kinds import KINDS
from smoothlab.metrics import (
    ClassificationMetrics,
    MultilabelMetrics,
    RankingMetrics,
    bootstrap,
    classification_metrics,
    ece_bias,
    labelwise_metrics,
    multilabel_metrics,
    ranking_metrics,
    score_parts,
)
from smoothlab.metrics.multilabel import read_cells
from smoothlab.metrics.truth import truth_metrics
from smoothlab.rundir.atomic import make_folders, write_atomically
from smoothlab.scoring.slices import NAMES as OF_SLICES
from smoothlab.scoring.slices import as_date, cut
from smoothlab.soft_labels import question_labels, question_logits

EXACT_ROWS = 1_000_000  # beyond, metrics come from the streaming forms, whose error bound docs/metrics.md states
STREAM_ROWS = 65_536
LEVEL = 0.95
TWO_SIDED = 1.959963984540054  # standard deviations to either side that hold LEVEL of a normal distribution


@dataclass
class Scores:
    """A split's predictions and what they are worth, of one label a sample.

    Args:
        logits: ``(N, K)``.
        labels: ``(N,)``.
        rows: row numbers in the data's source ``(N,)``.
        metrics: by name.
        precision: ``exact``, or ``streaming`` beyond ``EXACT_ROWS`` rows.
        num_bins: bins of the calibration errors.
        posteriors: ``(N, K)`` by the names of ``TRUTH``, where the data know them.
        slices: place, ``rows`` and metrics of each slice of the split, where the task tells them apart.
        sliced_by: the metadata column that it does so by.
    """

    logits: Tensor
    labels: Tensor
    rows: Tensor
    metrics: dict[str, float]
    precision: str
    num_bins: int
    posteriors: Mapping[str, Tensor] = field(default_factory=dict)
    slices: Sequence[dict[str, Any]] = ()
    sliced_by: str = ""
    kind: ClassVar[str] = "classification"

    @classmethod
    def of(cls, parts: Sequence[Mapping[str, Any]], task: Any, data: Any, split: str) -> Scores:
        """Scores of what ``predict_step`` returned batch by batch.

        A metric that is not defined on these data, such as the severity of no mistake, is left out.

        Args:
            parts: with ``logits``, ``labels`` and ``rows``, and perhaps ``slices`` and what ``TRUTH`` names.
            task: has ``num_bins`` and ``more_metrics()``, and ``slices`` with ``num_slices`` where parts have slices.
            data: may have ``metadata_categories`` and ``date_columns``.
            split: which one it is.
        """
        logits, labels, rows = (torch.cat([part[name] for part in parts]) for name in ("logits", "labels", "rows"))
        precision = "exact" if len(labels) <= EXACT_ROWS else "streaming"
        metrics = _judged(cls, logits, labels, task.num_bins)
        for metric in task.more_metrics():
            metrics |= _streamed(metric, cls, logits, labels)
        posteriors = {name: torch.cat([part[name] for part in parts]) for name in TRUTH if name in parts[0]}
        metrics |= against_truth(logits, posteriors)
        made = cls(logits, labels, rows, defined(metrics), precision, task.num_bins, posteriors)
        if "slices" in parts[0]:
            column = torch.cat([part["slices"] for part in parts])
            made.slices = _slices(made, column, task, data)
            made.sliced_by = task.slices
        return made

    def uncertainty(self) -> dict[str, Any]:
        """How sure the metrics are: bootstrap intervals over the samples, and the ECE that chance alone would give."""
        intervals = bootstrap(self.logits, self.labels, from_logits=True, num_bins=self.num_bins, level=LEVEL)
        finite = {name: bounds for name, bounds in intervals.items() if math.isfinite(bounds.estimate)}
        chance = ece_bias(self.logits, self.labels, from_logits=True, num_bins=self.num_bins)
        return {
            "level": LEVEL,
            "rows": len(self.labels),
            "intervals": {name: [bounds.low, bounds.high] for name, bounds in finite.items()},
            "ece_of_a_calibrated_model": {"mean": chance.calibrated, "high": chance.calibrated_high},
        }

    def by_label(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Metrics of each label apart, where a sample has several."""
        return {}

    def decomposition(self) -> dict[str, dict[str, float]]:
        """NLL and Brier score as refinement and calibration (see :func:`smoothlab.metrics.score_parts`); nothing where
        rows are too many to be exact."""
        if len(self.labels) > EXACT_ROWS:
            return {}
        parts = score_parts(self.logits, self.labels, from_logits=True)
        return {name: defined(part._asdict()) for name, part in parts.items()}

    def decisions(self) -> tuple[Tensor, Tensor]:
        """Logits ``(M, C)`` and labels ``(M,)`` of the single decisions, for figures."""
        return self.logits, self.labels

    def write(self, path: Path, class_names: Sequence[str], decision: Any = None) -> None:
        """Write a Parquet file: ``row``, what is true, what is predicted, and a ``prob_<class>`` column a class.

        Where the posterior is known it stands in ``true_<class>``, that of the classes before label noise in
        ``clean_<class>``.
        """
        kind = KINDS[self.kind]
        table = pd.concat(
            [kind.truth(self.labels, class_names), kind.table(self.logits, class_names, decision)], axis=1
        )
        table.insert(0, "row", self.rows.numpy())
        for name, posterior in self.posteriors.items():
            columns = [f"{'true' if name == 'posterior' else 'clean'}_{label}" for label in class_names]
            table = pd.concat([table, pd.DataFrame(posterior.numpy(), columns=columns)], axis=1)
        make_folders(path.parent)
        write_atomically(path, lambda temporary: table.to_parquet(temporary, index=False))

    @staticmethod
    def exact(logits: Tensor, labels: Tensor, num_bins: int) -> dict[str, float]:
        """Metrics of all rows, exact."""
        return classification_metrics(logits, labels, from_logits=True, num_bins=num_bins)

    @staticmethod
    def streaming(num_classes: int, num_bins: int) -> list[Any]:
        """The metrics that stream them."""
        return [ClassificationMetrics(num_classes, num_bins=num_bins, from_logits=True)]

    @staticmethod
    def options(labels: Tensor) -> dict[str, Any]:
        """What the metrics are told beside logits and labels."""
        return {}


class MultilabelScores(Scores):
    """The same of several labels a sample, ``(N, K)``, negative where unknown."""

    kind = "multilabel"

    def uncertainty(self) -> dict[str, Any]:
        """How sure the means over decisions are: normal intervals with whole samples as the units that vary."""
        cells = read_cells(self.logits, self.labels, from_logits=True, **self.options(self.labels))
        each = {"nll": cells.nll, "accuracy": cells.right, "brier": cells.brier}
        sums = {name: (cells.weight * values).sum(1) for name, values in each.items()}
        return {"level": LEVEL, "intervals": intervals_by_unit(sums, cells.weight.sum(1))}

    def by_label(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Calibration and average precision of each label; what is not defined is left out."""
        options = self.options(self.labels)
        metrics = labelwise_metrics(self.logits, self.labels, from_logits=True, num_bins=self.num_bins, **options)
        return {
            name: {key: float(values[k]) for key, values in metrics.items() if not math.isnan(values[k])}
            for k, name in enumerate(names)
        }

    def decomposition(self) -> dict[str, dict[str, float]]:
        """Nothing."""
        return {}

    def decisions(self) -> tuple[Tensor, Tensor]:
        """Each known label of each sample as a decision between absent and present."""
        answers = question_labels(self.labels)
        known = answers >= 0
        return question_logits(self.logits)[known], answers[known]

    @staticmethod
    def exact(logits: Tensor, labels: Tensor, num_bins: int) -> dict[str, float]:
        """Metrics of all rows, exact."""
        options = MultilabelScores.options(labels)
        decided = multilabel_metrics(logits, labels, from_logits=True, num_bins=num_bins, **options)
        return decided | ranking_metrics(logits, labels, from_logits=True, **options)

    @staticmethod
    def streaming(num_classes: int, num_bins: int) -> list[Any]:
        """The metrics that stream them."""
        return [MultilabelMetrics(num_classes, num_bins=num_bins, from_logits=True), RankingMetrics(num_classes)]

    @staticmethod
    def options(labels: Tensor) -> dict[str, Any]:
        """Labels that are unknown do not count."""
        return {"mask": labels >= 0}


def _slices(scores: Scores, column: Tensor, task: Any, data: Any) -> list[dict[str, Any]]:
    """The metrics of each slice of a split."""
    words = getattr(data, "metadata_categories", {}).get(task.slices)
    dates = task.slices in getattr(data, "date_columns", ())
    rows = []
    for part in cut(column, task.num_slices, words):
        logits, labels = scores.logits[part.index], scores.labels[part.index]
        counts = labels.ndim == 1 or bool((labels >= 0).any())  # something known
        metrics = _judged(type(scores), logits, labels, task.num_bins) if counts else {}
        place = {key: as_date(value) for key, value in part.place.items()} if dates else part.place
        rows.append({**place, "rows": len(part.index)} | {k: metrics[k] for k in OF_SLICES if k in metrics})
    return rows


def intervals_by_unit(sums: Mapping[str, np.ndarray], counts: np.ndarray) -> dict[str, list[float]]:
    """Normal intervals of means over cells where whole units vary, of sums and counts of the units' cells ``(N,)``."""
    intervals = {}
    for name, values in sums.items():
        mean = values.sum() / counts.sum()
        deviation = TWO_SIDED * math.sqrt(float(np.square(values - mean * counts).sum())) / counts.sum()
        intervals[name] = [float(mean - deviation), float(mean + deviation)]
    return intervals


def defined(metrics: Mapping[str, float]) -> dict[str, float]:
    """Those that are finite numbers: JSON has no others, and the perplexity of a net that is far off is none."""
    return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}


def _judged(scored: type[Scores], logits: Tensor, labels: Tensor, num_bins: int) -> dict[str, float]:
    if len(labels) <= EXACT_ROWS:
        return scored.exact(logits, labels, num_bins)
    metrics: dict[str, float] = {}
    for metric in scored.streaming(logits.shape[-1], num_bins):
        metrics |= _streamed(metric, scored, logits, labels)
    return metrics


def _streamed(metric: Any, scored: type[Scores], logits: Tensor, labels: Tensor) -> dict[str, float]:
    for part, of_part in zip(logits.split(STREAM_ROWS), labels.split(STREAM_ROWS), strict=True):
        metric.update(part, of_part, **scored.options(of_part))
    computed: dict[str, float] = metric.compute()
    return computed


def against_truth(logits: Tensor, posteriors: Mapping[str, Tensor]) -> dict[str, float]:
    """Against the posterior of the labels; of the classes before label noise as ``clean_...``."""
    metrics = {}
    for name, posterior in posteriors.items():
        for key, value in truth_metrics(logits, posterior, from_logits=True).items():
            metrics[key if name == "posterior" else f"clean_{key.removeprefix('true_')}"] = value
    return metrics
