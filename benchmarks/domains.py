"""The tabular presets against logistic regression and boosting, on the same folds.

    SMOOTHLAB_DATA_MIRROR=<folder> python benchmarks/domains.py run [experiment ...] [--seeds 0 1] [--smoothings none]
    SMOOTHLAB_DATA_MIRROR=<folder> python benchmarks/domains.py table

Five stratified folds, always the same ones; a fold's test rows are scored by a run on the others, of which a fifth are
validation rows (the best epoch by val/nll). Logistic regression is fitted on all rows of the others: columns
standardised, categories one-hot, medians for missing values, C = 1. Metrics are of the five folds' predictions pooled;
the difference of NLL is paired by fold, with its standard error. Boosting's numbers are those of the index beside the
public files (scikit-learn's HistGradientBoosting with its defaults, the same folds where no rows were left out).
Each run's result is a file of its own below build/domains, so that an interruption loses nothing.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import EarlyStopping

from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.data.module import DataModule
from smoothlab.data.registry import find_set
from smoothlab.metrics import classification_metrics
from smoothlab.training.devices import make_trainer
from smoothlab.training.preparing import prepare
from smoothlab.training.threads import cpu_threads

FOLDS = 5
# Experiments by the work that they make; sets with a split of their own (time, product, the authors') are left out.
EXPERIMENTS = (
    "agriculture/wine_cultivars",
    "agriculture/wheat_seeds",
    "medical",
    "medical/breast_cancer",
    "medical/dermatology",
    "medical/diabetes",
    "finance/german_credit",
    "medical/fetal_health",
    "agriculture/crop_recommendation",
    "agriculture/wine_quality",
    "finance/sentiment",
    "retail/online_shoppers",
    "agriculture/dry_bean",
    "finance/bank_marketing",
)
SHOWN = ("accuracy", "nll", "ece", "confidence_gap")
ROOT = Path(__file__).resolve().parents[1]
PARTS = ROOT / "build" / "domains"


class Best(Callback):
    """Keep the weights of the epoch with the least val/nll."""

    def __init__(self) -> None:
        self.least = float("inf")
        self.weights: dict[str, Any] = {}

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Look at the metric."""
        value = float(trainer.callback_metrics["val/nll"])
        if value < self.least:
            self.least, self.weights = value, copy.deepcopy(pl_module.state_dict())


def run_fold(experiment: str, smoothing: str, fold: int, seed: int, extra: list[str]) -> dict[str, Any]:
    """Train on four folds with the preset's configuration and score the fifth."""
    words = [f"experiment={experiment}", "logger=none", f"data.fold={fold}", "data.split_seed=0", f"seed={seed}"]
    if smoothing != "preset":
        words.append(f"smoothing={smoothing}")
    started = time.monotonic()
    config = compose_config("train", [*words, *extra])
    prepared = prepare(plain(config))
    best = Best()
    stopping = [one for one in prepared.callbacks if isinstance(one, EarlyStopping)]
    options: dict[str, Any] = {"callbacks": [*stopping, best], "logger": False, "enable_checkpointing": False}
    trainer = make_trainer(prepared.config, prepared.allowed, **options)
    with cpu_threads("auto", prepared.task, prepared.data.batch_size):
        trainer.fit(prepared.task, datamodule=prepared.data)
    prepared.task.load_state_dict(best.weights)
    logits, labels = predictions(prepared.task, prepared.data, "test")
    return {
        "val_nll": best.least,
        "epochs": trainer.current_epoch,
        "seconds": round(time.monotonic() - started, 2),
        "log_probabilities": torch.log_softmax(logits.double(), -1).tolist(),
        "labels": labels.tolist(),
    }


def predictions(task: Any, data: DataModule, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels of a split."""
    task.eval()
    with torch.no_grad():
        batches = [(task.net(batch.features), batch.labels) for batch in data.loader(split)]
    return torch.cat([one for one, _ in batches]), torch.cat([two for _, two in batches])


def run_regression(experiment: str, fold: int) -> dict[str, Any]:
    """Logistic regression on the same fold."""
    from sklearn.compose import ColumnTransformer
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    config = plain(compose_config("train", [f"experiment={experiment}", f"data.fold={fold}", "data.split_seed=0"]))
    data = build(config["data"], "data")
    data.setup()
    table = data.understand()
    frame, labels = table.frame, table.labels.values
    rows = np.concatenate([table.rows["train"], table.rows["val"]])
    kinds = {column.name: column.kind for column in data.columns if column.role == "feature"}
    steps: list[Any] = []
    numbers = [name for name, kind in kinds.items() if kind in ("numeric", "boolean")]
    words = [name for name, kind in kinds.items() if kind == "categorical"]
    if numbers:
        frame[numbers] = frame[numbers].astype(float)
        steps.append(("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers))
    if words:
        frame[words] = frame[words].astype(str)
        steps.append(("words", OneHotEncoder(handle_unknown="ignore"), words))
    for name, kind in kinds.items():
        if kind == "text":
            steps.append((name, TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, 2)), name))
    model = make_pipeline(ColumnTransformer(steps), LogisticRegression(max_iter=2000))
    started = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(frame.iloc[rows], labels[rows])
    test = table.rows["test"]
    found = np.full((len(test), len(table.labels.names)), 1e-12)
    found[:, model.classes_] = model.predict_proba(frame.iloc[test]).clip(1e-12)
    return {
        "seconds": round(time.monotonic() - started, 2),
        "log_probabilities": np.log(found).tolist(),
        "labels": labels[test].tolist(),
    }


def place(experiment: str, what: str, fold: int, seed: int) -> Path:
    """The file of a run's result."""
    return PARTS / experiment.replace("/", "-") / f"{what}-{seed}-{fold}.json"


def work(experiments: list[str], seeds: list[int], smoothings: list[str]) -> None:
    """Do every run that has no result yet."""
    for experiment in experiments:
        jobs = [("regression", fold, 0) for fold in range(FOLDS)]
        jobs += [(one, fold, seed) for seed in seeds for one in smoothings for fold in range(FOLDS)]
        for what, fold, seed in jobs:
            path = place(experiment, what, fold, seed)
            if path.is_file():
                continue
            if what == "regression":
                result = run_regression(experiment, fold)
            else:
                result = run_fold(experiment, what, fold, seed, [])
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(result), encoding="utf-8")
            part.replace(path)
        print(line(experiment), flush=True)


