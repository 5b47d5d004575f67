"""The tabular presets against boosting and logistic regression, and their smoothings against each other.

    SMOOTHLAB_DATA_MIRROR=<folder> python benchmarks/domains.py run [experiment ...] [--runs preset boosting ...]
    python benchmarks/domains.py write          # benchmarks/results/domains.json and domains.md

Five stratified folds, drawn anew for each of the seeds. A fold's test rows are scored by a run on the others, of which
a fifth are validation rows: they stop the net and the boosting, choose the penalty of the regression and the learning
rate of the boosting, and fit each one's temperature. So all of them have the same training, validation and test rows.
Every number comes from a run directory of ``smoothlab train``. A row's loss is its mean over the seeds; differences are
paired by row, with the standard error over rows. CPU seconds are those of a whole ``smoothlab.train`` in this process
on one thread (data, fit, scores), a mean a fold; of boosting those of both learning rates. Nets of the first seed train
alone, for their seconds, those of the others as one stack (the same weights within rounding, but for nets with dropout,
whose draws differ). Each run's result is a file of its own below build/domains, so that an interruption loses nothing.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

import smoothlab
from smoothlab.calibration import Temperature
from smoothlab.config.compose import compose_config, plain
from smoothlab.kinds import KINDS
from smoothlab.metrics import classification_metrics
from smoothlab.training.stacked.job import StackedRuns

FOLDS, SEEDS = 5, 5
STACK = 50  # nets at most that train as one
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
    "retail/online_shoppers",
    "agriculture/dry_bean",
    "finance/bank_marketing",
    "finance/sentiment",
)
RATES = (0.1, 0.03)
# By the name of a run: the words after the preset's.
RUNS: dict[str, tuple[str, ...]] = {
    "preset": (),
    "logistic_regression": ("model=logistic_regression",),
    **{f"boosting-{rate}": ("model=boosting", f"model.learning_rate={rate}") for rate in RATES},
    "none": ("smoothing=none",),
    "standard": ("smoothing=standard",),
    "auto": ("smoothing=auto",),
}
MODELS = ("preset", "boosting", "logistic_regression")
SMOOTHINGS = ("none", "standard", "auto", "preset")
ROOT = Path(__file__).resolve().parents[1]
PARTS = Path(os.environ.get("SMOOTHLAB_PARTS", ROOT / "build")) / "domains"
RESULTS = ROOT / "benchmarks" / "results"


def words_of(experiment: str, words: tuple[str, ...], fold: int, seed: int) -> list[str]:
    """What a run is asked for, but for its directory."""
    return [
        f"experiment={experiment}",
        *("logger=none", "figures=false", "progress=none"),
        *(f"data.folds={FOLDS}", f"data.fold={fold}", f"data.split_seed={seed}", f"seed={seed}"),
        *words,
    ]


def alone(experiment: str, words: tuple[str, ...], fold: int, seed: int) -> dict[str, Any]:
    """Train on a fold by itself; what it came to, with its CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        trained = smoothlab.train([*words_of(experiment, words, fold, seed), f"output_root={folder}"])
        return result_of(trained.path, time.process_time() - started)


def result_of(path: Path, seconds: float | None) -> dict[str, Any]:
    """The test rows of a run, their log-probabilities, raw and at the temperature of the validation rows."""
    results = json.loads((path / "results.json").read_text(encoding="utf-8"))
    logits, labels, rows = {}, {}, {}
    for split in ("val", "test"):
        table = pd.read_parquet(path / "predictions" / f"{split}.parquet")
        names = [name.removeprefix("prob_") for name in table.columns if name.startswith("prob_")]
        kind = KINDS["classification"]
        logits[split] = kind.logits(torch.tensor(table[[f"prob_{name}" for name in names]].to_numpy(np.float64)))
        labels[split] = kind.labels_of(table, names)
        rows[split] = table["row"].tolist()
    scaled = Temperature().fit(logits["val"], labels["val"])(logits["test"])
    return {
        "cpu_seconds": None if seconds is None else round(seconds, 2),
        "val_nll": results["metrics"]["val"]["nll"],
        "epochs": results["epochs"],
        "rows": rows["test"],
        "labels": labels["test"].tolist(),
        "raw": torch.log_softmax(logits["test"], -1).tolist(),
        "scaled": torch.log_softmax(scaled, -1).tolist(),
    }


