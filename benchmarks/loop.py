"""Training steps through smoothlab against a bare PyTorch loop, side by side in one process.

    python benchmarks/loop.py [--rounds 9] [--threads 1] [--output benchmarks/results/loop]

Net, data and batches are the same: an MLP 30-64-64-2 on the breast-cancer columns, repeated until an epoch is long
enough to time. The bare loop uses plain F.cross_entropy and torch.optim.AdamW with its defaults on tensors in memory;
a second bare loop has fused AdamW, as smoothlab has. smoothlab is a run with its default callbacks and metrics.csv: its
steps, and in the last two columns the whole epoch with validation, metrics.csv and two checkpoints on the disk. Each
round times all three, in changing order; ratios are medians.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback
from torch.nn import functional as F

from smoothlab.config.compose import compose_config, plain
from smoothlab.data import Batch
from smoothlab.data.module import MemoryData
from smoothlab.rundir.directory import RunDirectory, StatusFile
from smoothlab.training.fitting_net import StatusProgress, trainer_of
from smoothlab.training.hooks import skip_empty_step_hooks
from smoothlab.training.preparing import Prepared, prepare
from smoothlab.training.train import _make_loggers

STEPS = {32: 400, 1024: 100}  # steps an epoch


class EpochTimer(Callback):
    """Seconds from an epoch's start to the end of its last step, and to the end of everything that the epoch does."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.epochs: list[float] = []

    def on_train_epoch_start(self, *args: Any) -> None:
        self.started = time.perf_counter()

    def on_validation_start(self, *args: Any) -> None:
        self.steps.append(time.perf_counter() - self.started)

    def on_train_epoch_end(self, *args: Any) -> None:
        self.epochs.append(time.perf_counter() - self.started)


def repeated(data: MemoryData, rows: int) -> None:
    """Make the training split ``rows`` long."""
    index = torch.arange(rows) % len(data.split("train"))
    data._batches["train"] = data.split("train").take(index)


def bare_epoch(train: Batch, batch_size: int, *, fused: bool) -> float:
    """Seconds of the loop that a tutorial would write, after a first epoch to warm up."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(30, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 2),
    )
    optimizer = torch.optim.AdamW(net.parameters(), fused=True) if fused else torch.optim.AdamW(net.parameters())
    seconds = 0.0
    for _ in range(2):
        started = time.perf_counter()
        for index in torch.randperm(len(train)).split(batch_size):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(train.features[index]), train.labels[index])
            loss.backward()
            optimizer.step()
        seconds = time.perf_counter() - started
    return seconds


def smoothlab_epoch(batch_size: int, smoothing: str) -> tuple[float, float]:
    """Seconds of the second epoch of a run with the default callbacks and metrics.csv: its steps, and all of it."""
    overrides = [
        f"data.batch_size={batch_size}",
        f"smoothing={smoothing}",
        "net.hidden=[64,64]",
        "trainer.max_epochs=2",
        "logger=csv",
        "progress=lines",
    ]
    prepared: Prepared = prepare(plain(compose_config("train", overrides)))
    assert isinstance(prepared.data, MemoryData)
    repeated(prepared.data, batch_size * STEPS[batch_size])
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # where checkpoints are written
        run = RunDirectory(folder)
        loggers: list[Any] = []
        _make_loggers(prepared, run, loggers, 0)
        timer = EpochTimer()
        with StatusFile(run, prepared.identity) as status:
            trainer = trainer_of(prepared, [StatusProgress(status)], loggers)
            # before the checkpoint callbacks in on_train_epoch_start, after them in on_train_epoch_end
            trainer.callbacks.append(timer)  # type: ignore[attr-defined]
            skip_empty_step_hooks([timer], prepared.task)
            trainer.fit(prepared.task, datamodule=prepared.data)
    return timer.steps[-1], timer.epochs[-1]


def measure(batch_size: int, rounds: int, smoothing: str) -> dict[str, float]:
    """Medians of times and of paired ratios."""
    prepared = prepare(plain(compose_config("train", ["logger=none"])))
    assert isinstance(prepared.data, MemoryData)
    repeated(prepared.data, batch_size * STEPS[batch_size])
    train = prepared.data.split("train")
    times: dict[str, list[float]] = {name: [] for name in ("bare", "bare_fused", "smoothlab", "smoothlab_epoch")}

    def ours() -> None:
        steps, epoch = smoothlab_epoch(batch_size, smoothing)
        times["smoothlab"].append(steps)
        times["smoothlab_epoch"].append(epoch)

    ways: list[Callable[[], None]] = [
        lambda: times["bare"].append(bare_epoch(train, batch_size, fused=False)),
        lambda: times["bare_fused"].append(bare_epoch(train, batch_size, fused=True)),
        ours,
    ]
    for number in range(rounds):
        for way in ways[number % 3 :] + ways[: number % 3]:
            way()
    step = {name: 1e3 * statistics.median(values) / STEPS[batch_size] for name, values in times.items()}
    ratios = {
        f"{name}_over_{other}": statistics.median(a / b for a, b in zip(times[name], times[other], strict=True))
        for name in ("smoothlab", "smoothlab_epoch")
        for other in ("bare", "bare_fused")
    }
    return {f"{name}_ms_a_step": value for name, value in step.items()} | ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help="write <output>.json and <output>.md")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")

    lines = [
        f"torch {torch.__version__}, Python {platform.python_version()}, {options.threads} thread(s), "
        f"{options.rounds} paired rounds, medians",
        "",
        "| batch | smoothing | bare, ms a step | bare, fused | smoothlab | over bare | over fused | epoch over bare "
        "| epoch over fused |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    results = []
    for batch_size in STEPS:
        for smoothing in ("standard", "none"):
            measurement = measure(batch_size, options.rounds, smoothing)
            results.append({"batch_size": batch_size, "smoothing": smoothing, **measurement})
            lines.append(
                f"| {batch_size} | {smoothing} | {measurement['bare_ms_a_step']:.3f} "
                f"| {measurement['bare_fused_ms_a_step']:.3f} "
                f"| {measurement['smoothlab_ms_a_step']:.3f} | {measurement['smoothlab_over_bare']:.2f} "
                f"| {measurement['smoothlab_over_bare_fused']:.2f} | {measurement['smoothlab_epoch_over_bare']:.2f} "
                f"| {measurement['smoothlab_epoch_over_bare_fused']:.2f} |"
            )
            print(lines[-1], flush=True)
    if options.output:
        heading = "# Training steps through smoothlab against a bare loop\n\nMade by `python benchmarks/loop.py`.\n\n"
        options.output.with_suffix(".md").write_text(heading + "\n".join(lines) + "\n")
        record = {
            "torch": torch.__version__,
            "threads": options.threads,
            "rounds": options.rounds,
            "results": results,
        }
        options.output.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
