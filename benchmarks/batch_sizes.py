"""What the size of a training batch costs and changes: test NLL and accuracy beside the constant size, by seed.

    python benchmarks/batch_sizes.py run [case ...]     trains, and keeps each run's figures in results/batch_sizes.json
    python benchmarks/batch_sizes.py show               the tables of results/batch_sizes.md out of that file

A case is a table of the registry with more training rows than ``data.batch_size=auto`` leaves at 32, or nearly, as
`data=<table>` with everything else by default, or the preset that is made for it. Runs of a case differ in seed, which
also draws the split, the weights and the order, in the size of their batches, and in the learning rate: as it is, or
times the root of ``size / the constant size``. Differences are paired by seed: mean and standard error.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "batch_sizes.json"
USUAL = ("logger=csv", "progress=none", "figures=false", "task.slices=null")
QUICK = ("experiment=medical", "smoothing=none", "trainer.max_epochs=50")
SIZES = (32, 64, 128, 256, 512, 1024)
# Words of a case, and the constant size that it has without auto.
CASES: dict[str, tuple[tuple[str, ...], int]] = {
    "wine_quality": (("data=wine_quality", *QUICK), 32),
    "online_shoppers": (("data=online_shoppers", *QUICK), 32),
    "dry_bean": (("data=dry_bean", *QUICK), 32),
    "bank_marketing": (("data=bank_marketing", *QUICK), 32),
    "dry_bean, auto": (("data=dry_bean", *QUICK, "smoothing=auto"), 32),
    "experiment=agriculture/wine_quality": (("experiment=agriculture/wine_quality",), 64),
    "experiment=agriculture/dry_bean": (("experiment=agriculture/dry_bean",), 128),
    "experiment=retail/online_shoppers": (("experiment=retail/online_shoppers",), 128),
    "experiment=finance/bank_marketing": (("experiment=finance/bank_marketing",), 256),
    "experiment=finance/sentiment": (("experiment=finance/sentiment",), 32),
    "experiment=retail/product_titles": (("experiment=retail/product_titles",), 256),
}


def config_of(words: Sequence[str]) -> dict[str, Any]:
    """The resolved config of a run that may train in a stack."""
    from smoothlab.config.compose import compose_config, plain

    return {**plain(compose_config("train", [*words, *USUAL])), "engine": "batched"}


def measured(name: str, sizes: Sequence[int], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """A case's runs: size, factor of the learning rate, seed, and what came of it."""
    import torch

    from smoothlab.config.opening import open_data
    from smoothlab.training.stacked.job import run_stacked

    torch.set_num_threads(1)
    words, constant = CASES[name]
    samples = open_data(config_of(words)).num_samples
    rows = []
    for size in sizes:
        jobs: list[tuple[dict[str, Any], str]] = []
        about: list[dict[str, Any]] = []
        with tempfile.TemporaryDirectory() as folder:
            for factor in sorted({1.0, math.sqrt(size / constant)}):
                for seed in seeds:
                    values = config_of([*words, f"seed={seed}", f"data.batch_size={size}"])
                    values["optimizer"]["lr"] *= factor
                    jobs.append((values, f"{folder}/{len(jobs)}"))
                    about.append({"case": name, "samples": samples, "size": size, "factor": factor, "seed": seed})
            started = time.process_time()
            run_stacked(jobs)
            used = (time.process_time() - started) / len(jobs)
            for (_, directory), row in zip(jobs, about, strict=True):
                results = json.loads(Path(directory, "results.json").read_text())
                of_test = results["metrics"]["test"]
                scores = {key: of_test[key] for key in ("nll", "accuracy", "ece") if key in of_test}
                ran = {key: results[key] for key in ("best_epoch", "epochs", "steps")}
                rows.append({**row, **scores, **ran, "cpu_seconds": round(used, 3)})
        shown = statistics.mean(row["nll"] for row in rows if row["size"] == size)
        print(f"{name}, batches of {size}: test NLL {shown:.4f}, {used:.2f} CPU s a run", file=sys.stderr, flush=True)
    return rows


def run(names: Sequence[str], seeds: Sequence[int], sizes: Sequence[int]) -> None:
    """Measure cases, and put their rows in the place of those of the same runs."""
    for name in names or CASES:
        fresh = measured(name, sizes, seeds)
        measured_rows = json.loads(RESULTS.read_text()) if RESULTS.is_file() else []
        new = {_key(row) for row in fresh}
        measured_rows = [row for row in measured_rows if _key(row) not in new] + fresh
        RESULTS.write_text("[\n" + ",\n".join(json.dumps(row) for row in measured_rows) + "\n]\n")


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["case"], row["size"], round(row["factor"], 4), row["seed"]


COLUMNS = (
    "batch",
    "steps an epoch",
    "learning rate",
    "NLL",
    "NLL - constant",
    "accuracy, points",
    "epochs",
    "CPU s a run",
)


def show() -> None:
    """Print a table a case: differences to the constant size, paired by seed."""
    rows = json.loads(RESULTS.read_text())
    for name, (words, constant) in CASES.items():
        of_case = [row for row in rows if row["case"] == name]
        base = {row["seed"]: row for row in of_case if row["size"] == constant and row["factor"] == 1}
        if not base:
            continue
        print(f"\n### {name}: {of_case[0]['samples']:,} training rows, `{' '.join(words)}`\n")
        print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        for size, factor in sorted({(row["size"], row["factor"]) for row in of_case}):
            own = [row for row in of_case if (row["size"], row["factor"]) == (size, factor) and row["seed"] in base]
            mean = {key: statistics.mean(row[key] for row in own) for key in ("nll", "epochs", "cpu_seconds")}
            cells = [f"{size}", f"{-(-own[0]['samples'] // size)}", f"x {factor:.2f}", f"{mean['nll']:.4f}"]
            if size == constant and factor == 1:
                cells += ["constant", ""]
            else:
                pairs = [(row, base[row["seed"]]) for row in own]
                cells.append(_paired([row["nll"] - other["nll"] for row, other in pairs], 4))
                right = [100 * (row["accuracy"] - other["accuracy"]) for row, other in pairs if "accuracy" in row]
                cells.append(_paired(right, 2) if right else "")
            cells += [f"{mean['epochs']:.0f}", f"{mean['cpu_seconds']:.1f}"]
            print(f"| {' | '.join(cells)} |")


def _paired(differences: Sequence[float], digits: int) -> str:
    error = statistics.stdev(differences) / math.sqrt(len(differences)) if len(differences) > 1 else math.nan
    return f"{statistics.mean(differences):+.{digits}f} ± {error:.{digits}f}"


def main() -> None:
    """Measure, or show what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["run", "show"])
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    options = parser.parse_args()
    if options.what == "show":
        show()
    else:
        seeds, sizes = ([int(number) for number in text.split(",")] for text in (options.seeds, options.sizes))
        run(options.cases, seeds, sizes)


if __name__ == "__main__":
    main()
