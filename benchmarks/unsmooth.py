"""The closed-form correction on the synthetic domains: whose confidence gap does a smoothed model have afterwards?

    python -P benchmarks/unsmooth.py           # about six minutes; writes benchmarks/results/unsmooth.md
    python -P benchmarks/unsmooth.py --seeds 1

For each domain and seed one run without smoothing, and one with epsilon 0.2 and ``calibrator=unsmooth``, which reports
itself before and after. Everything is measured on test.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import subprocess
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

os.environ["WANDB_MODE"] = "disabled"
HERE = Path(__file__).resolve().parent
PRESETS = (
    "medical/synthetic_votes",
    "retail/synthetic_segments",
    "finance/synthetic_market",
    "agriculture/synthetic_grades",
)
PLAIN = ("smoothing=none",)
SMOOTHED = ("smoothing=standard", "smoothing.strength.epsilon=0.2", "calibrator=unsmooth")
METRICS = ("confidence_gap", "ece", "nll", "aurc")


def trained(preset: str, seed: int, words: tuple[str, ...]) -> dict[str, Any]:
    """results.json of a run."""
    from smoothlab.commands import main

    with tempfile.TemporaryDirectory() as folder:
        base = ("logger=none", "progress=none", "figures=false", "threads=1", f"output_root={folder}", f"seed={seed}")
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = main(["train", f"experiment={preset}", *words, *base])
        if code:
            raise SystemExit(output.getvalue())
        (results,) = Path(folder).rglob("results.json")
        read: dict[str, Any] = json.loads(results.read_text())
        return read


def rows_of(preset: str, seeds: int) -> list[tuple[str, dict[str, float]]]:
    """Means over the seeds: without smoothing, smoothed, and corrected."""
    results: dict[str, list[dict[str, float]]] = {"none": [], "epsilon 0.2": [], "epsilon 0.2, unsmooth": []}
    for seed in range(seeds):
        results["none"].append(trained(preset, seed, PLAIN)["metrics"]["test"])
        smoothed = trained(preset, seed, SMOOTHED)
        results["epsilon 0.2"].append(smoothed["before_calibration"]["test"])
        results["epsilon 0.2, unsmooth"].append(smoothed["metrics"]["test"])
    return [
        (name, {key: sum(metrics[key] for metrics in of) / seeds for key in METRICS}) for name, of in results.items()
    ]


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    seeds = parser.parse_args().seeds
    git = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()
    lines = [
        "# Unsmooth on the synthetic domains",
        "",
        f"`python -P benchmarks/unsmooth.py --seeds {seeds}`, {date.today().isoformat()}, commit {commit}, "
        f"{platform.machine()}; test, means over {seeds} seeds.",
        "",
        "| domain | smoothing | confidence gap | ECE | NLL | AURC |",
        "|---|---|---|---|---|---|",
    ]
    for preset in PRESETS:
        for name, row in rows_of(preset, seeds):
            cells = [f"{row['confidence_gap']:+.3f}", *(f"{row[key]:.3f}" for key in METRICS[1:])]
            lines.append(f"| {preset} | {name} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    (HERE / "results" / "unsmooth.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
