"""A benchmark of this checkout against the same benchmark of another one, by turns.

    python benchmarks/checkouts.py ../before loop [--rounds 3] [--output benchmarks/results/checkouts_loop]

A turn runs ``benchmarks/<name>.py`` once in each checkout, by its own ``.venv``, and takes the ratios that it writes.
Each compares two ways within one process, so that another machine or a busy one changes little. A line gives a ratio's
medians over the turns in both checkouts, and this one's over the other's.
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

HERE = Path(__file__).resolve().parents[1]
FLAGS = {"loop": ["--rounds", "3"], "step": ["--rounds", "9"], "data": ["--rounds", "3"]}


def ratios(node: Any, path: str = "") -> dict[str, float]:
    """The ratios in a benchmark's JSON file, by the names on the way to them."""
    if isinstance(node, list):
        named = {_name(item, number): item for number, item in enumerate(node)}
        return {key: value for name, item in named.items() for key, value in ratios(item, f"{path} {name}").items()}
    if not isinstance(node, dict):
        return {}
    inner = node.get("ratios", {key: value for key, value in node.items() if "_over_" in key})
    own = {f"{path} {key}".strip(): value for key, value in inner.items() if isinstance(value, float)}
    return own | {key: value for part in node.values() for key, value in ratios(part, path).items()}


def _name(item: Any, number: int) -> str:
    if not isinstance(item, dict):
        return str(number)
    words = [str(item[key]) for key in ("from", "case", "batch_size", "smoothing") if key in item]
    return " ".join(words) or str(number)


def measure(checkout: Path, benchmark: str) -> dict[str, float]:
    """The ratios of one run of a checkout's benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, benchmark)
        python = str(checkout / ".venv" / "bin" / "python")
        command = [python, f"benchmarks/{benchmark}.py", *FLAGS.get(benchmark, []), "--output", str(output)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, cwd=checkout, env=environment, check=True, stdout=subprocess.DEVNULL)
        return ratios(json.loads(output.with_suffix(".json").read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path)
    parser.add_argument("benchmark")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    checkouts = {"this": HERE, "other": options.other.resolve()}
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    for number in range(options.rounds):
        for name in list(checkouts)[:: 1 if number % 2 else -1]:
            turns[name].append(measure(checkouts[name], options.benchmark))
            print(f"{name}, round {number + 1}", file=sys.stderr, flush=True)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=options.other, capture_output=True, text=True)
    lines = [
        f"# benchmarks/{options.benchmark}.py: this checkout beside {commit.stdout.strip()}",
        "",
        f"Made by `python benchmarks/checkouts.py <other> {options.benchmark}`: medians of {options.rounds} turns.",
        "",
        "| ratio | here | there | here over there |",
        "|---|---|---|---|",
    ]
    common = [key for key in turns["this"][0] if all(key in turn for each in turns.values() for turn in each)]
    for key in common:
        here, there = (statistics.median(turn[key] for turn in turns[name]) for name in checkouts)
        lines.append(f"| {key} | {here:.3f} | {there:.3f} | {here / there:.2f} |")
    print("\n".join(lines))
    if options.output:
        options.output.with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
