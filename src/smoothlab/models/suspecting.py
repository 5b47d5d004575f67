"""Labels of a run's data that are likely to be wrong, by predictions of rows that no training of theirs has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from smoothlab.config.opening import make_data
from smoothlab.data.rows import RowData
from smoothlab.errors import UserMistake
from smoothlab.rundir.directory import DONE, RunDirectory
from smoothlab.rundir.reading import read_parquet, read_yaml
from smoothlab.statistics.confident import Suspects, suspects

MARGIN, LABEL, LIKELY, ROW = "margin", "label", "likely", "row"


@dataclass
class Suspected:
    """What runs say of the labels.

    Args:
        table: a row for each one that was predicted out of sample, the worst margin first: ``row`` (number in the
            data, from 0), ``label``, ``likely``, ``margin``, ``suspect``, ``prob_label``, ``prob_likely``, ``runs``.
        class_names: K.
        joint: ``(K, K)`` shares of the rows by label and true class, as estimated.
        noise: the estimated share of wrong labels.
        runs: that were looked at.
        raw: the rows of the data by their numbers, empty where they are not here.
        notes: what there is to say.
    """

    table: pd.DataFrame
    class_names: list[str]
    joint: np.ndarray
    noise: float
    runs: int
    raw: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: list[str] = field(default_factory=list)


def suspected(places: Sequence[Path]) -> Suspected:
    """Look at the test rows of all finished runs in and below some folders.

    A row that is a test row of several runs has the mean of their probabilities; validation rows, which chose the
    epoch, stand in for rows that no run tested.

    Args:
        places: run directories, or folders of them.

    Raises:
        UserMistake: no finished run with predictions, of one label a sample; or a row that has several labels.
    """
    runs = [run for place in places for run in _runs(place)]
    if not runs:
        raise UserMistake(f"runs: no finished run in or below {', '.join(map(str, places))}")
    parts = [_predictions(run, "test") for run in runs]
    tested = pd.concat(parts)
    validated = pd.concat([_predictions(run, "val") for run in runs])
    validated = validated[~validated[ROW].isin(tested[ROW])]
    everything = pd.concat([tested, validated], ignore_index=True)
    names = [column.removeprefix("prob_") for column in everything if column.startswith("prob_")]
    _check_labels(everything)
    grouped = everything.groupby(ROW)
    means = grouped[[f"prob_{name}" for name in names]].mean()
    labels = grouped[LABEL].first()
    codes = pd.Index(names).get_indexer(labels)
    probabilities = means.to_numpy(dtype=np.float64)
    judged = suspects(codes.astype(np.int64), probabilities)
    table = _table(judged, labels, probabilities, names, grouped.size().to_numpy())
    result = Suspected(table, names, judged.joint, judged.noise, len(runs))
    if len(validated):
        share = validated[ROW].nunique() / len(table)
        result.notes.append(f"{share:.0%} of the rows are validation rows, by which their run's epoch was chosen")
    _add_rows(result, runs[0])
    return result


def _runs(place: Path) -> list[RunDirectory]:
    """Finished runs at and below a folder."""
    folders = [path.parent for path in sorted(place.rglob("results.json"))]
    runs = [RunDirectory(folder) for folder in folders]
    return [run for run in runs if (run.predictions / "test.parquet").is_file() and _is_done(run)]


def _is_done(run: RunDirectory) -> bool:
    try:
        return run.read_status().get("state") == DONE
    except UserMistake:  # damaged
        return False


def _predictions(run: RunDirectory, split: str) -> pd.DataFrame:
    table: pd.DataFrame = read_parquet(run.predictions / f"{split}.parquet").to_pandas()
    wanted = [column for column in table if column in (ROW, LABEL) or column.startswith("prob_")]
    if LABEL not in wanted or f"prob_{table[LABEL].iloc[0] if len(table) else ''}" not in wanted:
        raise UserMistake(f"{run.path}: has no single label a sample, which suspects need")
    return table[wanted].astype({LABEL: str})


def _check_labels(table: pd.DataFrame) -> None:
    """Refuse runs of different data, or of labels that were changed on purpose."""
    if table.filter(like="prob_").isna().any(axis=None):
        raise UserMistake("runs: they know different classes; expected runs of the same data")
    different = table.groupby(ROW)[LABEL].nunique()
    if (different > 1).any():
        raise UserMistake(f"runs: row {int(different.idxmax())} has several labels; expected runs of the same data")


def _table(
    judged: Suspects, labels: pd.Series, probabilities: np.ndarray, names: list[str], runs: np.ndarray
) -> pd.DataFrame:
    rows = np.arange(len(labels))
    likely = judged.likely
    codes = pd.Index(names).get_indexer(labels)
    table = pd.DataFrame(
        {
            ROW: labels.index,
            LABEL: labels.to_numpy(),
            LIKELY: np.array(names)[likely],
            MARGIN: judged.margin,
            "suspect": judged.suspect,
            "prob_label": probabilities[rows, codes],
            "prob_likely": probabilities[rows, likely],
            "runs": runs,
        }
    )
    return table.sort_values(MARGIN, ignore_index=True, kind="stable")


def _add_rows(result: Suspected, run: RunDirectory) -> None:
    """The raw rows beside the table, where the run's data can be read and are rows of a table."""
    try:
        config: dict[str, Any] = read_yaml(run.config)
        data = make_data(config)
        if not isinstance(data, RowData):
            raise UserMistake("its data are no table")
        frame, _, _ = data.row_source.rows()
    except UserMistake as error:
        result.notes.append(f"the rows themselves are not shown: {error}")
        return
    result.raw = frame.loc[frame.index.intersection(result.table[ROW])]