def pooled(experiment: str, what: str, seed: int) -> tuple[dict[str, float], np.ndarray] | None:
    """Metrics of all folds' predictions, and each fold's NLL; None where a fold has no result."""
    files = [place(experiment, what, fold, seed) for fold in range(FOLDS)]
    if not all(file.is_file() for file in files):
        return None
    parts = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    logits = [torch.tensor(part["log_probabilities"], dtype=torch.float64) for part in parts]
    labels = [torch.tensor(part["labels"]) for part in parts]
    metrics = classification_metrics(torch.cat(logits), torch.cat(labels), from_logits=True)
    nll = [float(torch.nn.functional.nll_loss(one, two)) for one, two in zip(logits, labels, strict=True)]
    return {name: float(metrics[name]) for name in SHOWN}, np.array(nll)


def summary(experiment: str) -> dict[str, Any]:
    """What is known of an experiment: metrics by what was run, and differences of NLL to logistic regression."""
    found: dict[str, Any] = {}
    regression = pooled(experiment, "regression", 0)
    if regression is not None:
        found["regression"] = regression[0]
    for what in ("none", "preset"):
        runs = [run for seed in range(100) if (run := pooled(experiment, what, seed)) is not None]
        if not runs:
            continue
        found[what] = {name: float(np.mean([run[0][name] for run in runs])) for name in SHOWN}
        found[what]["seeds"] = len(runs)
        found[what]["nll_deviation"] = float(np.std([run[0]["nll"] for run in runs], ddof=1)) if len(runs) > 1 else None
        if regression is not None:  # a fold's NLL is the mean over the seeds
            difference = np.mean([run[1] for run in runs], axis=0) - regression[1]
            found[what]["difference"] = float(difference.mean())
            found[what]["error"] = float(difference.std(ddof=1) / FOLDS**0.5)
    config = compose_config("train", [f"experiment={experiment}"])
    found["smoothing"] = str(config.smoothing.strength._target_).rsplit(".", 1)[-1]
    name = config.data.source.get("name") or {"breast_cancer": "breast_cancer", "wine_cultivars": "wine_cultivars"}.get(
        str(config.data.source._target_).rsplit(".", 1)[-1]
    )
    found["set"] = name
    found["boosting"] = boosting(str(name))
    return found


def boosting(name: str) -> dict[str, float] | None:
    """The index's numbers of boosting on this set, where the mirror has an index."""
    index = Path(os.environ.get("SMOOTHLAB_DATA_MIRROR", "")) / "index.json"
    if not index.is_file():
        return None
    folder = find_set(name).folder
    for one in json.loads(index.read_text(encoding="utf-8"))["sets"]:
        if one["files"][0]["file"].startswith(folder + "/"):
            rows = [row["hgb"] for key, row in one["baselines"].items() if "hgb" in row and "leaky" not in key]
            return {"accuracy": rows[0]["acc"], "nll": rows[0]["nll"], "ece": rows[0]["ece15"]} if rows else None
    return None


def line(experiment: str) -> str:
    """An experiment's numbers in one line, for the console."""
    found = summary(experiment)
    words = [f"{experiment:<32}"]
    for what in ("regression", "none", "preset", "boosting"):
        one = found.get(what)
        if one:
            words.append(f"{what} {one['accuracy']:.4f} {one['nll']:.4f} {one['ece']:.4f}")
            if "difference" in one:
                words.append(f"({one['difference']:+.4f} se {one['error']:.4f}, {one['seeds']} seeds)")
    return "  ".join(words)


def table(experiments: list[str]) -> str:
    """The table of docs/domains.md."""
    rows = []
    for experiment in experiments:
        found = summary(experiment)
        name = f"`{experiment}`"
        for what in ("none", "preset", "regression", "boosting"):
            one = found.get(what)
            if not one:
                continue
            shown = [f"{one[name]:.4f}" if name in one else "" for name in SHOWN]
            difference = f"{one['difference']:+.4f} ± {one['error']:.4f}" if "difference" in one else ""
            rows.append([name, what, *shown, difference, str(one.get("seeds", ""))])
    frame = pd.DataFrame(
        rows, columns=["experiment", "", "accuracy", "NLL", "ECE", "gap", "NLL - regression's", "seeds"]
    )
    heads = "| " + " | ".join(frame.columns) + " |\n|" + "---|" * len(frame.columns)
    return "\n".join([heads, *("| " + " | ".join(row) + " |" for row in rows)])


def main() -> None:
    """Run, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["run", "table"])
    parser.add_argument("experiments", nargs="*", default=list(EXPERIMENTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--smoothings", nargs="+", default=["none", "preset"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in ("pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    if arguments.verb == "run":
        work(arguments.experiments, arguments.seeds, arguments.smoothings)
    else:
        print(table(arguments.experiments))


if __name__ == "__main__":
    main()
