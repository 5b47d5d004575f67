"""The figures of a finished run, by the names of their files."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from smoothlab.data.module import DataModule
from smoothlab.inspection import Inspection, Probe
from smoothlab.inspection.epsilon import EpsilonCurve
from smoothlab.inspection.probe import samples_of
from smoothlab.kinds import KINDS
from smoothlab.reports import figures
from smoothlab.reports.confusion import confusion_matrix
from smoothlab.reports.inspection import soft_target_map, used_epsilon
from smoothlab.reports.sequences import confidence_against_bleu
from smoothlab.scoring.slices import NAMES as OF_SLICES
from smoothlab.scoring.slices import label_of
from smoothlab.tasks.task import Task

MOST_CLASSES = 64  # of the map of soft targets; with more, `smoothlab inspect run=...` draws the largest
log = logging.getLogger("smoothlab")


def of_scores(scores: Mapping[str, Any], class_names: Sequence[str], *, title: str) -> dict[str, Any]:
    """What the predictions of each split show.

    Args:
        scores: by split.
        class_names: in the order of the logits.
        title: heads each figure, followed by the split.
    """
    drawn: dict[str, Any] = {}
    for split, judged in scores.items():
        options: dict[str, Any] = {"from_logits": True, "title": f"{title}, {split}"}
        logits, labels = judged.decisions()
        drawn[f"reliability_{split}"] = figures.reliability_diagram(logits, labels, num_bins=judged.num_bins, **options)
        if split != "test":
            continue
        drawn["confidence_test"] = figures.confidence_histogram(logits, labels, **options)
        drawn["risk_coverage_test"] = figures.risk_coverage_curve(logits, labels, **options)
        if KINDS[judged.kind].decides:
            options["class_names"] = list(class_names)
            drawn["classwise_test"] = figures.classwise_reliability(judged.logits, judged.labels, **options)
            drawn["confusion_test"] = confusion_matrix(judged.logits, judged.labels, **options)
        if KINDS[judged.kind].decodes:
            sentences = judged.sentences
            drawn["sequences_test"] = confidence_against_bleu(
                sentences["confidence"].to_numpy(), sentences["bleu"].to_numpy(), title=options["title"]
            )
        if len(judged.slices) > 1:
            drawn["slices_test"] = _by_slice(judged, options["title"])
    return drawn


def of_calibration(before: Mapping[str, Any], after: Mapping[str, Any], *, title: str) -> dict[str, Any]:
    """Reliability without and with the calibrator, of the splits that were scored without it too."""
    drawn: dict[str, Any] = {}
    for split, raw in before.items():
        logits, labels = raw.decisions()
        options: dict[str, Any] = {"from_logits": True, "num_bins": raw.num_bins, "title": f"{title}, {split}"}
        drawn[f"calibration_{split}"] = figures.before_and_after(logits, after[split].decisions()[0], labels, **options)
    return drawn


def of_history(epochs: Sequence[int], history: Mapping[str, Sequence[float]], *, title: str) -> dict[str, Any]:
    """How validation went; nothing of a single epoch."""
    if len(epochs) < 2:
        return {}
    return {"epochs_val": figures.calibration_over_epochs(epochs, history, title=f"{title}, val")}


def of_smoothing(task: Task, data: DataModule, used: EpsilonCurve | None, best: int, *, title: str) -> dict[str, Any]:
    """The soft targets of each class as the best checkpoint has them, and epsilon by epoch where it changed.

    A figure that fails is left out with a line in the log: the run itself is done.

    Args:
        task: with the weights of the best checkpoint.
        data: set up.
        used: epsilon by epoch, if it is known.
        best: the epoch of the checkpoint.
        title: heads each figure.
    """
    drawn: dict[str, Any] = {}
    try:
        smoother: Any = task.smoother
        classes = len(task.class_names)
        smooths = used is not None and any(abs(epsilon) > 0 for epsilon in used.high)
        if smooths and KINDS[task.kind].decides and classes <= MOST_CLASSES:
            probe = Probe.of(samples_of(data), classes, mixed=task.mixing is not None)
            inspection = Inspection(smoother, probe, task.class_names, data.class_counts)
            drawn["soft_targets"] = soft_target_map(inspection)
        if used is not None and len(used.x) > 1 and (used.has_spread or not used.is_flat):
            drawn["epsilon"] = used_epsilon(used, best, title=f"{title}, epsilon")
    except Exception as error:  # no figure is worth a run
        log.warning("figures of the smoothing are left out: %s", str(error).strip().split("\n")[0])
    return drawn


def _by_slice(scores: Any, title: str) -> Any:
    metrics = {name: [part.get(name, float("nan")) for part in scores.slices] for name in OF_SLICES}
    places = [label_of(part) for part in scores.slices]
    return figures.metrics_by_slice(
        places, metrics, [part["rows"] for part in scores.slices], column=scores.sliced_by, title=title
    )
