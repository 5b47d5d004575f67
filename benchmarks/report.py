"""How long a report over 200 run directories takes, one of them broken, one unfinished, one with HTML in its classes.

Run: python benchmarks/report.py <a run directory with predictions> [--out benchmarks/results/report.md]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from smoothlab.metrics import classification_metrics

RUNS, SEEDS = 200, 5
HOSTILE = "<script>document.title='broken'</script>"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("run", type=Path, help="a finished run, copied with other seeds and strengths")
    words.add_argument("--out", type=Path, help="where the figures go; they are printed as well")
    options = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        copies(options.run, runs)
        begun, used = time.perf_counter(), cpu()
        command = [sys.executable, "-c", "import sys; from smoothlab.commands import main; sys.exit(main())"]
        done = subprocess.run([*command, "report", str(runs)], check=True, capture_output=True, text=True)
        seconds, used = time.perf_counter() - begun, cpu() - used
        size = (runs / "report" / "report.html").stat().st_size
        told_of = json.loads((runs / "report" / "report.json").read_text())
        assert "run_001" in done.stdout, "the broken run is not named"
        assert HOSTILE not in (runs / "report" / "report.html").read_text()
        rows = len(pd.read_parquet(options.run / "predictions" / "test.parquet"))
    text = report(seconds, used, size, len(told_of["arms"]), rows)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def cpu() -> float:
    """CPU seconds of the processes that this one has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def copies(run: Path, runs: Path) -> None:
    """The run again and again, each with a seed and a strength of its own and predictions a little apart."""
    for place in range(RUNS):
        path = runs / f"run_{place:03d}"
        shutil.copytree(run, path, ignore=shutil.ignore_patterns("checkpoints", "figures", "wandb"))
        config = yaml.safe_load((path / "config.yaml").read_text())
        config["seed"], epsilon = place % SEEDS, place // SEEDS / 100
        config["smoothing"]["strength"] = {"_target_": "smoothlab.smoothing.Constant", "epsilon": epsilon}
        (path / "config.yaml").write_text(yaml.safe_dump(config))
        results = json.loads((path / "results.json").read_text())
        for split in ("val", "test"):
            metrics = soften(path / "predictions" / f"{split}.parquet", epsilon + 0.002 * (place % SEEDS))
            results["metrics"][split] |= metrics
        (path / "results.json").write_text(json.dumps(results | {"seed": place % SEEDS}))
    (runs / "run_001" / "results.json").write_text('{"metrics": ')
    (runs / "run_002" / "status.json").write_text('{"state": "interrupted"}')
    for split in ("val", "test"):
        rename(runs / "run_003" / "predictions" / f"{split}.parquet")


def soften(path: Path, epsilon: float) -> dict[str, float]:
    """Make predictions less confident; returns what they are worth then."""
    table = pd.read_parquet(path)
    columns = [name for name in table.columns if name.startswith("prob_")]
    table[columns] = (1 - epsilon) * table[columns] + epsilon / len(columns)
    table.to_parquet(path, index=False)
    labels = np.array([columns.index(f"prob_{name}") for name in table["label"]])
    return classification_metrics(table[columns].to_numpy(), labels, from_logits=False)


def rename(path: Path) -> None:
    """Put HTML into the names of the classes."""
    table = pd.read_parquet(path)
    for name in ("label", "prediction"):
        table[name] = HOSTILE + table[name]
    names = {name: name.replace("prob_", f"prob_{HOSTILE}") for name in table.columns}
    table.rename(columns=names).to_parquet(path, index=False)


def report(seconds: float, used: float, size: int, arms: int, rows: int) -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return f"""# A report over {RUNS} run directories

`python benchmarks/report.py <run>`, the whole command `smoothlab report` in a process of its own; one run is broken,
one unfinished, one has HTML in its class names.

| what | |
| --- | ---: |
| run directories | {RUNS} |
| arms | {arms} |
| test samples a run | {rows} |
| seconds, wall | {seconds:.1f} |
| seconds, CPU | {used:.1f} |
| load of the machine meanwhile, of {os.cpu_count()} cores | {os.getloadavg()[0]:.1f} |
| size of report.html, MB | {size / 1e6:.2f} |

{datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip()}, {platform.machine()}, Python {platform.python_version()}
"""


if __name__ == "__main__":
    main()
