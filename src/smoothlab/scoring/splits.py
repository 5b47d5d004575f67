"""Score a task on its data: after training and by `smoothlab evaluate`, in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from pytorch_lightning import Trainer
from torch import Tensor

from smoothlab.data.module import DataModule
from smoothlab.kinds import KINDS
from smoothlab.scoring.calibrating import Afterwards
from smoothlab.scoring.scores import MultilabelScores, Scores
from smoothlab.scoring.translation_scores import TranslationScores
from smoothlab.tasks.task import Task

# By the kind that the kind of a task names.
SCORES: dict[str, type[Any]] = {judge.kind: judge for judge in (Scores, MultilabelScores, TranslationScores)}

Parts = Mapping[str, Sequence[Mapping[str, Any]]]


def score(
    task: Task, data: DataModule, trainer: Trainer, splits: Sequence[str], afterwards: Afterwards | None = None
) -> dict[str, Any]:
    """Run the task over each split in evaluation batches and score what comes out, by its kind.

    Args:
        task: whose ``kind`` says how its predictions are scored.
        data: has ``loader(split)``.
        trainer: where to run.
        splits: names of splits.
        afterwards: whose calibrator the logits go through, or None.
    """
    parts = predicted(task, data, trainer, splits)
    if afterwards is not None:
        parts = {split: afterwards.calibrated(batches) for split, batches in parts.items()}
    return scored(parts, task, data)


def predicted(task: Task, data: DataModule, trainer: Trainer, splits: Sequence[str]) -> Parts:
    """What ``predict_step`` gives of each split, batch by batch."""
    parts: dict[str, Any] = {split: trainer.predict(task, dataloaders=data.loader(split)) or () for split in splits}
    return parts


def scores_of(kind: str) -> type[Any]:
    """The class that judges what a task of this kind predicts."""
    return SCORES[KINDS[kind].scores]


def scored_rows(kind: str, logits: Tensor, labels: Tensor, rows: Tensor, num_bins: int) -> Any:
    """What predictions of rows are worth where there is no task: logits ``(N, K)``, their labels and row numbers."""
    task = SimpleNamespace(num_bins=num_bins, more_metrics=list)
    return scores_of(kind).of([{"logits": logits, "labels": labels, "rows": rows}], task, None, "")


def scored(parts: Parts, task: Task, data: DataModule) -> dict[str, Any]:
    """What the predictions of each split are worth."""
    scores = scores_of(task.kind)
    return {split: scores.of(batches, task, data, split) for split, batches in parts.items()}


def scored_afterwards(
    afterwards: Afterwards, parts: Parts, task: Task, data: DataModule
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fit what comes after the net to validation, and score each split through it.

    Returns:
        The scores by split, and what results.json says of it beside them: ``calibrator``, ``before_calibration`` (the
        metrics without it) and ``decision``, those that there are. With a calibrator the second has the raw scores as
        ``before``, for a figure.
    """
    scores, about = scored(parts, task, data), {}
    if afterwards.calibrator is not None:
        before = scores
        afterwards.fit_calibrator(before["val"].logits, before["val"].labels)
        scores = scored({split: afterwards.calibrated(batches) for split, batches in parts.items()}, task, data)
        about["before_calibration"] = {split: judged.metrics for split, judged in before.items()}
        about["calibrator"] = afterwards.settings()["calibrator"]
        about["before"] = before
    if afterwards.decision is not None:
        afterwards.fit_decision(scores["val"].logits, scores["val"].labels)
        points = {split: afterwards.operating_point(judged.logits, judged.labels) for split, judged in scores.items()}
        about["decision"] = afterwards.settings()["decision"] | points
    return scores, about


def details(scores: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """What results.json says beside the metrics of whole splits: ``decomposition``, ``by_label`` and ``slices``, where
    there are any.
    """
    labels = {split: judged.by_label(task.class_names) for split, judged in scores.items()}
    slices = {split: list(judged.slices) for split, judged in scores.items() if judged.slices}
    parts = {split: judged.decomposition() for split, judged in scores.items()}
    about: dict[str, Any] = {"decomposition": parts} if any(parts.values()) else {}
    about |= {"by_label": labels} if any(labels.values()) else {}
    return about | ({"slices": {"column": task.slices, **slices}} if slices else {})
