"""Arms that train nothing: the mean of other seeds' predictions, and predictions over a fitted temperature."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from functools import partial
from typing import Any

from smoothlab.comparing.arm import ENSEMBLE, Arm
from smoothlab.comparing.plan import Places, PlannedRun
from smoothlab.errors import UserMistake
from smoothlab.rundir.atomic import make_folders, write_atomically, write_json
from smoothlab.rundir.directory import DONE, RunDirectory, now
from smoothlab.rundir.reading import read_parquet
from smoothlab.sweeps.ledger import is_done

FEWEST = 3  # seeds of an arm that an ensemble is made from: of two, each would be the other alone
SPLITS = ("val", "test")


def make_derived(arm: Arm, source: Sequence[PlannedRun], places: Places) -> list[RunDirectory]:
    """A run directory for each finished run of the arm that it is made of, made from predictions alone.

    - ``ensemble``: the mean of the probabilities of all the *other* seeds' runs, so that it is compared with a run
      that is none of its members (Lakshminarayanan, Pritzel and Blundell, "Simple and Scalable Predictive Uncertainty
      Estimation using Deep Ensembles", NeurIPS 2017). The ensembles share most of their members: they vary less from
      each other than ensembles of seeds of their own would.
    - ``temperature``: the run's own logits over a temperature fitted on its validation predictions.

    Args:
        arm: says which.
        source: the finished runs of the arm that it is made of.
        places: where they stand.

    Raises:
        UserMistake: it cannot be made of these runs.
    """
    if arm.made_of == ENSEMBLE:
        fewest = min(sum(other.fold == run.fold for other in source) for run in source)
        if fewest < FEWEST:
            where = "" if source[0].fold is None else " on each fold"
            raise UserMistake(f"needs {FEWEST} finished seeds of the baseline{where}; there are {fewest}")
    made = []
    for run in source:
        others = [other for other in source if other is not run and other.fold == run.fold]
        members = others if arm.made_of == ENSEMBLE else [run]
        identity = _identity(str(arm.made_of), run, members)
        derived = PlannedRun(arm.name, {}, run.seed, run.fold, identity, run.level)
        directory = places.of(derived)
        if not is_done(directory):
            _make(directory, places.of(run), [places.of(member) for member in members], str(arm.made_of), identity)
        made.append(directory)
    return made


def _identity(made_of: str, run: PlannedRun, members: Sequence[PlannedRun]) -> str:
    parts = [made_of, run.identity, sorted(member.identity for member in members)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _make(
    directory: RunDirectory, of: RunDirectory, members: Sequence[RunDirectory], made_of: str, identity: str
) -> None:
    import pandas as pd
    import torch

    from smoothlab.kinds import Classification
    from smoothlab.metrics import classification_metrics
    from smoothlab.scoring.scores import defined

    tables = {split: [_predictions(member, split) for member in members] for split in SPLITS}
    names = [name.removeprefix("prob_") for name in tables["test"][0].columns if name.startswith("prob_")]
    known = {name: number for number, name in enumerate(names)}
    if unknown := {str(label) for of_split in tables.values() for label in of_split[0]["label"]} - set(known):
        raise UserMistake(f"needs predictions whose labels are classes; {min(unknown)!r} is none")
    labels = {split: torch.tensor([known[name] for name in of_split[0]["label"]]) for split, of_split in tables.items()}
    logits = {split: _log_mean(of_split, names) for split, of_split in tables.items()}
    about: dict[str, Any] = {"made_of": made_of, "members": [member.path.name for member in members]}
    if made_of != ENSEMBLE:
        from smoothlab.calibration import Temperature

        temperature = Temperature().fit(logits["val"], labels["val"])
        logits = {split: temperature(raw) for split, raw in logits.items()}
        about |= temperature.summary()
    source = of.read_results()
    make_folders(directory.predictions)
    metrics = {}
    for split in SPLITS:
        table = tables[split][0][["row", "label"]].reset_index(drop=True)
        made = pd.concat([table, Classification().table(logits[split], names)], axis=1)
        path = directory.predictions / f"{split}.parquet"
        write_atomically(path, partial(made.to_parquet, index=False))
        metrics[split] = defined(classification_metrics(logits[split], labels[split], from_logits=True))
    origin = {key: source[key] for key in ("format", "name", "seed", "versions", "machine", "git") if key in source}
    objective = {"name": "val/nll", "mode": "min", "value": metrics["val"]["nll"]}
    shutil.copyfile(of.config, directory.config)
    write_json(directory.results, {**origin, "identity": identity, "objective": objective, "metrics": metrics, **about})
    directory.write_sums()
    write_json(directory.status, {"state": DONE, "identity": identity, "started": now(), "heartbeat": now()})


def _predictions(run: RunDirectory, split: str) -> Any:
    table = read_parquet(run.predictions / f"{split}.parquet").to_pandas()
    if not {"row", "label", "prediction"} <= set(table.columns):
        raise UserMistake("needs predictions of one label a sample")
    return table.sort_values("row", kind="stable").reset_index(drop=True)


def _log_mean(tables: Sequence[Any], names: Sequence[str]) -> Any:
    """The logarithm of the mean probabilities ``(N, K)`` of runs on the same rows."""
    import numpy as np
    import torch

    rows = tables[0]["row"].to_numpy()
    if any(not np.array_equal(rows, table["row"].to_numpy()) for table in tables):
        raise UserMistake("needs runs that share their test data")
    columns = [f"prob_{name}" for name in names]
    if any(not set(columns) <= set(table.columns) for table in tables):
        raise UserMistake("needs runs of the same classes")
    mean = np.mean([table[columns].to_numpy(dtype=np.float64) for table in tables], axis=0)
    return torch.from_numpy(np.log(np.maximum(mean, math.exp(-700.0))))
