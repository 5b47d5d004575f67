"""Nets for tables: scaling of numbers and their embeddings, side by side on the tabular presets, by validation NLL.

    SMOOTHLAB_DATA_MIRROR=<folder> python benchmarks/nets.py run [experiment ...] [--folds 0 1 2] [--variants mlp ...]
    python benchmarks/nets.py table [--variants mlp ...]

Each variant changes a preset's configuration by a few words and nothing else: same rows, folds, seeds, smoothing,
epochs and early stopping as benchmarks/domains.py has them. Variants are ranked on each preset by the mean over folds
of the best epoch's val/nll, which is what a choice may look at; test NLL stands beside it. A run's result is a file of
its own below build/nets, so that an interruption loses nothing.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from typing import Any

import numpy as np
from domains import EXPERIMENTS, ROOT
from domains import alone as run_fold
from scipy.stats import rankdata

PIECES, WAVES = "++net.numbers=piecewise_linear", "++net.numbers=periodic"
VARIANTS: dict[str, list[str]] = {
    "mlp": ["data.scaling=standard", "++net.numbers=plain"],
    "mlp, robust": ["data.scaling=robust", "++net.numbers=plain"],
    "mlp, quantile": ["data.scaling=quantile", "++net.numbers=plain"],
    "piecewise linear": ["data.scaling=standard", PIECES],
    "piecewise linear, robust": ["data.scaling=robust", PIECES],
    "piecewise linear, quantile": ["data.scaling=quantile", PIECES],
    "periodic": ["data.scaling=standard", WAVES],
    "periodic, quantile": ["data.scaling=quantile", WAVES],
}
NO_NUMBERS = ("finance/sentiment",)  # words alone
PARTS = ROOT / "build" / "nets"


def run(experiments: list[str], folds: list[int], variants: list[str], smoothing: str) -> None:
    """Train what has no result yet."""
    PARTS.mkdir(parents=True, exist_ok=True)
    for experiment in experiments:
        for fold in folds:
            for variant in variants:
                name = f"{experiment}_{variant}_{smoothing}_{fold}".replace("/", "-").replace(" ", "-")
                path = PARTS / f"{name}.json"
                if path.is_file():
                    continue
                started = time.process_time()
                words = [*VARIANTS[variant], *([] if smoothing == "preset" else [f"smoothing={smoothing}"])]
                result = run_fold(experiment, tuple(words), fold, fold)
                log_p, labels = np.array(result["raw"]), np.array(result["labels"])
                about: dict[str, Any] = {
                    "experiment": experiment,
                    "variant": variant,
                    "smoothing": smoothing,
                    "fold": fold,
                    "val_nll": result["val_nll"],
                    "test_nll": float(-log_p[np.arange(len(labels)), labels].mean()),
                    "epochs": result["epochs"],
                    "cpu_seconds": round(time.process_time() - started, 2),
                }
                path.write_text(json.dumps(about))
                print(json.dumps(about), flush=True)


def table(smoothing: str, variants: list[str]) -> str:
    """Markdown: a row a preset that has all variants, `val / test` NLL of each; then mean ranks and CPU seconds."""
    results = [json.loads(path.read_text()) for path in sorted(PARTS.glob("*.json"))]
    results = [result for result in results if result["smoothing"] == smoothing]
    names = [name for name in variants if any(result["variant"] == name for result in results)]
    lines = [f"| preset | folds | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    ranks, test_ranks, seconds = [], [], []
    for experiment in EXPERIMENTS:
        of_folds = {
            name: {r["fold"]: r for r in results if (r["experiment"], r["variant"]) == (experiment, name)}
            for name in names
        }
        folds = sorted(set.intersection(*(set(runs) for runs in of_folds.values()))) if of_folds else []
        if not folds:
            continue

        def mean(name: str, key: str, runs: Any = of_folds, chosen: Any = folds) -> float:
            return float(np.mean([runs[name][fold][key] for fold in chosen]))

        validated = [mean(name, "val_nll") for name in names]
        ranks.append(rankdata(validated))
        test_ranks.append(rankdata([mean(name, "test_nll") for name in names]))
        seconds.append([mean(name, "cpu_seconds") for name in names])
        cells = [f"{value:.4f} / {mean(name, 'test_nll'):.4f}" for name, value in zip(names, validated, strict=True)]
        lines.append(f"| `{experiment}` | {len(folds)} | {' | '.join(cells)} |")
    below = {"mean rank by validation NLL": ranks, "mean rank by test NLL": test_ranks, "CPU seconds a run": seconds}
    for title, rows in below.items():
        lines.append(f"| {title} | | {' | '.join(f'{value:.2f}' for value in np.mean(rows, axis=0))} |")
    return "\n".join(lines)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "table"])
    parser.add_argument("experiments", nargs="*", metavar="experiment")
    parser.add_argument("--folds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=[*VARIANTS], default=[*VARIANTS])
    parser.add_argument("--smoothing", default="preset")
    chosen = parser.parse_args()
    if chosen.command == "table":
        print(table(chosen.smoothing, chosen.variants))
        return
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    experiments = chosen.experiments or [name for name in EXPERIMENTS if name not in NO_NUMBERS]
    run(experiments, chosen.folds, chosen.variants, chosen.smoothing)


if __name__ == "__main__":
    main()
