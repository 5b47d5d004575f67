"""smoothing=auto against the best of a grid of nine constant strengths, on five tabular sets.

    python benchmarks/auto.py                        # half an hour; writes benchmarks/results/auto.json and auto.md
    python benchmarks/auto.py --cache FOLDER         # keeps each run there, and goes on after an interruption
    python benchmarks/auto.py --tune --cache FOLDER  # the choice of the rule's constants, without test data

All arms of a seed share split, initial weights and batches, and are trained as one stack of nets, with an AdamW step
for each; tests/smoothing/test_auto.py shows that an arm is what an ordinary loop gives. The learning rate is constant,
so that the run with early stopping is the beginning of the one without, and both are read from one training.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from smoothlab import Smoother, soft_cross_entropy
from smoothlab.smoothing import ClassInfo, Constant, Step, Uniform
from smoothlab.smoothing.strengths.auto import Auto

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from smoothlab.smoothing.strengths.strength import Strength

    Runs = dict[str, dict[str, list[float]]]

GRID = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
CONSTANTS = {f"{epsilon:g}": partial(Constant, epsilon) for epsilon in GRID}
NONE, USUAL, AUTO = "0", "0.1", "auto"
EPOCHS, PATIENCE, BATCH, HIDDEN, RATE, DECAY = 100, 20, 64, (128, 128), 1e-3, 0.01
FILES = {
    "breast cancer": None,
    "wheat seeds": "agriculture/wheat_seeds/wheat-seeds.csv",
    "dry bean": "agriculture/dry_bean/Dry_Bean_Dataset.csv",
    "German credit": "finance/german_credit/german.csv",
    "fetal health": "medical/fetal_health/fetal_health.csv",
}
HERE = Path(__file__).resolve().parent


def shared_folder() -> Path:
    """The folder with ``data/``: SMOOTHLAB_SHARED, or ``../shared`` beside the checkout."""
    return Path(os.environ.get("SMOOTHLAB_SHARED", HERE.parents[1] / "shared"))


def read(name: str) -> tuple[pd.DataFrame, Tensor]:
    """Features, with text columns as indicators, and labels from 0."""
    path = FILES[name]
    if path is None:
        data = load_breast_cancer(as_frame=True)
        table, labels = data.data, data.target
    else:
        header = "infer" if name in ("dry bean", "fetal health") else None
        frame = pd.read_csv(shared_folder() / "data" / path, sep=";" if name == "dry bean" else ",", header=header)
        table, labels = frame.iloc[:, :-1], frame.iloc[:, -1]
    table.columns = [str(column) for column in table.columns]
    return pd.get_dummies(table, dtype=float), torch.tensor(pd.factorize(labels, sort=True)[0])


def split(table: pd.DataFrame, labels: Tensor, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Training, validation and test, 64/16/20, stratified; features scaled by the training part."""
    rows = range(len(labels))
    rest, test = train_test_split(rows, test_size=0.2, stratify=labels, random_state=seed)
    train, val = train_test_split(rest, test_size=0.2, stratify=labels[rest], random_state=seed)
    values = torch.tensor(table.to_numpy(), dtype=torch.float64)
    mean, scale = values[train].mean(0), values[train].std(0)
    scaled = ((values - mean) / scale.where(scale > 0, 1.0)).float()
    return [(scaled[part], labels[part]) for part in (train, val, test)]


def make_net(features: int, classes: int, seed: int) -> nn.Sequential:
    """The net of every arm at its start."""
    torch.manual_seed(seed)
    first, second = HIDDEN
    return nn.Sequential(
        nn.Linear(features, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, classes)
    )


def batches(count: int, seed: int) -> Callable[[], Sequence[Tensor]]:
    """Each call draws the row numbers of an epoch's batches."""
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randperm(count, generator=generator).split(BATCH)