def place(experiment: str, what: str, fold: int, seed: int) -> Path:
    """The file of a run's result."""
    return PARTS / experiment.replace("/", "-") / f"{what}-{seed}-{fold}.json"


def keep(result: dict[str, Any], path: Path) -> None:
    """Write a run's result, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps(result), encoding="utf-8")
    part.replace(path)


def together(experiment: str, seeds: list[int], names: list[str], folds: list[int]) -> None:
    """Train the nets of several seeds as one stack, each as it would alone; what does not stack is left."""
    wanted = [
        (name, fold, seed)
        for seed in seeds
        for fold in folds
        for name in names
        if not place(experiment, name, fold, seed).is_file()
    ]
    for start in range(0, len(wanted), STACK):
        with tempfile.TemporaryDirectory() as folder:
            jobs = {}
            for name, fold, seed in wanted[start : start + STACK]:
                values = plain(compose_config("train", words_of(experiment, RUNS[name], fold, seed)))
                jobs[name, fold, seed] = (values | {"engine": "batched"}, f"{folder}/{name}-{fold}-{seed}")
            stacked = StackedRuns(list(jobs.values()))
            stacked.train()
            for (name, fold, seed), (_, directory) in jobs.items():
                if Path(directory, "results.json").is_file():
                    keep(result_of(Path(directory), None), place(experiment, name, fold, seed))


def work(experiments: list[str], seeds: list[int], names: list[str], folds: list[int]) -> None:
    """Do every run without a result: nets of the first seed alone, for their CPU seconds, those of others together."""
    for experiment in experiments:
        nets = [name for name in names if not any(word.startswith("model=") for word in RUNS[name])]
        together(experiment, [seed for seed in seeds if seed], nets, folds)
        for seed, fold in [(seed, fold) for seed in seeds for fold in folds]:
            for name in names:
                path = place(experiment, name, fold, seed)
                if not path.is_file():
                    keep(alone(experiment, RUNS[name], fold, seed), path)
        print(experiment, *names, *seeds, flush=True)


def of_fold(experiment: str, model: str, fold: int, seed: int) -> dict[str, Any] | None:
    """What a model came to on a fold; of boosting the learning rate of the lower validation NLL; None of no result."""
    files = [place(experiment, name, fold, seed) for name in RUNS if name.split("-")[0] == model]
    if not all(file.is_file() for file in files):
        return None
    parts = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    best: dict[str, Any] = min(parts, key=lambda part: float(part["val_nll"]))
    seconds = [part["cpu_seconds"] for part in parts]
    return best | {"cpu_seconds": None if None in seconds else sum(seconds)}


def of_model(experiment: str, model: str) -> dict[str, Any] | None:
    """A model's metrics, means over the seeds whose folds are all done, and each row's losses; None of no such seed."""
    metrics, seconds, val = [], [], []
    losses: dict[int, np.ndarray] = {}
    scaled: dict[int, np.ndarray] = {}
    for seed in range(SEEDS):
        parts = [of_fold(experiment, model, fold, seed) for fold in range(FOLDS)]
        if any(part is None for part in parts):
            continue
        done = [part for part in parts if part is not None]
        logits = torch.cat([torch.tensor(part["raw"], dtype=torch.float64) for part in done])
        cool = torch.cat([torch.tensor(part["scaled"], dtype=torch.float64) for part in done])
        labels = torch.cat([torch.tensor(part["labels"]) for part in done])
        rows = np.concatenate([part["rows"] for part in done])
        order = np.argsort(rows, kind="stable")
        metrics.append(classification_metrics(logits, labels, from_logits=True))
        losses[seed] = functional.cross_entropy(logits, labels, reduction="none").numpy()[order]
        scaled[seed] = functional.cross_entropy(cool, labels, reduction="none").numpy()[order]
        if all(part["cpu_seconds"] is not None for part in done):
            seconds.append(np.mean([part["cpu_seconds"] for part in done]))
        val.append(np.mean([part["val_nll"] for part in done]))
    if not losses:
        return None
    return {
        "seeds": len(losses),
        **{name: float(np.mean([row[name] for row in metrics])) for name in ("accuracy", "nll", "ece")},
        "gap": float(np.mean([row["confidence_gap"] for row in metrics])),
        "scaled": float(np.mean(list(scaled.values()))),
        "val_nll": float(np.mean(val)),
        "cpu_seconds": float(np.mean(seconds)) if seconds else float("nan"),
        "losses": losses,
        "scaled_losses": scaled,
    }


def difference(first: dict[int, np.ndarray], second: dict[int, np.ndarray]) -> dict[str, float]:
    """The mean difference of the losses of rows over the seeds that both have, and its standard error over rows."""
    apart = np.mean([first[seed] - second[seed] for seed in first if seed in second], axis=0)
    return {"difference": float(apart.mean()), "error": float(apart.std(ddof=1) / len(apart) ** 0.5)}


def summary(experiment: str) -> dict[str, Any]:
    """What is known of an experiment: metrics by model, and the preset's scaled losses against each rival's."""
    models = {
        name: summary_of_model for name in (*MODELS, *SMOOTHINGS) if (summary_of_model := of_model(experiment, name))
    }
    about: dict[str, Any] = {
        name: {key: value for key, value in model.items() if not isinstance(value, dict)}
        for name, model in models.items()
    }
    for rival in ("boosting", "logistic_regression"):
        if rival in models and "preset" in models:
            about[f"against_{rival}"] = difference(models["preset"]["scaled_losses"], models[rival]["scaled_losses"])
            about[f"ratio_{rival}"] = models["preset"]["nll"] / min(models[rival]["nll"], models[rival]["scaled"])
    for name in ("standard", "auto", "preset"):
        if name in models and "none" in models:
            about[f"{name}_against_none"] = difference(models[name]["losses"], models["none"]["losses"])
    if "auto" in models and "standard" in models:
        about["auto_against_standard"] = difference(models["auto"]["losses"], models["standard"]["losses"])
    return about


def _shown(summary_of_model: dict[str, float] | None) -> str:
    return (
        "" if summary_of_model is None else f"{summary_of_model['difference']:+.4f} ± {summary_of_model['error']:.4f}"
    )


def _table(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    return "\n".join(
        ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *("| " + " | ".join(row) + " |" for row in rows)]
    )


def table_of_rivals(summaries: dict[str, Any]) -> str:
    """The presets' nets beside boosting and logistic regression, a row an experiment."""
    heads = (
        "experiment",
        "net: NLL, scaled, accuracy, CPU s",
        "boosting",
        "logistic regression",
        "net - boosting, scaled",
        "NLL / boosting's",
    )
    rows = []
    for experiment, of_experiment in summaries.items():
        if "preset" not in of_experiment:
            continue
        cells = [f"`{experiment}` ({of_experiment['preset']['seeds']} x {FOLDS})"]
        for model in MODELS:
            own = of_experiment.get(model)
            cells.append(
                f"{own['nll']:.4f}, {own['scaled']:.4f}, {own['accuracy']:.3f}, {own['cpu_seconds']:.1f}" if own else ""
            )
        ratio = of_experiment.get("ratio_boosting")
        rows.append([*cells, _shown(of_experiment.get("against_boosting")), "" if ratio is None else f"{ratio:.3f}"])
    return _table(heads, rows)


