"""What run directories hold, read for comparison: nothing is executed, and a broken one is named and left out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothlab.errors import UserMistake
from smoothlab.reports.arm_names import arm_names, tells
from smoothlab.rundir.content import sums_read_once
from smoothlab.rundir.directory import DONE, RunDirectory
from smoothlab.rundir.identity import flat
from smoothlab.rundir.reading import MissingFile, read_columns, read_json, read_parquet, read_yaml
from smoothlab.yaml_limits import AlikeTexts

COMPARISON = "comparison.json"  # beside the run directories of a comparison: which arm each one is


@dataclass(frozen=True)
class Predictions:
    """What a run said about a split, of one label a sample.

    Args:
        probabilities: ``(N, K)``, float64.
        labels: ``(N,)`` class indices.
        rows: ``(N,)`` row numbers in the data's source.
        class_names: K names.
    """

    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64]
    rows: NDArray[np.int64]
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class RunRecord:
    """A run as its directory tells it.

    Args:
        path: the directory.
        state: ``done``, ``running``, ``failed``, ``interrupted``, ``pruned``.
        error: why it failed, if it did.
        name: of the experiment.
        arm: which of the ways that are compared; the same for runs that differ in seed or fold alone.
        seed: its seed.
        fold: the fold that is its test data, or None.
        config: the resolved config.
        flat: the config's leaves by dotted keys.
        results: results.json; empty where the run is not done.
        choices: the option of each config group, as far as it is known.
    """

    path: Path
    state: str
    error: str | None
    name: str
    arm: str
    seed: int | None
    fold: int | None
    config: dict[str, Any] = field(repr=False)
    flat: dict[str, Any] = field(repr=False)
    results: dict[str, Any] = field(repr=False)
    choices: dict[str, str] = field(repr=False, default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether it has results."""
        return self.state == DONE

    @cached_property
    def kind(self) -> str:
        """The kind whose scores judge it, of an old run by the columns of its predictions; else ``unknown``."""
        from smoothlab.kinds import KINDS

        if (kind := KINDS.get(self.results.get("task_kind", ""))) is not None:
            return kind.scores
        try:
            columns = set(() if (table := self._table("test")) is None else table.column_names)
        except UserMistake:
            return "unknown"
        if "translation" in columns:
            return "translation"
        if {"label", "prediction"} <= columns:
            return "classification"
        return "multilabel" if any(name.startswith("label_") for name in columns) else "unknown"

    def epochs(self, wanted: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Some columns of metrics.csv, those that are there: a number an epoch, NaN where there is none.

        Raises:
            UserMistake: it cannot be read.
        """
        try:
            columns = read_columns(RunDirectory(self.path).metrics, wanted)
        except MissingFile:
            return {}
        return {name: np.array(values, dtype=np.float64) for name, values in columns.items()}

    def metrics(self, split: str) -> dict[str, float]:
        """The final metrics of a split in results.json; empty where there are none."""
        metrics = self.results.get("metrics", {}).get(split, {})
        return {str(name): float(value) for name, value in metrics.items() if isinstance(value, int | float)}

    def predictions(self, split: str) -> Predictions | None:
        """What the run said about ``split``; None where it left no predictions of one label a sample.

        Nothing is kept: whoever needs them twice keeps them.

        Raises:
            UserMistake: there is a file that cannot be read as such predictions.
        """
        path, table = self._file(split), self._table(split)
        if table is None or not {"row", "label"} <= set(table.column_names):
            return None
        try:
            columns = [name for name in table.column_names if name.startswith("prob_")]
            names = tuple(name.removeprefix("prob_") for name in columns)
            probabilities = np.column_stack([table[name].to_numpy() for name in columns]).astype(np.float64)
            labels = _indices(table["label"], names)
            rows = table["row"].to_numpy().astype(np.int64)
            if len(names) < 2:
                raise ValueError(f"{len(names)} classes")
        except Exception as error:  # whatever a damaged file makes its reader say
            raise UserMistake(f"{path}: not readable as predictions ({_line(error)})") from None
        sums = probabilities.sum(1)
        if not len(rows) or labels.min() < 0 or not np.all(np.abs(sums - 1.0) < 1e-3) or probabilities.min() < 0:
            raise UserMistake(f"{path}: not readable as predictions (labels out of place, or rows that are none)")
        return Predictions(probabilities, labels, rows, names)

    @property
    def bytes_of_predictions(self) -> int:
        """How large the file of the test predictions is; 0 where there is none."""
        try:
            return os.stat(self._file("test")).st_size
        except OSError:
            return 0

    def _file(self, split: str) -> Path:
        return self.path / "predictions" / f"{split}.parquet"

    def _table(self, split: str) -> Any:
        """The content of a file of predictions; None where it is not there."""
        try:
            return read_parquet(self._file(split), _is_read)
        except MissingFile:
            return None


@dataclass(frozen=True)
class Problem:
    """A run directory that cannot be read, and why."""

    path: Path
    says: str


@dataclass(frozen=True)
class Records:
    """Runs, and the directories that could not be read as one."""

    records: tuple[RunRecord, ...]
    problems: tuple[Problem, ...] = ()


def read_records(paths: Iterable[Path | str]) -> Records:
    """The runs at and below ``paths``, in the order of their directories' names; each once.

    The arm of a run is what a comparison wrote of it in ``comparison.json`` beside the run directories, else the
    settings in which its config differs from the others', seed and fold aside.

    Args:
        paths: run directories, or folders of them.

    Nothing is raised for what cannot be read: it is in ``problems``.
    """
    problems: list[Problem] = []
    yaml = AlikeTexts()
    choices: dict[str, dict[str, str]] = {}
    by_path: dict[Path, RunRecord] = {}
    for path in map(Path, paths):
        if not path.is_dir():
            problems.append(Problem(path, "no such directory"))
            continue
        for run in _run_directories(path):
            try:
                with sums_read_once():
                    by_path.setdefault(run.resolve(), _read(run, yaml, choices))
            except (UserMistake, OSError) as error:
                problems.append(Problem(run, _line(error).removeprefix(f"{run}/").removeprefix(f"{run}: ")))
    return Records(tuple(_with_arms(list(by_path.values()))), tuple(dict.fromkeys(problems)))


def _run_directories(path: Path) -> Iterator[Path]:
    """Directories that hold a run, at ``path`` or below it; what is inside of a run is none."""
    for folder, inside, files in os.walk(path):
        if Path(folder).name != ".hydra" and {"config.yaml", "status.json", "results.json"} & set(files):
            inside.clear()
            yield Path(folder)
        inside[:] = sorted(name for name in inside if not name.startswith("."))


def _read(path: Path, yaml: AlikeTexts, choices: dict[str, dict[str, str]]) -> RunRecord:
    """The run at ``path``; ``choices`` holds those of the settings that were met before.

    Raises:
        UserMistake: it is broken.
    """
    run = RunDirectory(path)
    status = run.read_status()
    state = str(status.get("state", "unknown"))
    if not run.config.is_file() and state not in (DONE, "unknown"):
        error = status.get("error")
        return RunRecord(path, state, str(error) if error else None, path.name, "", None, None, {}, {}, {})
    config = read_yaml(run.config, yaml.load)
    results: dict[str, Any] = {}
    if state == DONE or (state == "unknown" and run.results.is_file()):
        state = DONE
        results = run.read_results()
        if "metrics" not in results:
            raise UserMistake(f"{run.results}: no metrics in it")
    data = config.get("data")
    leaves = flat(config)
    settings = repr([item for item in leaves.items() if tells(item[0])])
    if not choices.get(settings):
        choices[settings] = _choices(path, yaml)
    return RunRecord(
        path=path,
        state=state,
        error=str(status["error"]) if status.get("error") else None,
        name=str(config.get("name", path.name)),
        arm="",
        seed=_whole(config.get("seed")),
        fold=_whole(data.get("fold")) if isinstance(data, dict) else None,
        config=config,
        flat=leaves,
        results=results,
        choices=choices[settings],
    )


def _choices(path: Path, yaml: AlikeTexts) -> dict[str, str]:
    """The option of each config group, from what Hydra left; empty where it left nothing."""
    try:
        node = read_yaml(path / ".hydra" / "hydra.yaml", yaml.load)
        chosen = node["hydra"]["runtime"]["choices"]
        return {str(group): str(option) for group, option in chosen.items() if option is not None}
    except (UserMistake, KeyError, TypeError, AttributeError):
        return {}


def _with_arms(records: Sequence[RunRecord]) -> list[RunRecord]:
    mapped = {folder: arms_of(folder) for folder in {record.path.parent for record in records}}
    given = [mapped[record.path.parent].get(record.path.name) for record in records]
    rest = [record for record, arm in zip(records, given, strict=True) if arm is None and record.config]
    named = iter(arm_names([record.flat for record in rest], [record.choices for record in rest]))
    return [
        replace(record, arm=arm if arm is not None else next(named) if record.config else "unknown")
        for record, arm in zip(records, given, strict=True)
    ]


def arms_of(folder: Path) -> Mapping[str, str]:
    """The arm of each run directory in ``folder``, where a comparison wrote them; else nothing."""
    try:
        arms = read_json(folder / COMPARISON).get("arms")
    except UserMistake:
        return {}
    return {str(name): str(arm) for name, arm in arms.items()} if isinstance(arms, dict) else {}


def _is_read(name: str) -> bool:
    """Whether a column of predictions is one of those that are looked at."""
    return name in ("row", "label", "prediction", "translation") or name.startswith(("prob_", "label_"))


def _indices(column: Any, names: Sequence[str]) -> NDArray[np.int64]:
    """Class indices of a column of names; -1 for a name that is none."""
    encoded = column.combine_chunks().dictionary_encode()
    place = {name: index for index, name in enumerate(names)}
    table = np.array([place.get(str(name), -1) for name in encoded.dictionary.to_pylist()], dtype=np.int64)
    return np.asarray(table[encoded.indices.to_numpy(zero_copy_only=False)])


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