class Stack:
    """Copies of one net, one an arm, trained together: weights ``(A, in, out)``."""

    def __init__(self, net: nn.Sequential, arms: int) -> None:
        linear = [layer for layer in net if isinstance(layer, nn.Linear)]
        self.weights = [layer.weight.detach().T.repeat(arms, 1, 1) for layer in linear]
        self.biases = [layer.bias.detach().repeat(arms, 1, 1) for layer in linear]
        self.optimizer = torch.optim.AdamW([*self.weights, *self.biases], lr=RATE, weight_decay=DECAY, fused=True)

    def layers(self, features: Tensor) -> list[Tensor]:
        """What each layer takes, and the logits ``(A, N, K)``."""
        values = [features.expand(len(self.weights[0]), -1, -1)]
        for weight, bias in zip(self.weights, self.biases, strict=True):
            values.append(torch.baddbmm(bias, values[-1], weight))
            if weight is not self.weights[-1]:
                values[-1].relu_()
        return values

    def step(self, features: Tensor, labels: Tensor, epsilon: Tensor) -> None:
        """One AdamW step of every arm with its own epsilon ``(A,)``, the prior uniform."""
        *inputs, logits = self.layers(features)
        classes = logits.shape[-1]
        epsilon = epsilon.reshape(-1, 1, 1)
        target = (1 - epsilon) * F.one_hot(labels, classes) + epsilon / classes
        gradient = (logits.softmax(-1) - target) / len(labels)
        for weight, bias, taken in reversed(list(zip(self.weights, self.biases, inputs, strict=True))):
            weight.grad = (taken.transpose(1, 2) @ gradient).contiguous()  # fused AdamW goes by memory, not by index
            bias.grad = gradient.sum(1, keepdim=True)
            if weight is not self.weights[0]:
                gradient = (gradient @ weight.transpose(1, 2)) * (taken > 0)
        self.optimizer.step()


def nll(logits: Tensor, labels: Tensor) -> list[float]:
    """Mean NLL of each arm, for logits ``(A, N, K)``."""
    log_p = logits.double().log_softmax(-1)
    return (-log_p.gather(-1, labels.expand(len(log_p), -1).unsqueeze(-1)).mean((1, 2))).tolist()


def train(parts: list[tuple[Tensor, Tensor]], strengths: Sequence[Strength], seed: int, epochs: int = EPOCHS) -> Any:
    """Validation and test NLL and epsilon of each arm after each epoch: lists ``[arm][epoch]``."""
    (x, y), (val_x, val_y), (test_x, test_y) = parts
    classes = int(y.max()) + 1
    info = ClassInfo([str(k) for k in range(classes)], torch.bincount(y).tolist(), len(y))
    smoothers = [Smoother(strength, Uniform()) for strength in strengths]
    learning = [smoother for smoother in smoothers if isinstance(smoother.strength, Auto)]
    for smoother in smoothers:
        smoother.bind(info)
    stack = Stack(make_net(x.shape[1], classes, seed), len(smoothers))
    epoch_batches = batches(len(y), seed)
    histories: dict[str, list[list[float]]] = {"val": [], "test": [], "epsilon": []}
    for _ in range(epochs):
        epsilon = torch.tensor([float(smoother.target(Step(y[:0])).epsilon) for smoother in smoothers])
        for rows in epoch_batches():
            labels = y[rows]
            step = Step(labels)
            for smoother in learning:
                smoother.target(step)
            stack.step(x[rows], labels, epsilon)
        logits = stack.layers(val_x)[-1]
        histories["epsilon"].append(epsilon.tolist())
        histories["val"].append(nll(logits, val_y))
        histories["test"].append(nll(stack.layers(test_x)[-1], test_y))
        for smoother, its in zip(smoothers, logits, strict=True):
            if isinstance(smoother.strength, Auto):
                smoother.strength.validate(its, val_y)
                smoother.strength.end_epoch()
                smoother.strength.end_validation()
    return {name: [list(arm) for arm in zip(*rows, strict=True)] for name, rows in histories.items()}


def stop(val: Sequence[float]) -> int:
    """The epoch whose weights early stopping keeps: the best one before ``PATIENCE`` epochs without a better one."""
    best = 0
    for epoch, value in enumerate(val):
        if value < val[best]:
            best = epoch
        elif epoch - best >= PATIENCE:
            break
    return best


