"""Training steps that are compiled (``compile=step``, ``compile=true``) beside those that are not.

    python benchmarks/compiling.py [--rounds 5] [--threads 1] [--output benchmarks/results/compiling]

The data are those of loop.py. Two nets, small and large; each round times the second epoch of all ways in changing
order, so that compiling is not in it; what compiling takes is told beside, from the first epoch. The logits of the
validation rows after the two epochs are compared with those of the step as it is.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from loop import repeated
from pytorch_lightning import Callback

from smoothlab.config.compose import compose_config, plain
from smoothlab.rundir.directory import RunDirectory, StatusFile
from smoothlab.training.fitting_net import StatusProgress, trainer_of
from smoothlab.training.preparing import prepare

CASES = {"64-64, batch 32": ("[64,64]", 32, 300), "1024-1024-1024, batch 1024": ("[1024,1024,1024]", 1024, 10)}
WAYS = ("false", "true", "step")


class Times(Callback):
    """CPU seconds of each epoch's steps."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, *args: Any) -> None:
        self._started = time.process_time()

    def on_validation_start(self, *args: Any) -> None:
        self.seconds.append(time.process_time() - self._started)


def fit(hidden: str, batch_size: int, steps: int, way: str) -> tuple[list[float], torch.Tensor]:
    """CPU seconds of two epochs' steps, and the logits of the validation rows after them."""
    words = [f"net.hidden={hidden}", "net.dropout=0", f"data.batch_size={batch_size}", "trainer.max_epochs=2"]
    config = plain(
        compose_config("train", [*words, "smoothing=standard", "logger=none", "callbacks=none", f"compile={way}"])
    )
    prepared = prepare(config)
    data: Any = prepared.data
    rows = data.split("val").features
    repeated(data, batch_size * steps)
    times = Times()
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(folder)
        with StatusFile(run, prepared.identity) as status:
            trainer = trainer_of(prepared, [StatusProgress(status), times], [])
            trainer.fit(prepared.task, datamodule=prepared.data)
    with torch.no_grad():
        return times.seconds, prepared.task.net.eval()(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help="write <output>.md")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    lines = [
        f"torch {torch.__version__}, CPU time, {options.threads} thread(s), {options.rounds} rounds, medians of ratios",
        "",
        "| net | compile | ms a step | over false | first epoch longer by, s | largest difference of a logit |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for name, (hidden, batch_size, steps) in CASES.items():
        seen: dict[str, list[list[float]]] = {way: [] for way in WAYS}
        logits: dict[str, torch.Tensor] = {}
        for number in range(options.rounds):
            for way in WAYS[number % 3 :] + WAYS[: number % 3]:
                seconds, logits[way] = fit(hidden, batch_size, steps, way)
                seen[way].append(seconds)
        for way in WAYS:
            step = 1e3 * statistics.median(each[1] for each in seen[way]) / steps
            pairs = zip(seen[way], seen["false"], strict=True)
            ratio = statistics.median(each[1] / plain_way[1] for each, plain_way in pairs)
            first = max(each[0] - each[1] for each in seen[way])
            apart = float((logits[way] - logits["false"]).abs().max())
            lines.append(f"| {name} | {way} | {step:.3f} | {ratio:.2f} | {first:.1f} | {apart:.1e} |")
            print(lines[-1], flush=True)
    if options.output:
        heading = "# Compiled steps\n\nMade by `python benchmarks/compiling.py`.\n\n"
        options.output.with_suffix(".md").write_text(heading + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
