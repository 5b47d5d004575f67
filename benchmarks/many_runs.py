"""A sweep of many runs: CPU seconds of what reads all of them, and the memory of the command that starts them.

    python benchmarks/many_runs.py --runs 1000                     made run directories: one tiny run, copied
    python benchmarks/many_runs.py --runs 1000 --started 40,160    sweeps of so many real runs: the parent's memory

Each command is a process of its own; CPU seconds are the kernel's count for it and its children.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import yaml

from smoothlab.rundir.directory import RunDirectory
from smoothlab.rundir.identity import run_identity
from smoothlab.sweeps.ledger import Ledger, common

CLI = [sys.executable, "-c", "import sys; from smoothlab.commands import main; sys.exit(main(sys.argv[1:]))"]
TINY = [
    *("data=synthetic_medical", "data.rows=60", "data.val_rows=30", "data.test_rows=30", "trainer.max_epochs=2"),
    *("logger=csv", "callbacks.early_stopping=null", "progress=none", "figures=false"),
]


def timed(words: Sequence[str], folder: Path) -> tuple[float, float, int, str]:
    """CPU seconds of a command and the children that it waited for, wall seconds, its peak MiB, and its output."""
    with tempfile.TemporaryFile("w+") as log:
        started = time.perf_counter()
        process = subprocess.Popen([*CLI, *words], cwd=folder, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        log.seek(0)
        output = log.read()
    if process.returncode not in (0, 1):
        sys.exit(f"{words}: exit code {process.returncode}\n{output[-3000:]}")
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss // 1024, output


def make_sweep(folder: Path, runs: int) -> Path:
    """A sweep of copies of two runs, each with a seed, config, identity, predictions and Hydra's file of its own."""
    for smoothing in ("none", "standard"):
        timed(["train", *TINY, f"smoothing={smoothing}", f"name={smoothing}"], folder)
    sweep = folder / "outputs" / "sweeps" / "medical" / "made"
    sweep.mkdir(parents=True)
    configs, entries = [], []
    ledger = Ledger(sweep, {})
    for place in range(runs):
        arm, seed = ("none", "standard")[place % 2], place // 2
        (source,) = (folder / "outputs" / arm).iterdir()
        config = yaml.safe_load((source / "config.yaml").read_text())
        config["seed"], config["name"] = seed, "medical"
        identity = run_identity(config, "")
        entry = ledger.place([f"smoothing={arm}", f"seed={seed}"], identity, f"seed={seed},smoothing={arm}", config)
        run = RunDirectory(sweep / entry.directory)
        shutil.copytree(source, run.path)
        run.config.write_text(yaml.safe_dump(config, sort_keys=False))
        results = json.loads(run.results.read_text()) | {"seed": seed, "identity": identity}
        value = results["objective"]["value"] * (1 + 0.01 * ((place * 7919) % 101) / 101)
        results["objective"]["value"] = value
        for split in ("val", "test"):
            results["metrics"][split]["nll"] = _own_predictions(run.predictions / f"{split}.parquet", seed)
        run.results.write_text(json.dumps(results))
        run.status.write_text(json.dumps(json.loads(run.status.read_text()) | {"identity": identity}))
        _own_words(run, place)
        run.write_sums()
        configs.append(config)
        entries.append(entry)
    ledger.base = common(configs)
    ledger.write()
    return sweep


def _own_words(run: RunDirectory, place: int) -> None:
    """What tells a run's own hydra.yaml from another's: its number, its overrides, its directory."""
    file = run.path / ".hydra" / "hydra.yaml"
    node = yaml.safe_load(file.read_text())
    node["hydra"]["job"] |= {"num": place, "override_dirname": f"number={place}"}
    node["hydra"]["overrides"]["task"].append(f"number={place}")
    node["hydra"]["runtime"]["output_dir"] = str(run.path)
    file.write_text(yaml.safe_dump(node, sort_keys=False))


def _own_predictions(file: Path, seed: int) -> float:
    """Probabilities a little off those of the run that it is a copy of, by its seed; their NLL."""
    import numpy as np
    import pandas as pd

    table = pd.read_parquet(file)
    columns = [name for name in table if name.startswith("prob_")]
    shares = table[columns].to_numpy()
    shares = shares * np.exp(0.05 * np.random.default_rng(seed).standard_normal(shares.shape))
    table[columns] = shares = shares / shares.sum(1, keepdims=True)
    table.to_parquet(file, index=False)
    label = [columns.index(f"prob_{name}") for name in table["label"]]
    return float(-np.log(shares[np.arange(len(table)), label]).mean())


def readers(folder: Path, runs: int, rounds: int) -> None:
    """What reads the runs of a sweep; of several rounds each one's CPU seconds, the other numbers of the last."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:  # what it imports counts for no command
        sweep = pool.submit(make_sweep, folder, runs).result()
    size = sum(path.stat().st_size for path in sweep.rglob("*") if path.is_file()) / 2**20
    print(f"{runs} made run directories, {size:.0f} MiB")
    where = str(sweep.relative_to(folder))
    print("| command | CPU s | wall s | peak MiB |\n|---|---|---|---|")
    commands = {
        "sweep --help": ["sweep", "--help"],
        "sweep status": ["sweep", "status", where],
        "report": ["report", where],
        "sweep prune, dry": ["sweep", "prune", where],
        "sweep prune dry_run=false": ["sweep", "prune", where, "dry_run=false"],
    }
    for name, words in commands.items():
        measured = [timed(words, folder) for _ in range(1 if "dry_run=false" in words else rounds)]
        seconds = ", ".join(f"{cpu:.2f}" for cpu, *_ in measured)
        print(f"| `{name}` | {seconds} | {measured[-1][1]:.1f} | {measured[-1][2]} |", flush=True)
    started = time.process_time()
    ledger = Ledger.read(sweep)
    ledger.write()
    print(f"| ledger, read and written (in process) | {time.process_time() - started:.2f} | | |")


def parents(folder: Path, counts: Sequence[int]) -> None:
    """The memory of a sweep's parent by how many runs it starts."""
    print("| real runs | parent's peak MiB | parent's CPU s a run |\n|---|---|---|")
    for count in counts:
        words = [
            "train",
            "-m",
            *TINY,
            f"seed=range({count})",
            f"hydra.launcher.name=of_{count}",
            "hydra.launcher.n_jobs=1",
        ]
        process = subprocess.Popen(
            [*CLI, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ
        )
        peak, cpu = 0, 0.0
        status, stat = Path(f"/proc/{process.pid}/status"), Path(f"/proc/{process.pid}/stat")
        while process.poll() is None:
            try:
                lines = status.read_text().splitlines()
                peak = max(peak, *(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")))
                fields = stat.read_text().rsplit(")", 1)[1].split()
                cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            except (FileNotFoundError, ProcessLookupError, ValueError, IndexError, TypeError):
                pass
            time.sleep(0.2)
        print(f"| {count} | {peak} | {cpu / count:.3f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--started", default="", help="numbers of real runs, with commas")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.started:
            parents(Path(folder), [int(count) for count in asked.started.split(",")])
        else:
            readers(Path(folder), asked.runs, asked.rounds)


if __name__ == "__main__":
    main()