def table_of_smoothings(summaries: dict[str, Any]) -> str:
    """The NLL of each smoothing of the same net, differences paired by row, and CPU seconds of a fold."""
    differences = ("standard - none", "auto - none", "auto - standard", "preset - none")
    heads = ("experiment", *SMOOTHINGS, *differences, "CPU s: none, standard, auto, preset", "seeds")
    rows = []
    for experiment, of_experiment in summaries.items():
        if not all(name in of_experiment for name in SMOOTHINGS):
            continue
        rows.append(
            [
                f"`{experiment}`",
                *(f"{of_experiment[name]['nll']:.4f}" for name in SMOOTHINGS),
                *(
                    _shown(of_experiment.get(key))
                    for key in (
                        "standard_against_none",
                        "auto_against_none",
                        "auto_against_standard",
                        "preset_against_none",
                    )
                ),
                ", ".join(f"{of_experiment[name]['cpu_seconds']:.1f}" for name in SMOOTHINGS),
                str(of_experiment["auto"]["seeds"]),
            ]
        )
    return _table(heads, rows)


def table_of_scores(summaries: dict[str, Any]) -> str:
    """Accuracy, NLL, ECE and confidence gap of every model, as docs/domains.md shows them."""
    heads = ("experiment", "", "accuracy", "NLL", "ECE", "gap", "NLL over temperature", "seeds")
    rows = []
    for experiment, of_experiment in summaries.items():
        for model in ("none", *MODELS):
            if model in of_experiment:
                own = of_experiment[model]
                numbers = [own[name] for name in ("accuracy", "nll", "ece", "gap", "scaled")]
                name = model.replace("_", " ")
                rows.append([f"`{experiment}`", name, *(f"{number:.4f}" for number in numbers), str(own["seeds"])])
    return _table(heads, rows)


