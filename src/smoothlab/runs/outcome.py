"""What a finished run leaves beside its checkpoints: predictions, figures, final numbers in the loggers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smoothlab.reports import figures
from smoothlab.reports.sequences import confidence_against_bleu
from smoothlab.runs.directory import RunDirectory
from smoothlab.runs.scores import Scores
from smoothlab.runs.slices import NAMES as OF_SLICES
from smoothlab.runs.slices import label_of
from smoothlab.runs.translation_scores import TranslationScores
from smoothlab.tracking.csv import read_rows
from smoothlab.tracking.sink import save_figure, save_table


def write_outcome(
    scores: Mapping[str, Scores | TranslationScores],
    run: RunDirectory,
    class_names: Sequence[str],
    loggers: Sequence[Any],
    *,
    title: str,
) -> None:
    """Write predictions of each split and the run's figures; put the final metrics into every logger's summary.

    Args:
        scores: by split.
        run: the run's directory.
        class_names: in the order of the logits.
        loggers: Lightning loggers.
        title: heads the figures, followed by the split.
    """
    drawn: dict[str, Any] = {}
    for split, one in scores.items():
        one.write(run.predictions / f"{split}.parquet", class_names)
        options: dict[str, Any] = {"from_logits": True, "title": f"{title}, {split}"}
        logits, labels = one.decisions()
        drawn[f"reliability_{split}"] = figures.reliability_diagram(logits, labels, num_bins=one.num_bins, **options)
        if split == "test":
            drawn["confidence_test"] = figures.confidence_histogram(logits, labels, **options)
            drawn["risk_coverage_test"] = figures.risk_coverage_curve(logits, labels, **options)
        if split == "test" and isinstance(one, Scores) and one.kind == "classification":
            drawn["classwise_test"] = figures.classwise_reliability(
                one.logits, one.labels, class_names=list(class_names), **options
            )
        if isinstance(one, TranslationScores):
            save_table(one.samples(), f"samples_{split}", run.predictions, loggers)
            if split == "test":
                told = one.sentences
                drawn["sequences_test"] = confidence_against_bleu(
                    told["confidence"].to_numpy(), told["bleu"].to_numpy(), title=options["title"]
                )
    if (test := scores.get("test")) is not None and len(test.slices) > 1:
        told = {name: [one.get(name, float("nan")) for one in test.slices] for name in OF_SLICES}
        drawn["slices_test"] = figures.metrics_by_slice(
            [label_of(one) for one in test.slices],
            told,
            [one["rows"] for one in test.slices],
            column=test.sliced_by,
            title=f"{title}, test",
        )
    epochs, history = _validation_history(run.metrics)
    if len(epochs) > 1:
        drawn["epochs_val"] = figures.calibration_over_epochs(epochs, history, title=f"{title}, val")
    for name, figure in drawn.items():
        save_figure(figure, name, run.figures, loggers)
    summary = {f"final/{split}/{name}": value for split, one in scores.items() for name, value in one.metrics.items()}
    for logger in loggers:
        if hasattr(logger, "log_summary"):
            logger.log_summary(summary)


def _validation_history(path: Path) -> tuple[list[int], dict[str, list[float]]]:
    """Epochs with a validation, and its metrics in them, from metrics.csv; nothing without the file."""
    rows = [row for row in read_rows(path) if row.get("val/nll")]
    names = [name for name in rows[0] if name.startswith("val/")] if rows else []
    history = {name.removeprefix("val/"): [float(row[name]) for row in rows] for name in names}
    return [int(row["epoch"]) for row in rows], history
