"""The tabular presets' nets against boosting and logistic regression: stopped, scaled, on the same rows.

    SMOOTHLAB_DATA_MIRROR=<folder> python benchmarks/rivals.py run [experiment ...] [--seeds 0 1] [--folds 0 1 2 3 4]
    SMOOTHLAB_DATA_MIRROR=<folder> python benchmarks/rivals.py table

Every number comes from a run directory of ``smoothlab train``: the preset with its smoothing, ``model=boosting`` with
two learning rates of which the validation NLL of a fold chooses, and ``model=logistic_regression``. All have a fold's
training, validation and test rows; the validation rows stop the net and the boosting, choose the penalty, and fit each
one's temperature. NLL is of the folds' test predictions pooled, the mean over seeds; the difference is that of scaled
NLLs, paired by fold, with its standard error. CPU seconds are those of a whole ``smoothlab.train`` in this process, one
thread: data, fit, scores; of boosting both learning rates. Results stand below build/rivals, one file a run.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from domains import EXPERIMENTS, FOLDS
from torch.nn import functional

import smoothlab
from smoothlab.calibration import Temperature
from smoothlab.kinds import KINDS

RATES = (0.1, 0.03)
# By the name of a file: the overrides of train.
RUNS = {
    "net": (),
    "logistic_regression": ("model=logistic_regression",),
    **{f"boosting-{rate}": ("model=boosting", f"model.learning_rate={rate}") for rate in RATES},
}
MODELS = ("net", "boosting", "logistic_regression")
PARTS = Path(__file__).resolve().parents[1] / "build" / "rivals"


def run(experiment: str, words: tuple[str, ...], fold: int, seed: int) -> dict[str, Any]:
    """Train on a fold; raw and scaled losses of its test rows."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        trained = smoothlab.train(
            [
                f"experiment={experiment}",
                *("logger=none", "figures=false", "progress=none", f"output_root={folder}"),
                *(f"data.folds={FOLDS}", f"data.fold={fold}", "data.split_seed=0", f"seed={seed}"),
                *words,
            ]
        )
        seconds = time.process_time() - started
        logits, labels = {}, {}
        for split in ("val", "test"):
            table = pd.read_parquet(trained.path / "predictions" / f"{split}.parquet")
            names = [name.removeprefix("prob_") for name in table.columns if name.startswith("prob_")]
            kind = KINDS["classification"]
            logits[split] = kind.logits(torch.tensor(table[[f"prob_{name}" for name in names]].to_numpy(np.float64)))
            labels[split] = kind.labels_of(table, names)
        scaled = Temperature().fit(logits["val"], labels["val"])(logits["test"])
        return {
            "cpu_seconds": round(seconds, 2),
            "val_nll": trained.results["metrics"]["val"]["nll"],
            "raw": functional.cross_entropy(logits["test"], labels["test"], reduction="none").tolist(),
            "scaled": functional.cross_entropy(scaled, labels["test"], reduction="none").tolist(),
            "right": (logits["test"].argmax(1) == labels["test"]).tolist(),
        }


def place(experiment: str, what: str, fold: int, seed: int) -> Path:
    """The file of a run's result."""
    return PARTS / experiment.replace("/", "-") / f"{what}-{seed}-{fold}.json"


def work(experiments: list[str], seeds: list[int], folds: list[int]) -> None:
    """Do every run that has no result yet."""
    for experiment in experiments:
        for seed in seeds:
            for fold in folds:
                for what, words in RUNS.items():
                    path = place(experiment, what, fold, seed)
                    if path.is_file():
                        continue
                    result = run(experiment, words, fold, seed)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(json.dumps(result), encoding="utf-8")
        print(table([experiment]), flush=True)


def of_fold(experiment: str, model: str, fold: int, seed: int) -> dict[str, Any] | None:
    """What a model came to on a fold; of boosting the learning rate of the lower validation NLL; None of no result."""
    files = [place(experiment, what, fold, seed) for what in RUNS if what.split("-")[0] == model]
    if not all(file.is_file() for file in files):
        return None
    parts = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    best: dict[str, Any] = min(parts, key=lambda part: float(part["val_nll"]))
    return best | {"cpu_seconds": sum(part["cpu_seconds"] for part in parts)}


def summary(experiment: str) -> dict[str, Any] | None:
    """Metrics by model over the seeds and folds that all of them have; None where there are no such."""
    pairs = [(seed, fold) for seed in range(100) for fold in range(FOLDS)]
    done: dict[tuple[int, int], dict[str, Any]] = {}
    for seed, fold in pairs:
        parts = {model: of_fold(experiment, model, fold, seed) for model in MODELS}
        if all(part is not None for part in parts.values()):
            done[seed, fold] = parts
    if not done:
        return None
    folds = sorted({fold for _, fold in done})
    found: dict[str, Any] = {"seeds": len({seed for seed, _ in done}), "folds": len(folds)}
    for model in MODELS:
        rows = {
            name: np.concatenate([part[model][name] for part in done.values()]) for name in ("raw", "scaled", "right")
        }
        found[model] = {name: float(values.mean()) for name, values in rows.items()}
        found[model]["cpu_seconds"] = float(np.mean([part[model]["cpu_seconds"] for part in done.values()]))
    differences = [
        np.mean(
            [
                np.mean(part["net"]["scaled"]) - np.mean(part["boosting"]["scaled"])
                for (_, own), part in done.items()
                if own == fold
            ]
        )
        for fold in folds
    ]
    found["difference"] = float(np.mean(differences))
    found["error"] = float(np.std(differences, ddof=1) / len(folds) ** 0.5) if len(folds) > 1 else float("nan")
    return found


def table(experiments: list[str]) -> str:
    """Rows of a Markdown table; those without a result are left out."""
    heads = (
        "experiment, seeds x folds",
        "net: NLL, scaled, accuracy, CPU s",
        "boosting",
        "logistic regression",
        "net - boosting, scaled",
    )
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for experiment in experiments:
        found = summary(experiment)
        if found is None:
            continue
        cells = [f"`{experiment}` {found['seeds']} x {found['folds']}"]
        for model in MODELS:
            own = found[model]
            cells.append(f"{own['raw']:.4f}, {own['scaled']:.4f}, {own['right']:.3f}, {own['cpu_seconds']:.1f}")
        cells.append(f"{found['difference']:+.4f} ± {found['error']:.4f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["run", "table"])
    parser.add_argument("experiments", nargs="*", default=list(EXPERIMENTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in ("pytorch_lightning", "lightning.pytorch", "smoothlab"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    if arguments.verb == "run":
        work(arguments.experiments, arguments.seeds, arguments.folds)
    else:
        print(table(arguments.experiments))


if __name__ == "__main__":
    main()
