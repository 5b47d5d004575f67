"""One whole training step with each strategy, as a multiple of the same step without smoothing.

    python benchmarks/step.py [--rounds 31] [--output benchmarks/results/step]

Two cases, float32, one thread, the process's CPU time: the breast-cancer MLP at batch 1024, and a small convnet on
28 x 28 images at batch 128. A step is the forward pass, the soft target, the loss, the backward pass and AdamW, as
ClassificationTask does it. The strategies are all options of smoothing/strength (with the uniform prior) and of
smoothing/prior (with the constant strength), told what they need. A round times every strategy once, in an order drawn
anew; a ratio is the median over rounds of ratios within a round. "F.cross_entropy" is a step of plain torch.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from loss import machine

from smoothlab.classes import ClassInfo
from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.data import Batch
from smoothlab.errors import UserMistake
from smoothlab.nets import MLP
from smoothlab.tasks import ClassificationTask

if TYPE_CHECKING:
    from collections.abc import Callable

CONF = Path(__file__).parents[1] / "conf" / "smoothing"
LIMITS = {"mlp": 1.10, "convnet": 1.05}
PLAIN = "F.cross_entropy"


def convnet(num_classes: int) -> nn.Module:
    """Two convolutions and two linear layers, 28 x 28 in."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 49, 64), nn.ReLU(), nn.Linear(64, num_classes)),
    )


def case(name: str) -> tuple[Callable[[], nn.Module], Batch, list[str]]:
    """Net, one batch and class names."""
    generator = torch.Generator().manual_seed(0)
    rows, shape, num_classes = (1024, (30,), 2) if name == "mlp" else (128, (1, 28, 28), 10)
    names = [f"c{k}" for k in range(num_classes)]
    batch = Batch(
        torch.randn(rows, *shape, generator=generator),
        torch.randint(0, num_classes, (rows,), generator=generator),
        torch.arange(rows),
        {"agreement": torch.rand(rows, generator=generator)},
    )
    if name == "mlp":
        return lambda: MLP(30, num_classes, hidden=[64, 64, 64], dropout=0.0), batch, names
    return lambda: convnet(num_classes), batch, names


def needs(class_names: list[str]) -> dict[str, list[str]]:
    """What the options that have a mandatory key are told."""
    num_classes = len(class_names)
    uniform = [[1 / num_classes] * num_classes] * num_classes
    return {
        "strength/column": ["smoothing.strength.column=agreement"],
        "strength/value": ["smoothing.strength.column=agreement", "smoothing.strength.values={0.5: 0.2}"],
        "strength/by_class": ["smoothing.strength.epsilon={c0: 0.2}", "smoothing.strength.default=0.1"],
        "strength/rules": [
            "smoothing.strength.rules=[{when: {column: agreement, below: 0.5}, epsilon: 0.2}]",
            "smoothing.strength.default=0.1",
        ],
        "prior/vector": [f"smoothing.prior.weights={[1.0] * num_classes}"],
        "prior/similarity": [f"smoothing.prior.matrix={uniform}"],
        "prior/embeddings": [f"smoothing.prior.embeddings={uniform}"],
        "prior/tree": [f"smoothing.prior.tree=[{','.join(class_names)}]"],
    }


def steps(name: str) -> dict[str, Callable[[], None]]:
    """A training step by the strategy's name; those that cannot be used here are left out, and named."""
    make_net, batch, class_names = case(name)
    info = ClassInfo(class_names, [len(batch) // len(class_names)] * len(class_names), len(batch))
    steps_of: dict[str, Callable[[], None]] = {}

    def add(title: str, words: list[str]) -> None:
        try:
            smoother = build(plain(compose_config("train", ["smoothing=standard", *words]))["smoothing"], "smoothing")
            smoother.bind(info)
            torch.manual_seed(0)
            task = ClassificationTask(make_net(), smoother, class_names, optimizer=torch.optim.AdamW).train()
            optimizer = torch.optim.AdamW(task.parameters(), lr=1e-4)
            task.terms(batch)
        except (UserMistake, ValueError) as error:
            print(f"{name}: {title} left out: {error}", file=sys.stderr)
            return

        def step() -> None:
            optimizer.zero_grad()
            _, loss, _ = task.terms(batch)
            (loss / len(batch)).backward()
            optimizer.step()

        steps_of[title] = step

    add("none", ["smoothing/strength=none"])
    for group in ("strength", "prior"):
        for option in sorted(path.stem for path in (CONF / group).glob("*.yaml")):
            if option != "none":
                names = needs(class_names).get(f"{group}/{option}", [])
                add(f"{group}={option}", [f"smoothing/{group}={option}", *names])

    torch.manual_seed(0)
    net = make_net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)

    def plain_step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(batch.features), batch.labels).backward()
        optimizer.step()

    steps_of[PLAIN] = plain_step
    return steps_of


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Milliseconds of a step without smoothing, and each strategy's median ratio to it."""
    ready = steps(name)
    repeats = 8 if name == "mlp" else 1
    times: dict[str, list[float]] = {title: [] for title in ready}
    random.seed(0)
    for number in range(rounds + 2):  # the first two warm up
        for title in random.sample(list(ready), len(ready)):
            started = time.process_time()
            for _ in range(repeats):
                ready[title]()
            if number > 1:
                times[title].append((time.process_time() - started) / repeats)
    base = times["none"]
    ratios = {title: statistics.median(a / b for a, b in zip(times[title], base, strict=True)) for title in ready}
    return {"case": name, "none_ms": 1e3 * statistics.median(base), "ratios": ratios}


def page(results: list[dict[str, Any]], rounds: int) -> str:
    """The table as Markdown."""
    titles = list(dict.fromkeys(title for result in results for title in result["ratios"]))
    lines = [
        "# One training step with each strategy",
        "",
        machine(),
        "",
        f"`python benchmarks/step.py`: medians of {rounds} paired ratios to the step without smoothing; one thread.",
        "",
        "| strategy | " + " | ".join(f"{result['case']}, {result['none_ms']:.2f} ms" for result in results) + " |",
        "|---" * (1 + len(results)) + "|",
        "| limit | " + " | ".join(f"{LIMITS[result['case']]:.2f}" for result in results) + " |",
    ]
    for title in titles:
        cells = (f"{result['ratios'][title]:.3f}" if title in result["ratios"] else "" for result in results)
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = [measure(name, arguments.rounds) for name in LIMITS]
    text = page(results, arguments.rounds)
    print(text)
    if arguments.output:
        arguments.output.with_suffix(".json").write_text(json.dumps({"machine": machine(), "cases": results}, indent=2))
        arguments.output.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
