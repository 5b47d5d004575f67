"""The presets that have a split of their own, with their smoothing and without: those that domains.py leaves out.

    SMOOTHLAB_DATA_MIRROR=<folder> python benchmarks/own_splits.py run [experiment ...] [--seeds 0 1 2 3 4]
    SMOOTHLAB_DATA_MIRROR=<folder> python benchmarks/own_splits.py table

Splits by time, by product or of the authors, texts read as subwords, and synthetic worlds. Each run is the command of a
user in a process of its own, on one thread; the test split is scored by the epoch that is best on validation. Without
smoothing is smoothing=none, or for several labels a sample, where the task needs a smoother of labels, an epsilon of 0.
The seed draws weights and batches, and the split where the data have none.
Each run's results.json is kept below build/own_splits, so that an interruption loses nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from smoothlab.config.compose import compose_config

# From the cheapest to the dearest. retail and finance are synthetic_segments and synthetic_market; medical/images and
# agriculture/leaves have no data of their own, and agriculture is a set with five folds.
KINDS = {
    "One label a sample": (
        "finance/market_direction",
        "finance/sentiment_text",
        "retail/product_titles",
        "retail/products",
        "retail/fashion_mnist",
    ),
    "Several labels a sample": ("medical/xray_codes", "retail/product_tags", "retail/tags"),
    "Synthetic worlds": ("finance", "retail", "medical/synthetic_votes", "agriculture/synthetic_grades"),
}
EXPERIMENTS = (
    *KINDS["Synthetic worlds"],
    *KINDS["One label a sample"][:-1],
    *KINDS["Several labels a sample"],
    "retail/fashion_mnist",
)
SHOWN = ("accuracy", "nll", "ece", "confidence_gap")
FURTHER = {
    "Several labels a sample": ("macro_map", "micro_map"),
    "Synthetic worlds": ("excess_nll", "true_calibration_error"),
}
HEADS = {
    "nll": "NLL",
    "ece": "ECE",
    "confidence_gap": "gap",
    "macro_map": "mAP, macro",
    "micro_map": "mAP, micro",
    "excess_nll": "excess NLL",
    "true_calibration_error": "true calibration error",
}
PARTS = Path(__file__).resolve().parents[1] / "build" / "own_splits"


def words_of(experiment: str, smoothing: str) -> list[str]:
    """What is said on the command line for "none" or "preset"."""
    if smoothing == "preset":
        return []
    return ["smoothing.strength.epsilon=0" if experiment in KINDS["Several labels a sample"] else "smoothing=none"]


def place(experiment: str, what: str, seed: int) -> Path:
    """The file of a run's results."""
    return PARTS / experiment.replace("/", "-") / f"{what}-{seed}.json"


def measured(experiment: str, what: str, words: list[str], seed: int) -> dict[str, Any]:
    """A run's results.json with the processor seconds of its process, as it was kept, or else of a run now.

    Args:
        experiment: the preset.
        what: names the run beside others of the experiment.
        words: of the command line, beside experiment and seed.
        seed: of the run.

    Raises:
        subprocess.CalledProcessError: the command failed.
    """
    path = place(experiment, what, seed)
    if path.is_file():
        saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return saved
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "import sys; from smoothlab.commands import main; sys.exit(main())"]
        options = ["train", f"experiment={experiment}", "logger=none", "threads=1", f"seed={seed}"]
        before = os.times()
        subprocess.run(
            [*command, *options, f"output_root={folder}", *words],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        after = os.times()
        (file,) = Path(folder).rglob("results.json")
        results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    results["cpu_seconds"] = round(seconds, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps(results, indent=1), encoding="utf-8")
    part.replace(path)
    return results


def work(experiments: list[str], seeds: list[int]) -> None:
    """Do every run that has no result yet."""
    for experiment in experiments:
        for seed in seeds:
            for what in ("none", "preset"):
                results = measured(experiment, what, words_of(experiment, what), seed)
                test = results["metrics"]["test"]
                numbers = " ".join(f"{name} {test[name]:.4f}" for name in SHOWN)
                print(f"{experiment} {what} {seed}: {numbers}, {results['cpu_seconds']} s", flush=True)


def metrics_by_seed(experiment: str, what: str) -> dict[int, dict[str, float]]:
    """Test metrics by seed of what was run."""
    results_of_member = {}
    for path in (PARTS / experiment.replace("/", "-")).glob(f"{what}-*.json"):
        results = json.loads(path.read_text(encoding="utf-8"))
        results_of_member[int(results["seed"])] = results["metrics"]["test"]
    return dict(sorted(results_of_member.items()))


def mean(values: list[float], digits: str = ".4f", root: float = 1.0) -> str:
    """Mean ± standard deviation, here over ``root``; the mean alone of one value."""
    text = f"{statistics.fmean(values):{digits}}"
    return f"{text} ± {statistics.stdev(values) / root:.4f}" if len(values) > 1 else text


def rows_of(kind: str, experiment: str) -> list[str]:
    """The lines of an experiment: without smoothing, and with the preset's."""
    choices = compose_config("train", [f"experiment={experiment}"]).hydra.runtime.choices
    runs = {what: metrics_by_seed(experiment, what) for what in ("none", "preset")}
    lines = []
    for what, by_seed in runs.items():
        if not by_seed:
            continue
        cells = [f"`{experiment}`", what if what == "none" else f"preset: {choices.smoothing}"]
        for name in (*SHOWN, *FURTHER.get(kind, ())):
            values = [metrics[name] for metrics in by_seed.values()]
            cells.append(mean(values) if name == "nll" else f"{statistics.fmean(values):.4f}")
        pairs = [by_seed[seed]["nll"] - metrics["nll"] for seed, metrics in runs["none"].items() if seed in by_seed]
        cells.append(mean(pairs, "+.4f", len(pairs) ** 0.5) if pairs and what != "none" else "")
        lines.append("| " + " | ".join([*cells, str(len(by_seed))]) + " |")
    return lines


def table(experiments: list[str]) -> str:
    """The second table of docs/domains.md, a part for each kind."""
    parts = []
    for kind, members in KINDS.items():
        lines = [line for member in members if member in experiments for line in rows_of(kind, member)]
        if lines:
            shown = [HEADS.get(name, name) for name in (*SHOWN, *FURTHER.get(kind, ()))]
            heads = ["experiment", "", *shown, "NLL - none's", "seeds"]
            parts.append("\n".join([f"**{kind}**\n", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *lines]))
    return "\n\n".join(parts)


def main() -> None:
    """Run, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["run", "table"])
    parser.add_argument("experiments", nargs="*", default=list(EXPERIMENTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    arguments = parser.parse_args()
    if arguments.verb == "run":
        work(arguments.experiments, arguments.seeds)
    else:
        print(table(arguments.experiments))


if __name__ == "__main__":
    main()
