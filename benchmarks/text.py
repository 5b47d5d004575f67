"""Text nets against TF-IDF with logistic regression, on the same five folds: phrasebank, PriceRunner, its tags.

    SMOOTHLAB_DATA_MIRROR=... python benchmarks/text.py     # writes benchmarks/results/text.json and text.md
    python benchmarks/text.py --folds 0 --nets embedding_bag --cache FOLDER   # some of it; FOLDER keeps what was run
    python benchmarks/text.py --folds --cache FOLDER        # the figures of what FOLDER has

Each net is trained by the command line's own code, with the experiment's config. The logistic regression sees the
training and the validation rows of each fold, the nets the training rows alone, since they need the others to stop.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.metrics import classification_metrics, multilabel_metrics
from smoothlab.rundir.directory import RunDirectory
from smoothlab.training.preparing import prepare
from smoothlab.training.train import train

HERE = Path(__file__).resolve().parent
FOLDS = range(5)
SETS = {
    "phrasebank": "finance/sentiment_text",
    "pricerunner": "retail/products",
    "pricerunner tags": "retail/tags",
}
NETS = {
    "embedding_bag": [],
    "text_transformer": ["net=text_transformer", "net.blocks=1", "optimizer.lr=0.002", "trainer.max_epochs=8"],
}
SHOWN = ("nll", "accuracy", "ece", "confidence_gap")
# What ../shared/data/index.json states: stratified five-fold; PriceRunner's folds may share products.
STATED = {"phrasebank": {"nll": 0.5451, "accuracy": 0.779}, "pricerunner": {"nll": 0.1281, "accuracy": 0.9616}}


def config_of(experiment: str, fold: int, words: list[str]) -> dict[str, Any]:
    """The config of one training; the split's seed is the same for all folds."""
    fixed = ["logger=none", "progress=none", "threads=1", "seed=0", f"data.fold={fold}"]
    return plain(compose_config("train", [f"experiment={experiment}", *words, *fixed]))


def of_net(experiment: str, fold: int, words: list[str]) -> dict[str, float]:
    """Test metrics of one training, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        prepared = prepare(config_of(experiment, fold, words))
        run = RunDirectory(Path(folder) / "run")
        run.path.mkdir()
        results = train(prepared, run)
        return {**results["metrics"]["test"], "seconds": time.monotonic() - started, "epochs": results["epochs"]}


def of_regression(experiment: str, fold: int) -> dict[str, float]:
    """Test metrics of a logistic regression on TF-IDF of words and pairs; C = 1, 3 or 10 by validation, 3 for tags."""
    data = build(config_of(experiment, fold, [])["data"], "data")
    data.setup()
    texts = data.understand().frame[data.text].to_numpy()
    parts = {name: data.split(name) for name in ("train", "val", "test")}
    numbers = {int(row): place for place, row in enumerate(data.understand().numbers)}
    words = {name: texts[[numbers[int(row)] for row in part.rows]] for name, part in parts.items()}
    several = parts["train"].labels.ndim == 2

    def logits(learn: tuple[str, ...], ask: str, cost: float) -> torch.Tensor:
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
        features = vectorizer.fit_transform(np.concatenate([words[name] for name in learn]))
        labels = np.concatenate([parts[name].labels.numpy() for name in learn])
        asked = vectorizer.transform(words[ask])
        if not several:
            made = LogisticRegression(C=cost, max_iter=500).fit(features, labels)
            return torch.from_numpy(made.predict_log_proba(asked))
        columns = [LogisticRegression(C=cost, solver="liblinear").fit(features, column) for column in labels.T]
        return torch.from_numpy(np.stack([column.decision_function(asked) for column in columns], axis=1))

    def metrics(scores: torch.Tensor, name: str) -> dict[str, float]:
        judge = multilabel_metrics if several else classification_metrics
        return judge(scores.float(), parts[name].labels, from_logits=True, num_bins=15)

    best = 3.0
    if not several:
        best = min((1.0, 3.0, 10.0), key=lambda cost: metrics(logits(("train",), "val", cost), "val")["nll"])
    return {**metrics(logits(("train", "val"), "test", best), "test"), "C": best}


def arms(name: str, experiment: str, nets: list[str]) -> dict[str, Any]:
    """What is compared on a set: a function of the fold each."""
    none = "smoothing=none" if name != "pricerunner tags" else "smoothing.strength.epsilon=0"
    made: dict[str, Any] = {}
    for net in nets:
        made[f"{net}, no smoothing"] = lambda fold, net=net: of_net(experiment, fold, [*NETS[net], none])
        made[f"{net}, the preset's smoothing"] = lambda fold, net=net: of_net(experiment, fold, NETS[net])
    made["TF-IDF, logistic regression"] = lambda fold: of_regression(experiment, fold)
    return made


def report(results: dict[str, dict[str, dict[str, dict[str, float]]]]) -> str:
    """The figures as Markdown."""
    lines = [
        "# Text nets\n",
        "Test metrics, mean ± standard deviation over as many folds of five as are said; made by `benchmarks/text.py` "
        f"on {platform.machine()}, {os.cpu_count()} cores shared with other work, torch {torch.__version__}, 1 thread.",
        "All arms of a set have the same folds; products of PriceRunner stay together. The logistic regression learns",
        "from the validation rows too; the nets need them to stop.",
    ]
    for name, rows in results.items():
        lines += ["", f"## {name} (`experiment={SETS[name]}`)", ""]
        lines += [f"| arm | folds | {' | '.join(SHOWN)} | seconds |", f"|---|---|{'---|' * len(SHOWN)}---|"]
        for arm, folds in rows.items():
            cells = []
            for metric in SHOWN:
                values = [of_fold[metric] for of_fold in folds.values()]
                spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
                cells.append(f"{statistics.mean(values):.4f}{spread}")
            seconds = [of_fold["seconds"] for of_fold in folds.values() if "seconds" in of_fold]
            took = f"{statistics.mean(seconds):.0f}" if seconds else ""
            lines.append(f"| {arm} | {len(folds)} | {' | '.join(cells)} | {took} |")
        if name in STATED:
            stated = ", ".join(f"{metric} {value}" for metric, value in STATED[name].items())
            lines += [
                "",
                f"Stated baseline of the shared index (TF-IDF, logistic regression, its own folds): {stated}.",
            ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what is missing, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, nargs="*", default=list(FOLDS))
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--nets", nargs="*", default=list(NETS), choices=list(NETS))
    parser.add_argument("--cache", type=Path, help="a folder that keeps each training's metrics")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    results: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for name, experiment in SETS.items():
        for arm, run in arms(name, experiment, list(NETS)).items():
            chosen = name in options.sets and (arm.startswith("TF-IDF") or arm.split(",")[0] in options.nets)
            for fold in FOLDS:
                file = options.cache / f"{name} {arm} {fold}.json" if options.cache else None
                if file is not None and file.is_file():
                    result = json.loads(file.read_text())
                elif chosen and fold in options.folds:
                    result = run(fold)
                    if file is not None:
                        file.parent.mkdir(parents=True, exist_ok=True)
                        file.write_text(json.dumps(result))
                else:
                    continue
                results.setdefault(name, {}).setdefault(arm, {})[str(fold)] = result
                print(name, arm, fold, {metric: round(result[metric], 4) for metric in SHOWN}, flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "text.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.out / "text.md").write_text(report(results))


if __name__ == "__main__":
    main()