def runs_of(
    name: str,
    seeds: Sequence[int],
    arms: Mapping[str, Callable[[], Strength]],
    cache: Path | None,
    *,
    test: bool = True,
) -> list[Runs]:
    """For each seed, by arm: validation and test NLL and epsilon after each epoch."""
    table, labels = read(name)
    records = []
    for seed in seeds:
        file = cache / f"{name.replace(' ', '_')}_{seed}.json" if cache else None
        runs: Runs = json.loads(file.read_text()) if file and file.is_file() else {}
        missing = {arm: make for arm, make in arms.items() if arm not in runs}
        if missing:
            parts = split(table, labels, seed)
            if not test:
                parts[2] = (parts[1][0][:1], parts[1][1][:1])
            histories = train(parts, [make() for make in missing.values()], seed)
            for place, arm in enumerate(missing):
                runs[arm] = {key: [round(value, 6) for value in values[place]] for key, values in histories.items()}
            if file:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(runs))
        records.append(runs)
        print(f"{name}, seed {seed}", flush=True)
    return records


def at_end(runs: list[Runs], arm: str, what: str, stopped: bool) -> list[float]:
    """Of each seed, what an arm has in the end: where early stopping keeps it, or after the last epoch."""
    return [run[arm][what][stop(run[arm]["val"]) if stopped else -1] for run in runs]


def best_constant(runs: list[Runs], stopped: bool) -> str:
    """The constant with the least mean validation NLL."""
    return min(CONSTANTS, key=lambda arm: statistics.mean(at_end(runs, arm, "val", stopped)))


def cell(name: str, runs: list[Runs], stopped: bool) -> dict[str, Any]:
    """One set in one regime: mean test NLL, and the paired difference of auto and the grid's best."""
    best = best_constant(runs, stopped)
    test = {arm: at_end(runs, arm, "test", stopped) for arm in (*CONSTANTS, AUTO)}
    differences = [a - b for a, b in zip(test[AUTO], test[best], strict=True)]
    epsilons = at_end(runs, AUTO, "epsilon", stopped)
    return {
        "set": name,
        "early_stopping": stopped,
        "best": best,
        "test": {arm: statistics.mean(values) for arm, values in test.items()},
        "difference": statistics.mean(differences),
        "error": statistics.stdev(differences) / len(differences) ** 0.5,
        "epsilon": [statistics.mean(epsilons), min(epsilons), max(epsilons)],
    }


def seconds_an_epoch(parts: list[tuple[Tensor, Tensor]], strength: Strength, epochs: int) -> float:
    """CPU seconds of an epoch and its validation in an ordinary loop."""
    (x, y), (val_x, val_y), _ = parts
    classes = int(y.max()) + 1
    net, draw = make_net(x.shape[1], classes, 0), batches(len(y), 0)
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    smoother = Smoother(strength, Uniform())
    smoother.bind(ClassInfo([str(k) for k in range(classes)], torch.bincount(y).tolist(), len(y)))
    started = time.process_time()
    for _ in range(epochs):
        for rows in draw():
            optimizer.zero_grad()
            soft_cross_entropy(net(x[rows]), smoother(y[rows])).backward()
            optimizer.step()
        with torch.no_grad():
            logits = net(val_x)
            F.cross_entropy(logits, val_y)
            if isinstance(strength, Auto):
                strength.validate(logits, val_y)
                strength.end_validation()
    return (time.process_time() - started) / epochs


