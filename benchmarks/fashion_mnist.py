"""Fashion-MNIST on a CPU: accuracy, calibration and processor time of the preset, with its smoothing and without.

    python benchmarks/fashion_mnist.py [--seeds 0,1,2]

Runs the command as a user does, one process a run, and writes results/fashion_mnist.json and .md. The set is fetched on
demand, or taken from SMOOTHLAB_DATA_MIRROR.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
CASES = {
    "none": ["smoothing=none"],
    "hierarchical, 0.05": ["smoothing.strength.epsilon=0.05"],
    "hierarchical, 0.1 (the preset)": [],
}
METRICS = ("accuracy", "nll", "ece", "confidence_gap", "brier", "mistake_severity", "hierarchical_distance")


def measure(words: list[str], seed: int) -> dict[str, Any]:
    """Test metrics of one run, and the processor seconds of its process from start to end, on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "import sys; from smoothlab.commands import main; sys.exit(main())"]
        options = ["train", "experiment=retail/fashion_mnist", "logger=csv", "threads=1", f"seed={seed}"]
        before = os.times()
        subprocess.run([*command, *options, f"output_root={folder}", *words], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        (path,) = Path(folder).rglob("results.json")
        seconds = after.children_user + after.children_system - before.children_user - before.children_system
        return row(json.loads(path.read_text()), seconds)


def row(results: dict[str, Any], cpu_seconds: float) -> dict[str, Any]:
    """What is kept of a run's results.json."""
    metrics = {name: results["metrics"]["test"][name] for name in METRICS}
    return {
        "seed": results["seed"],
        "cpu_seconds": round(cpu_seconds, 1),
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
    seeds = [int(one) for one in parser.parse_args().seeds.split(",")]
    write({name: [measure(words, seed) for seed in seeds] for name, words in CASES.items()})