def merged(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Of each model what has more seeds, the newer of equals; seconds that were not measured again stay."""
    both = dict(before)
    for name, model in now.items():
        old = before.get(name)
        if not isinstance(model, dict) or not isinstance(old, dict) or "seeds" not in model:
            both[name] = model  # a difference, or the first of its name
        elif model["seeds"] >= old["seeds"]:
            seconds = old["cpu_seconds"] if np.isnan(model["cpu_seconds"]) else model["cpu_seconds"]
            both[name] = model | {"cpu_seconds": seconds}
    return both


def write() -> None:
    """Results as JSON, and the tables between the marks of the page of results and of docs/domains.md.

    What has no run below build/domains, or fewer seeds there, stays as domains.json has it.
    """
    before = json.loads((RESULTS / "domains.json").read_text(encoding="utf-8"))
    summaries = {experiment: merged(before.get(experiment, {}), summary(experiment)) for experiment in EXPERIMENTS}
    text = json.dumps(summaries, indent=1, default=float)
    (RESULTS / "domains.json").write_text(text + "\n", encoding="utf-8")
    tables = {
        "rivals": table_of_rivals(summaries),
        "smoothings": table_of_smoothings(summaries),
        "scores": table_of_scores(summaries),
    }
    for page in (RESULTS / "domains.md", ROOT / "docs" / "domains.md"):
        words = page.read_text(encoding="utf-8")
        for name, table in tables.items():
            begin, end = f"<!-- table of {name} -->\n", f"<!-- end of {name} -->"
            if begin in words:
                head, rest = words.split(begin)
                words = head + begin + table + "\n" + end + rest.split(end, 1)[1]
        page.write_text(words, encoding="utf-8")


def main() -> None:
    """Run, or write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["run", "show", "write"])
    parser.add_argument("experiments", nargs="*", default=list(EXPERIMENTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(SEEDS)))
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)))
    parser.add_argument("--runs", choices=list(RUNS), nargs="+", default=list(RUNS))
    arguments = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    for name in ("pytorch_lightning", "lightning.pytorch", "smoothlab"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    if arguments.verb == "run":
        work(arguments.experiments, arguments.seeds, arguments.runs, arguments.folds)
    elif arguments.verb == "show":
        summaries = {experiment: summary(experiment) for experiment in arguments.experiments}
        print(table_of_rivals(summaries), table_of_smoothings(summaries), sep="\n\n")
    else:
        write()


if __name__ == "__main__":
    main()
