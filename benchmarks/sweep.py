"""A sweep of many small runs: processes from the warm server against separate commands and Hydra's own launcher.

    python benchmarks/sweep.py --runs 16 --repeats 3

Every case is a process of its own in an empty folder. The cases take turns, so that what else the machine does falls on
all of them; ratios are those of the medians. CPU seconds are the kernel's count for the process and all its children.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

CLI = ["-c", "import sys; from smoothlab.commands import main; sys.exit(main(sys.argv[1:]))"]
# The same with everything imported, and the server ready, before the clock starts.
WARM = [
    "-c",
    """
import sys, time, contextlib, io
import smoothlab.training.job, smoothlab.sweeps.launcher, sklearn.datasets, wandb, matplotlib.backends.backend_agg
from smoothlab import processes
from smoothlab.commands import main
if not any(word == "hydra/launcher=basic" for word in sys.argv):
    server = processes.WarmServer()
    server.ready()
    close, processes.WarmServer = server.close, lambda: server
    server.close = lambda: None
started = time.perf_counter()
code = main(sys.argv[1:])
print(time.perf_counter() - started)
if not any(word == "hydra/launcher=basic" for word in sys.argv):
    close()
sys.exit(code)
""",
]

# Two ranks as Lightning starts them: the same data, net and task in its own Trainer, without any scoring or figures.
LIGHTNING = """
import sys, yaml
import pytorch_lightning as pl
from smoothlab.training.preparing import prepare
values = yaml.safe_load(open(sys.argv[1]))
values["seed"] = int(sys.argv[2])
ready = prepare(values)
pl.Trainer(accelerator="cpu", devices=2, strategy="ddp", max_epochs=values["trainer"]["max_epochs"], logger=False,
    enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
).fit(ready.task, datamodule=ready.data)
"""
TWO_RANKS = 4  # runs of two ranks


def by_lightning(epochs: int) -> tuple[float, float]:
    """Four two-rank trainings, each a script of its own that Lightning starts a second time for the second rank."""
    with tempfile.TemporaryDirectory() as folder:
        config, script = Path(folder, "config.yaml"), Path(folder, "train.py")
        composed = [sys.executable, *CLI, "train", "--cfg", "job", "--resolve", f"trainer.max_epochs={epochs}"]
        config.write_text(subprocess.run(composed, capture_output=True, text=True, check=True).stdout)
        script.write_text(LIGHTNING)
        measured = []
        for seed in range(TWO_RANKS):
            measured.append(command([str(script)], [str(config), str(seed)]))
        return sum(wall for wall, _ in measured), sum(cpu for _, cpu in measured)


def command(program: list[str], words: list[str], *, clock_inside: bool = False) -> tuple[float, float]:
    """Wall and CPU seconds of Python with a program; ``clock_inside`` takes the wall seconds that it prints last."""
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ) | {"WANDB_MODE": "offline"}
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *program, *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        out, err = process.stdout.read(), process.stderr.read()  # little enough for a pipe
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{words}: exit code {process.returncode}\n{err}")
        return (float(out.split()[-1]) if clock_inside else wall), usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument(
        "--separate", type=int, default=None, help="separate commands that are measured; times runs / so many"
    )
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-figures", action="store_true", help="figures=false in every command")
    options = parser.parse_args()
    runs, separate = options.runs, options.separate or options.runs
    base = ["train", "logger=csv", "progress=none", f"trainer.max_epochs={options.epochs}"]
    if options.no_figures:
        base.append("figures=false")
    seeds = f"seed={','.join(map(str, range(runs)))}"
    sweep = [base[0], "-m", *base[1:], seeds]
    plain = "figures=false"  # as Lightning's script draws none
    ranked = [base[0], "-m", *{*base[1:], plain}, "trainer=ddp_cpu", f"seed={','.join(map(str, range(TWO_RANKS)))}"]

    def separately() -> tuple[float, float]:
        measured = [command(CLI, [*base, f"seed={seed}"]) for seed in range(separate)]
        wall, cpu = (sum(column) * runs / separate for column in zip(*measured, strict=True))
        return wall, cpu

    cases: dict[str, Callable[[], tuple[float, float]]] = {
        f"{runs} separate `smoothlab train`": separately,
        "`train -m`, n_jobs=1": lambda: command(CLI, sweep),
        "`train -m`, n_jobs=2": lambda: command(CLI, [*sweep, "hydra.launcher.n_jobs=2"]),
        "n_jobs=1, server ready": lambda: command(WARM, sweep, clock_inside=True),
        "n_jobs=2, server ready": lambda: command(WARM, [*sweep, "hydra.launcher.n_jobs=2"], clock_inside=True),
        "Hydra's basic launcher, all imported": lambda: command(
            WARM, [*sweep, "hydra/launcher=basic"], clock_inside=True
        ),
        f"{TWO_RANKS} two-rank runs, `train -m`, with the server's start": lambda: command(CLI, ranked),
        f"{TWO_RANKS} two-rank runs, Lightning's own start": lambda: by_lightning(options.epochs),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for repeat in range(options.repeats):
        for name, case in cases.items():
            seconds[name].append(case())
            wall, cpu = seconds[name][-1]
            print(f"{repeat} {name}: {wall:.1f} s wall, {cpu:.1f} s CPU", file=sys.stderr, flush=True)
    walls = {name: statistics.median(wall for wall, _ in measured) for name, measured in seconds.items()}
    cpus = {name: statistics.median(cpu for _, cpu in measured) for name, measured in seconds.items()}
    print(f"| {runs} runs of {options.epochs} epochs | wall, s | least, s | most, s | CPU with all imports, s |")
    print("|---|---|---|---|---|")
    for name, measured in seconds.items():
        each = [wall for wall, _ in measured]
        print(f"| {name} | {walls[name]:.1f} | {min(each):.1f} | {max(each):.1f} | {cpus[name]:.1f} |")
    first, single, double, warm, warm_two, basic, ranks, lightning = (walls[name] for name in cases)
    print(f"\nwith the server's start, n_jobs=1 / separate: {single / first:.2f} (wanted 0.2 at most)")
    print(f"with the server's start, n_jobs=2 / separate: {double / first:.2f}")
    print(f"server ready, n_jobs=1 / basic launcher: {warm / basic:.2f} (wanted 1.3 at most)")
    print(f"server ready, n_jobs=2 / n_jobs=1: {warm_two / warm:.2f} (wanted 0.7 at most)")
    print(f"two ranks, with the server's start / Lightning's own start: {ranks / lightning:.2f} (wanted 0.3 at most)")


if __name__ == "__main__":
    main()
