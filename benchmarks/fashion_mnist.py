"""Fashion-MNIST on a CPU: accuracy, calibration and processor time of the preset, with its smoothing and without.

    python benchmarks/fashion_mnist.py [--seeds 0,1,2]

Runs the command as a user does, one process a run, and writes results/fashion_mnist.json and .md. The set is fetched on
demand, or taken from SMOOTHLAB_DATA_MIRROR. Runs are those of own_splits.py, which keeps each one's results.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from own_splits import measured

RESULTS = Path(__file__).resolve().parent / "results"
EXPERIMENT = "retail/fashion_mnist"
CASES = {  # name in the table: name of the run, and what is said on the command line
    "none": ("none", ["smoothing=none"]),
    "hierarchical, 0.05": ("half", ["smoothing.strength.epsilon=0.05"]),
    "hierarchical, 0.1 (the preset)": ("preset", []),
}
METRICS = ("accuracy", "nll", "ece", "confidence_gap", "brier", "mistake_severity", "hierarchical_distance")


def row(results: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a run's results.json."""
    metrics = {name: results["metrics"]["test"][name] for name in METRICS}
    return {
        "seed": results["seed"],
        "cpu_seconds": results["cpu_seconds"],
        "epochs": results["epochs"],
        **metrics,
        "accuracy_interval": results["uncertainty"]["test"]["intervals"]["accuracy"],
        "machine": results["machine"],
        "versions": results["versions"],
    }


def write(rows: dict[str, list[dict[str, Any]]]) -> None:
    """Write both files."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "fashion_mnist.json").write_text(json.dumps(rows, indent=1) + "\n")
    lines = [
        "# Fashion-MNIST on a CPU",
        "",
        "Made by `python benchmarks/fashion_mnist.py`: `smoothlab train experiment=retail/fashion_mnist`, a ConvNet of "
        "94,000 weights, 6 epochs of 54,000 images, shifts and flips; the test images are scored by the epoch that is "
        "best on 6,000 validation images. Processor time is that of the whole command on one thread; means over seeds.",
        "",
        f"| smoothing | seeds | CPU seconds | {' | '.join(METRICS)} |",
        "|---|---|---|" + "---|" * len(METRICS),
    ]
    for name, runs in rows.items():
        values = {key: sum(run[key] for run in runs) / len(runs) for key in ("cpu_seconds", *METRICS)}
        cells = [f"{values['cpu_seconds']:.0f}", *(f"{values[key]:.4f}" for key in METRICS)]
        lines.append(f"| {name} | {len(runs)} | {' | '.join(cells)} |")
    (RESULTS / "fashion_mnist.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0")
    seeds = [int(seed) for seed in parser.parse_args().seeds.split(",")]
    write(
        {
            name: [row(measured(EXPERIMENT, what, words, seed)) for seed in seeds]
            for name, (what, words) in CASES.items()
        }
    )