def cost(name: str, rounds: int = 9) -> float:
    """An epoch with auto, in multiples of one with a constant: median of ratios within a round."""
    parts = split(*read(name), 0)
    epochs = max(1, 3000 // len(parts[0][1]))
    ratios = []
    for number in range(rounds + 1):  # the first warms up
        constant, auto = (seconds_an_epoch(parts, strength, epochs) for strength in (Constant(0.1), Auto()))
        if number:
            ratios.append(auto / constant)
    return statistics.median(ratios)


# The choice of the constants ------------------------------------------------------------------------------------------

TUNING_SEEDS = {name: range(100, 101 if name == "dry bean" else 110) for name in FILES}
CANDIDATES = [
    *((0.0, offset, 1.0, 0.3) for offset in (0.01, 0.02, 0.03)),
    *((0.0, 0.02, 1.0, 0.5), (0.0, 0.02, 0.7, 0.3), (0.0, 0.02, 0.7, 0.5), (0.0, 0.03, 0.7, 0.3)),
    *((0.0, 0.03, 0.5, 0.3), (0.0, 0.03, 0.5, 0.5), (0.0, 0.05, 0.5, 0.3)),
    *((start, 0.02, 0.7, 0.5) for start in (0.05, 0.1, 0.2, 0.3)),
    *((0.1, 0.02, 1.0, 0.5), (0.2, 0.02, 1.0, 0.5), (0.2, 0.03, 1.0, 0.5)),
    *((0.3, 0.02, 1.0, 0.3), (0.3, 0.02, 1.5, 0.5)),
]


def candidate(start: float, offset: float, rate: float, doubt: float) -> Auto:
    """The rule with other constants."""
    rule: Auto = type("Candidate", (Auto,), {"offset": offset, "doubt": doubt})(start=start, rate=rate)
    return rule


def tune(cache: Path | None) -> list[dict[str, Any]]:
    """Validation NLL of each candidate minus that of the grid's best constant; no test data are read."""
    arms = {f"{s:g} {o:g} {r:g} {d:g}": partial(candidate, s, o, r, d) for s, o, r, d in CANDIDATES}
    losses: dict[str, list[float]] = {arm: [] for arm in arms}
    for name, seeds in TUNING_SEEDS.items():
        runs = runs_of(name, seeds, {**CONSTANTS, **arms}, cache, test=False)
        for stopped in (True, False):
            base = at_end(runs, best_constant(runs, stopped), "val", stopped)
            for arm in arms:
                its = at_end(runs, arm, "val", stopped)
                losses[arm].append(statistics.mean(its) - statistics.mean(base))
    rows = [dict(zip(("start", "offset", "rate", "doubt"), candidate, strict=True)) for candidate in CANDIDATES]
    return [
        row | {"mean": statistics.mean(cells), "worst": max(cells)}
        for row, cells in zip(rows, losses.values(), strict=True)
    ]


# The page -------------------------------------------------------------------------------------------------------------


def machine() -> str:
    """Processor, cores and versions."""
    model, cpuinfo = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, one thread; torch {torch.__version__}, Python {platform.python_version()}"


def table(cells: list[dict[str, Any]]) -> list[str]:
    """Markdown rows of one regime."""
    lines = [
        "| set | none | 0.1, the usual | grid's best (epsilon) | auto | auto - grid's best | epsilon in the end |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell in cells:
        test, (mean, low, high) = cell["test"], cell["epsilon"]
        lines.append(
            f"| {cell['set']} | {test[NONE]:.4f} | {test[USUAL]:.4f} | {test[cell['best']]:.4f} ({cell['best']}) | "
            f"{test[AUTO]:.4f} | {cell['difference']:+.4f} ± {cell['error']:.4f} "
            f"| {mean:.3f} ({low:.3f} to {high:.3f}) |"
        )
    return lines


def report(record: dict[str, Any]) -> list[str]:
    """The lines of the page."""
    cells = record["cells"]
    mean = statistics.mean(cell["difference"] for cell in cells)
    beyond = [
        f"{cell['set']} {'with' if cell['early_stopping'] else 'without'} early stopping"
        for cell in cells
        if cell["difference"] > max(2 * cell["error"], 0.01)
    ]
    usual = statistics.mean(cell["test"][USUAL] - cell["test"][cell["best"]] for cell in cells)
    none = statistics.mean(cell["test"][NONE] - cell["test"][cell["best"]] for cell in cells)
    costs = ", ".join(f"{value:.2f} on {name}" for name, value in record["costs"].items())
    highest = max(record["costs"].values())
    return [
        "# smoothing=auto against the best of nine constant strengths",
        "",
        record["machine"],
        "",
        f"Test NLL of the plain labels, mean of {record['seeds']} seeds. MLP 128-128, AdamW 1e-3, batch 64, uniform "
        "prior, split 64/16/20 stratified, a split and a start for each seed. The grid is "
        f"{', '.join(CONSTANTS)}; its best is the one with the least mean validation NLL. Differences are paired by "
        "seed, ± their standard error. auto uses the validation labels while it trains, early stopping and the grid "
        "after it; the test labels are used by nobody.",
        "",
        f"With early stopping on validation NLL (patience {PATIENCE}, at most {EPOCHS} epochs):",
        "",
        *table([cell for cell in cells if cell["early_stopping"]]),
        "",
        f"{EPOCHS} epochs to the end:",
        "",
        *table([cell for cell in cells if not cell["early_stopping"]]),
        "",
        f"Mean over the ten cells of auto minus the grid's best: {mean:+.4f} (sought: at most 0.005). Of no smoothing: "
        f"{none:+.4f}; of the usual 0.1: {usual:+.4f}.",
        "Cells worse by more than max(2 standard errors, 0.01): " + (", ".join(beyond) or "none") + ".",
        f"Cost: one run instead of nine. An epoch with auto takes {costs} times one with a constant (CPU time of an "
        f"ordinary loop), so that it costs {highest / 9:.2f} of the grid or less.",
        "",
        "## How the constants were chosen",
        "",
        "On validation NLL alone and on other seeds (100 to 109; dry bean only 100): the mean over the ten cells of "
        "auto minus the grid's best, both on validation. The chosen ones stand in bold: of those whose worst cell is "
        "clearly better than the others', it is the best. The starts above 0 were tried after a first round of test "
        "figures (for a start at 0) had shown the tenth cell, noisy data trained to the end, behind the grid; they too "
        "were chosen on the validation data of these other seeds. The limit of 0.5 was taken in the same way, from "
        "0.45, 0.5 and one that grows as K / (K - 1), "
        "which did no better, over sets of two and three classes.",
        "",
        "| start | offset | rate | doubt | mean | worst cell |",
        "|---|---|---|---|---|---|",
        *(
            (
                "| **{start:g}** | **{offset:g}** | **{rate:g}** | **{doubt:g}** |"
                if chosen(cell)
                else "| {start:g} | {offset:g} | {rate:g} | {doubt:g} |"
            ).format(**cell)
            + f" {cell['mean']:+.4f} | {cell['worst']:+.4f} |"
            for cell in record["tuning"]
        ),
    ]


def chosen(row: dict[str, float]) -> bool:
    """Whether these are the constants of the rule."""
    rule = Auto()
    return [row[name] for name in ("start", "offset", "rate", "doubt")] == [
        rule.start,
        rule.offset,
        rule.rate,
        rule.doubt,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cache", type=Path, help="a folder that keeps finished runs")
    parser.add_argument("--tune", action="store_true", help="only the choice of the constants")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "auto")
    options = parser.parse_args()
    torch.set_num_threads(1)
    page, data = options.output.with_suffix(".md"), options.output.with_suffix(".json")
    record = json.loads(data.read_text()) if data.is_file() else {}
    if options.tune:
        record["tuning"] = tune(options.cache / "tuning" if options.cache else None)
        for row in record["tuning"]:
            print(row)
    else:
        runs = {name: runs_of(name, range(options.seeds), {**CONSTANTS, AUTO: Auto}, options.cache) for name in FILES}
        record |= {
            "machine": machine(),
            "seeds": options.seeds,
            "cells": [cell(name, its, stopped) for name, its in runs.items() for stopped in (True, False)],
            "costs": {name: cost(name) for name in ("breast cancer", "dry bean")},
        }
    data.write_text(json.dumps(record, indent=1) + "\n")
    if "cells" in record and "tuning" in record:
        page.write_text("\n".join(report(record)) + "\n")


if __name__ == "__main__":
    main()
