"""Predict a file of raw rows: time and peak memory as the rows grow tenfold.

    python benchmarks/predict.py           # some minutes; writes benchmarks/results/predict.json and predict.md
    python benchmarks/predict.py --quick   # a tenth of the rows, writes nothing

Each case is `smoothlab predict` in a process of its own, whose peak of resident memory is read at its end. The table
has 20 columns of numbers, one of them with missing values, 3 of categories; the net is an MLP that was never trained.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
ROWS = (100_000, 1_000_000)
MEASURED = """
import re, sys, time
from smoothlab.commands import main
start = time.perf_counter()
code = main(sys.argv[1:])
with open("/proc/self/status") as file:  # ru_maxrss would hold that of the process which started this one
    peak = int(re.search(r"VmHWM:\\s+(\\d+)", file.read())[1]) / 1024
print(code, time.perf_counter() - start, peak)
"""


def rows_of(count: int) -> pd.DataFrame:
    draw = np.random.default_rng(count)
    table = pd.DataFrame(draw.normal(size=(count, 20)).round(4), columns=[f"measure_{place}" for place in range(20)])
    table["measure_3"] = table["measure_3"].mask(draw.random(count) < 0.1)
    for name, words in (("colour", 5), ("place", 50), ("code", 500)):
        table[name] = np.array([f"{place:03d}" for place in range(words)])[draw.integers(0, words, count)]
    return table


def make_run(folder: Path) -> Path:
    sys.path.insert(0, str(HERE.parent / "tests" / "support"))
    from untrained_runs import write_run

    from smoothlab.data import Encoding, TableEncoder

    frame = rows_of(20_000)
    kinds = dict.fromkeys(("colour", "place", "code"), "categorical")
    encoder = TableEncoder.fit(frame, kinds, may_be_missing=["measure_3"], encoding=Encoding(categories="codes"))
    net = {"_target_": "smoothlab.nets.MLP", "hidden": [64, 64]}
    run: Path = write_run(folder / "run", encoder, net, ["a", "b", "c", "d"])
    return run


def case(run: Path, source: Path, output: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", MEASURED, "predict", f"run={run}", f"input={source}", f"output={output}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    code, seconds, peak = done.stdout.split()
    assert code == "0", done.stderr
    return {"seconds": float(seconds), "peak_mib": float(peak)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    cases = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run = make_run(folder)
        for count in [rows // 10 for rows in ROWS] if quick else ROWS:
            frame = rows_of(count)
            frame.to_csv(folder / "rows.csv", index=False)
            frame.to_parquet(folder / "rows.parquet", index=False)
            del frame
            for ending in ("csv", "parquet"):
                measured = case(run, folder / f"rows.{ending}", folder / f"out.{ending}")
                size = (folder / f"rows.{ending}").stat().st_size / 2**20
                cases.append({"file": ending, "rows": count, "file_mib": size, **measured})
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout
    when = f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.strip()}"
    lines = [
        "# Predicting files",
        "",
        f"{platform.platform()}, one thread; {when}; `python benchmarks/predict.py`.",
        "",
    ]
    lines += ["Start of the process and imports are in the time and in the memory.", ""]
    lines += ["| file | rows | size, MiB | seconds | rows a second | peak memory, MiB |", "|---|---|---|---|---|---|"]
    for timed in cases:
        speed = timed["rows"] / timed["seconds"]
        cells = f"{timed['file_mib']:.0f} | {timed['seconds']:.1f} | {speed:,.0f} | {timed['peak_mib']:.0f}"
        lines.append(f"| {timed['file']} | {timed['rows']:,} | {cells} |")
    print("\n".join(lines))
    if not quick:
        results = HERE / "results"
        (results / "predict.json").write_text(json.dumps({"when": when, "cases": cases}, indent=1) + "\n")
        (results / "predict.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
