"""Score a task on its data: after training and by `smoothlab evaluate`, in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytorch_lightning import Trainer

from smoothlab.runs.scores import MultilabelScores, Scores
from smoothlab.runs.translation_scores import TranslationScores

SCORES: dict[str, type[Any]] = {one.kind: one for one in (Scores, MultilabelScores, TranslationScores)}


def score(task: Any, data: Any, trainer: Trainer, splits: Sequence[str]) -> dict[str, Any]:
    """Run the task over each split in evaluation batches and score what comes out, by its kind.

    Args:
        task: a LightningModule; one without a ``kind`` is a classification.
        data: has ``loader(split)``.
        trainer: where to run.
        splits: names of splits.
    """
    scored = SCORES.get(getattr(task, "kind", Scores.kind), Scores)
    return {
        split: scored.of(trainer.predict(task, dataloaders=data.loader(split)) or (), task, data, split)
        for split in splits
    }


def details(scores: Mapping[str, Any], task: Any) -> dict[str, Any]:
    """What results.json says beside the metrics of whole splits: ``by_label`` and ``slices``, where there are any."""
    labels = {split: one.by_label(task.class_names) for split, one in scores.items()}
    slices = {split: list(one.slices) for split, one in scores.items() if one.slices}
    told: dict[str, Any] = {"by_label": labels} if any(labels.values()) else {}
    return told | ({"slices": {"column": task.slices, **slices}} if slices else {})
