"""Inference time of two runs that differ in smoothing alone, exported to ONNX: the graphs, and microseconds a row.

    python benchmarks/inference.py           # about a minute; writes benchmarks/results/inference.json and inference.md
    python benchmarks/inference.py --quick   # a tenth of the repetitions, writes nothing

Both are trained by `smoothlab train` for some epochs and exported by `smoothlab export`. The two graphs take turns, in
one process and one thread, so that both see the same machine; told are medians of the repetitions and of their ratio.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from smoothlab.commands import main as command
from smoothlab.data import breast_cancer
from smoothlab.export import Exported, load

HERE = Path(__file__).resolve().parent
REPETITIONS = 2000
BATCHES = (1, 256)


def exported(folder: Path, smoothing: str) -> tuple[Exported, dict[str, Any]]:
    words = [f"smoothing={smoothing}", "logger=csv", "figures=false", "trainer.max_epochs=5", f"output_root={folder}"]
    assert command(["train", f"name={smoothing}", *words]) == 0
    (run,) = (folder / smoothing).iterdir()
    assert command(["export", f"run={run}", f"output={folder / f'{smoothing}.onnx'}"]) == 0
    return load(folder / f"{smoothing}.onnx", threads=1), json.loads((folder / f"{smoothing}.json").read_text())


def seconds(model: Exported, inputs: dict[str, np.ndarray]) -> float:
    start = time.perf_counter()
    model.graph.probabilities(inputs)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as temporary:
        models = {name: exported(Path(temporary), name) for name in ("none", "standard")}
    graphs = {name: metadata["graph"] for name, (_, metadata) in models.items()}
    cases = []
    for batch in BATCHES:
        frame = breast_cancer().iloc[:batch]
        inputs = {name: model.inputs.read(frame) for name, (model, _) in models.items()}
        times: dict[str, list[float]] = {name: [] for name in models}
        for turn in range(REPETITIONS // 10 if quick else REPETITIONS):
            for name in list(models)[:: 1 if turn % 2 else -1]:
                times[name].append(seconds(models[name][0], inputs[name]))
        ratio = float(np.median(np.array(times["standard"]) / np.array(times["none"])))
        cases.append(
            {
                "batch": batch,
                **{name: 1e6 * float(np.median(seconds)) for name, seconds in times.items()},
                "ratio": ratio,
            }
        )
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout
    when = f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.strip()}"
    lines = ["# Inference with and without smoothing", ""]
    lines += [f"{platform.platform()}, one thread, onnxruntime; {when}; `python benchmarks/inference.py`.", ""]
    same = "the same graph" if len(set(graphs.values())) == 1 else "different graphs"
    lines += [
        f"Hashes of the graphs without their weights: {graphs['none']} without smoothing, {graphs['standard']} with: "
        f"{same}."
    ]
    lines += ["", "| rows at once | without smoothing, µs | with, µs | ratio |", "|---|---|---|---|"]
    for case in cases:
        lines.append(f"| {case['batch']} | {case['none']:.1f} | {case['standard']:.1f} | {case['ratio']:.3f} |")
    print("\n".join(lines))
    if not quick:
        report = {"when": when, "graphs": graphs, "cases": cases}
        (HERE / "results" / "inference.json").write_text(json.dumps(report, indent=1) + "\n")
        (HERE / "results" / "inference.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
