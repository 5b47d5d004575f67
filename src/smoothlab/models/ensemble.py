"""Several runs as one model: the mean of their probabilities."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from smoothlab.data import Encoder
from smoothlab.errors import UserMistake, reason_of
from smoothlab.kinds import KINDS
from smoothlab.models.model import load_run
from smoothlab.rundir.atomic import make_folders, write_atomically, write_json
from smoothlab.rundir.content import forget_sums, write_sums
from smoothlab.rundir.directory import RunDirectory, existing_run
from smoothlab.rundir.provenance import provenance
from smoothlab.rundir.reading import MissingFile, UnreadableFile, read_json, read_parquet
from smoothlab.scoring.scores import Scores
from smoothlab.scoring.splits import scored_rows

ENSEMBLE = "ensemble.json"  # what makes a folder an ensemble
FORMAT = 1
SPLITS = ("val", "test")
NUM_BINS = 15


class Ensemble:
    """The mean of the probabilities of several models, in the place of a :class:`smoothlab.models.model.Model`.

    Each model makes features of the raw rows by its own encoder, and applies its own calibrator.

    Args:
        models: at least two, of the same classes and kind.

    Raises:
        UserMistake: fewer, or of different classes or kinds.

    Source: Lakshminarayanan, Pritzel and Blundell, "Simple and Scalable Predictive Uncertainty Estimation using Deep
    Ensembles", NeurIPS 2017.
    """

    def __init__(self, models: Sequence[Any]) -> None:
        if len(models) < 2:
            raise UserMistake("runs: expected at least two runs")
        first = models[0]
        if any(KINDS[model.kind].decodes for model in models):
            raise UserMistake("runs: models of translation have no ensemble")
        for number, model in enumerate(models[1:], 2):
            if model.kind != first.kind or list(model.class_names) != list(first.class_names):
                raise UserMistake(
                    f"runs: run {number} has other classes than the first: {_shown(model.class_names)}; "
                    f"the first: {_shown(first.class_names)}"
                )
            if type(model.encoder) is not type(first.encoder):
                raise UserMistake(f"runs: run {number} is of another kind of data than the first")
        self.models = list(models)
        self.kind: str = first.kind
        self.class_names: list[str] = list(first.class_names)
        self.encoder = _Widest(models)
        self.notes: list[str] = []

    def logits(self, frame: pd.DataFrame, *, batch_size: int = 4096, where: str = "table") -> Tensor:
        """Logarithms of the mean probabilities ``(rows, classes)``; of several labels a sample their log odds."""
        parts = [model.logits(frame, batch_size=batch_size, where=where) for model in self.models]
        kind = KINDS[self.kind]
        return kind.logits(torch.as_tensor(sum(kind.probabilities(logits.double()) for logits in parts) / len(parts)))

    def predict(self, frame: pd.DataFrame, *, batch_size: int = 4096, where: str = "table") -> pd.DataFrame:
        """As of :meth:`smoothlab.models.model.Model.predict`; the predicted class is the most probable one."""
        table = KINDS[self.kind].table(self.logits(frame, batch_size=batch_size, where=where), self.class_names)
        table.index = frame.index
        return table


class _Widest:
    """How raw rows of all models are read from a file: as those of the first, with the columns of all."""

    def __init__(self, models: Sequence[Any]) -> None:
        self._first: Encoder = models[0].encoder
        self._same = all(set(model.encoder.raw_columns) == set(self._first.raw_columns) for model in models)
        self.width = self._first.width

    def read_parts(self, path: Path, rows: int) -> Iterator[pd.DataFrame]:
        """See :class:`Encoder`; whole where parts would leave out the columns of the others."""
        return self._first.read_parts(path, rows) if self._same else iter([self._first.read(path)])

    def as_read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """See :class:`Encoder`."""
        return self._first.as_read(frame)


def make_ensemble(runs: Sequence[str | Path], output: Path) -> dict[str, dict[str, float]]:
    """Write a folder that ``predict`` and ``load`` take as a run, with the metrics of the mean on val and test.

    Args:
        runs: run directories.
        output: the folder.

    Returns:
        Metrics by split; a split whose rows are not the same in all runs is left out, of which ``notes`` in
        ensemble.json tell.

    Raises:
        UserMistake: fewer than two runs, of different classes, or one that cannot be loaded.
    """
    paths = [existing_run(path, key="runs").path.resolve() for path in runs]
    if len(set(paths)) < len(paths):
        raise UserMistake("runs: one of them is there twice")
    ensemble = Ensemble([load_run(path) for path in paths])
    kind = KINDS[ensemble.kind]
    metrics: dict[str, dict[str, float]] = {}
    uncertainty: dict[str, Any] = {}
    notes: list[str] = []
    written: dict[str, pd.DataFrame] = {}
    for split in SPLITS:
        tables = [_predictions(path, split, ensemble.class_names) for path in paths]
        reason = _differ(tables)
        if reason:
            notes.append(f"{split}: no metrics of the ensemble, {reason}")
            continue
        scores = _scores([table for table in tables if table is not None], ensemble)
        metrics[split], uncertainty[split] = scores.metrics, scores.uncertainty()
        written[split] = pd.concat(
            [kind.truth(scores.labels, ensemble.class_names), kind.table(scores.logits, ensemble.class_names)], axis=1
        )
        written[split].insert(0, "row", scores.rows.numpy())
    make_folders(output / "predictions")
    files = [output / ENSEMBLE, *(output / "predictions" / f"{split}.parquet" for split in SPLITS)]
    forget_sums(output, files)
    for split, table in written.items():
        write_atomically(output / "predictions" / f"{split}.parquet", table.to_parquet)
    content = {
        "format": FORMAT,
        "kind": ensemble.kind,
        "class_names": ensemble.class_names,
        "runs": [os.path.relpath(path, output.resolve()) for path in paths],
        "metrics": metrics,
        "uncertainty": uncertainty,
        "notes": notes,
        **provenance(),
    }
    write_json(output / ENSEMBLE, content)
    write_sums(output, [file for file in files if file.is_file()])
    return metrics


def load_ensemble(path: Path, *, code: str | None = None) -> Ensemble:
    """The ensemble in a folder.

    Raises:
        UserMistake: its file is damaged or another version's, or one of its runs is not there.
    """
    try:
        content = read_json(path / ENSEMBLE)
        runs = [str(run) for run in content["runs"]]
    except (UnreadableFile, KeyError, TypeError) as error:
        raise UserMistake(f"{path / ENSEMBLE}: not readable as an ensemble ({reason_of(error)})") from None
    if content.get("format") != FORMAT:
        raise UserMistake(f"{path / ENSEMBLE}: format {content.get('format')!r}; this version reads format {FORMAT}")
    ensemble = Ensemble([load_run(path / run, code=code) for run in runs])
    if ensemble.class_names != content["class_names"]:
        raise UserMistake(f"{path / ENSEMBLE}: its runs have other classes now: {_shown(ensemble.class_names)}")
    return ensemble


def _predictions(run: Path, split: str, names: Sequence[str]) -> pd.DataFrame | None:
    file = RunDirectory(run).predictions / f"{split}.parquet"
    try:
        table = read_parquet(file).to_pandas()
    except MissingFile:
        return None
    if lacking := [name for name in ("row", *(f"prob_{name}" for name in names)) if name not in table]:
        raise UserMistake(f"{file}: not readable as predictions (no column {lacking[0]!r})")
    return table.sort_values("row", ignore_index=True)


def _differ(tables: Sequence[pd.DataFrame | None]) -> str:
    """Why the rows of the runs cannot be joined; empty where they can."""
    there = [table for table in tables if table is not None]
    if len(there) < len(tables):
        return f"{len(tables) - len(there)} runs have no predictions of it"
    first = there[0]
    truth = [name for name in first if name == "label" or name.startswith("label_")]
    for table in there[1:]:
        same = len(table) == len(first) and set(truth) <= set(table) and (table["row"] == first["row"]).all()
        if not same or not table[truth].equals(first[truth]):
            return "its rows or labels are not the same in all runs (data.split_seed decides which)"
    return ""


def _scores(tables: Sequence[pd.DataFrame], ensemble: Ensemble) -> Scores:
    """Of the mean of what the runs said."""
    names, kind = ensemble.class_names, KINDS[ensemble.kind]
    mean = np.mean([table[[f"prob_{name}" for name in names]].to_numpy(dtype=np.float64) for table in tables], axis=0)
    first = tables[0]
    rows = torch.from_numpy(first["row"].to_numpy(dtype=np.int64).copy())
    logits = kind.logits(torch.from_numpy(mean))
    scores: Scores = scored_rows(ensemble.kind, logits, kind.labels_of(first, names), rows, NUM_BINS)
    return scores


def _shown(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
