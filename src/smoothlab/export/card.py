"""What whoever gets an exported model should read: data, strategy, metrics with intervals, calibration, limits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from smoothlab.models.checkpoint import KEY
from smoothlab.models.model import Model
from smoothlab.reports.confidence import Confidence
from smoothlab.rundir.atomic import write_atomically, write_text
from smoothlab.rundir.directory import RunDirectory

SHOWN = ("nll", "accuracy", "macro_f1", "ece", "smece", "brier", "confidence_gap", "mean_average_precision")
FEW_ROWS, RARE = 1000, 50
MOST_CLASSES, MOST_COLUMNS = 30, 30


def write_card(output: Path, run: RunDirectory, content: Mapping[str, Any], model: Model) -> Path:
    """Write the card beside a model, ``<stem>_card.md``, and ``<stem>_reliability.png`` where the run has drawn one.

    Args:
        output: the file of the exported model.
        run: whose model it is.
        content: of the checkpoint.
        model: in it.

    Returns:
        The card.
    """
    results = run.read_results() if run.results.is_file() else {}
    diagram = run.figures / "reliability_test.png"
    picture = output.with_name(f"{output.stem}_reliability.png") if diagram.is_file() else None
    if picture is not None:
        write_atomically(picture, lambda temporary: _copy(diagram, temporary))
    lines = [
        *_head(content, results, model),
        *_data(content, model),
        *_strategy(content, results, model),
        *_metrics(results, picture),
        *_limits(content, results, model),
    ]
    card = output.with_name(f"{output.stem}_card.md")
    write_text(card, "\n".join(lines) + "\n")
    return card


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _head(content: Mapping[str, Any], results: Mapping[str, Any], model: Model) -> Iterator[str]:
    ours = content[KEY]
    net = str((ours["config"].get("model") or ours["config"]["net"]).get("_target_")).rsplit(".", 1)[-1]
    version = results.get("versions", {}).get("smoothlab", "unknown")
    yield f"# Model card: {ours['config'].get('name')}"
    yield ""
    yield f"{net} for {model.kind} of {len(model.class_names)} classes, trained by smoothlab {version}, seed " + (
        f"{ours['config'].get('seed')}, epoch {int(content['epoch'])}; run {str(ours.get('identity'))[:12]}."
    )


def _data(content: Mapping[str, Any], model: Model) -> Iterator[str]:
    ours = content[KEY]
    node = ours["config"]["data"]
    source = node.get("source")
    place = node.get("path") or (source or {}).get("name") or (source or {}).get("_target_") or node.get("_target_")
    yield from ("", "## Data", "", f"- Source: `{place}`")
    if node.get("target") is not None:
        yield f"- Label: `{node['target']}`"
    columns = [str(name) for name in model.encoder.raw_columns]
    more = f" and {len(columns) - MOST_COLUMNS} more" if len(columns) > MOST_COLUMNS else ""
    yield f"- Columns that a row needs: {', '.join(f'`{name}`' for name in columns[:MOST_COLUMNS])}{more}"
    if node.get("noise", "none") != "none":
        yield f"- {node['noise_rate']:.0%} of the training labels were made wrong on purpose ({node['noise']})"
    counts = ours.get("class_counts")
    if counts and len(counts) <= MOST_CLASSES:
        yield from ("", "| class | training rows |", "|---|---|")
        yield from (f"| {_cell(name)} | {count} |" for name, count in zip(model.class_names, counts, strict=True))


def _strategy(content: Mapping[str, Any], results: Mapping[str, Any], model: Model) -> Iterator[str]:
    smoothing = content[KEY]["config"]["smoothing"]
    names = {
        part: str(smoothing[part].get("_target_", "")).rsplit(".", 1)[-1]
        for part in ("strength", "prior")
        if isinstance(smoothing.get(part), Mapping)
    }
    yield from ("", "## Strategy", "")
    parts = ", ".join(f"{part} {name}" for part, name in names.items() if name)
    yield f"- Label smoothing: {parts or str(smoothing.get('_target_', 'none')).rsplit('.', 1)[-1]}"
    if says := results.get("smoothing", {}).get("says"):
        yield f"- {says}"
    calibrator = "none" if model.calibrator is None else type(model.calibrator).__name__
    decision = "the most probable class" if model.decision is None else model.decision.kind
    yield f"- Calibrator after training: {calibrator}"
    yield f"- Decision: {decision}"


def _metrics(results: Mapping[str, Any], picture: Path | None) -> Iterator[str]:
    yield from ("", "## Metrics on test rows", "")
    metrics = results.get("metrics", {}).get("test")
    if not metrics:
        yield "The run has no scores of test rows."
        return
    intervals = results.get("uncertainty", {}).get("test", {}).get("intervals", {})
    yield from ("| metric | value | 95% interval |", "|---|---|---|")
    for name in SHOWN:
        if isinstance(metrics.get(name), float):
            interval = intervals.get(name)
            words = "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"
            yield f"| {name} | {metrics[name]:.4f} | {words} |"
    if picture is not None:
        yield from ("", f"![Reliability diagram of the test rows]({picture.name})")


def _limits(content: Mapping[str, Any], results: Mapping[str, Any], model: Model) -> Iterator[str]:
    yield from ("", "## Limits", "")
    yield (
        "- The probabilities hold for rows like those of training. `smoothlab evaluate run=<run> input=<file>` scores "
        "labelled rows of your own and tells drift; where they do not hold, `smoothlab calibrate` fits them anew."
    )
    if (confidence := Confidence.of(results, content[KEY]["config"])) is not None:
        yield f"- {confidence.sentence}"
    counts = content[KEY].get("class_counts") or []
    rare = [name for name, count in zip(model.class_names, counts, strict=False) if count < RARE]
    if rare:
        more = ", ..." if len(rare) > MOST_CLASSES else ""
        yield f"- Fewer than {RARE} training rows: {', '.join(map(_cell, rare[:MOST_CLASSES]))}{more}."
    yield "- Whether groups of people or places are served alike was not looked at here; `task.slices` of a run tells."


def _cell(word: str) -> str:
    return str(word).replace("|", "\\|").replace("\n", " ")
