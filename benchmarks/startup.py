"""CPU time of `smoothlab train` to its first training step, beside importing torch and Lightning.

    python benchmarks/startup.py [--rounds 5] [--output benchmarks/results/startup]

Each round starts a process of each kind, in changing order; the ratio is the median of the rounds' own. The run is the
default one (a table of scikit-learn's) with metrics.csv; its process ends where the first step would begin.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SPENT = "used = resource.getrusage(resource.RUSAGE_SELF); print('CPU', used.ru_utime + used.ru_stime, flush=True)"
IMPORTS = f"import resource, torch, pytorch_lightning; {SPENT}"
TO_FIRST_STEP = f"""
import importlib.abc, importlib.util, os, resource, sys

class WhenImported(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "smoothlab.training.fitting_net":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            from smoothlab.tasks.task import Task

            def training_step(self, batch, batch_idx):
                {SPENT}
                os._exit(0)

            Task.training_step = training_step

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, WhenImported())
from smoothlab.commands.main import main
main(["train", "logger=csv"])
"""


def seconds(code: str, folder: str) -> float:
    """CPU seconds that a process says it has used."""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    if "CPU " not in ended.stdout:
        raise SystemExit(ended.stderr)
    return float(ended.stdout.rsplit("CPU ", 1)[1].split()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="write <output>.md")
    options = parser.parse_args()
    seen: dict[str, list[float]] = {IMPORTS: [], TO_FIRST_STEP: []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for code in list(seen)[:: 1 if number % 2 else -1]:
                seen[code].append(seconds(code, folder))
    imports, first = (statistics.median(each) for each in seen.values())
    ratio = statistics.median(b / a for a, b in zip(*seen.values(), strict=True))
    text = (
        f"{options.rounds} rounds, medians of CPU seconds: importing torch and Lightning {imports:.2f}; "
        f"`smoothlab train` to its first step {first:.2f}; ratio {ratio:.2f}\n"
    )
    print(text, end="")
    if options.output:
        heading = "# From Enter to the first step\n\nMade by `python benchmarks/startup.py`.\n\n"
        options.output.with_suffix(".md").write_text(heading + text)


if __name__ == "__main__":
    main()
