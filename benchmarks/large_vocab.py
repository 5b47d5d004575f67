"""A linear layer and its soft cross-entropy for large vocabularies, forward and backward, against its peers.

    python benchmarks/large_vocab.py [--rounds 7] [--output benchmarks/results/large_vocab]

Everything is a multiple of linear + F.cross_entropy without smoothing on the same hidden rows and weight (float32, no
bias), D = 512. Each shape has a process of its own. A round times every way once, in an order drawn anew; a ratio is
the median over rounds of ratios within a round. With one thread the clock is the process's CPU time, since other
processes may share the machine; with two it is the wall.

Three matrix products are in every way, and they are most of its time. What can be saved is the rest, page faults of
the logits' size among them: with an allocator that keeps its memory ("kept") there are none, and little is left to
save. Memory is the growth of the peak resident size over one step, in a process of its own, in multiples of the logits;
the gradients of hidden and weight, which every way must leave, are part of it.

The largest shape is timed once, and peers that make all its logits are left out where memory does not allow them.
The whole takes about 25 minutes.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from loss import KEPT, cell, in_fresh_process, machine
from torch import nn

from smoothlab import SoftTarget, linear_soft_cross_entropy, soft_cross_entropy
from smoothlab.targets import PerClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Way = Callable[[], Tensor]

EPSILON = 0.1
SIZE = 512  # D
MAIN = (2048, 32000)  # rows, classes; the shape that has limits
LARGEST = (8192, 128000)
SHAPES = [(2048, 2000), (2048, 4000), (2048, 8000), MAIN]
TIME_LIMIT, MEMORY_LIMIT = 0.9, 0.45
MATRIX_CLASSES = 8000  # a (K, K) prior beyond is larger than the logits
BASE = "linear + CE"
OURS = ["uniform", "exclusive", "vector", "matrix", "by row"]
PEERS = ["+ smoothing", "+ soft CE", "torch fused", "torch fused, 256"]
ALL_LOGITS = [BASE, "+ smoothing", "+ soft CE"]  # ways that make all logits, and about twice their size beside them
CHUNKS = [64, 128, 256, 512]
NOTES = {
    "uniform, exclusive, vector, matrix": "linear_soft_cross_entropy with that prior, 256 rows at a time",
    "by row": "uniform prior, one epsilon for each row",
    "+ smoothing": "linear + F.cross_entropy(label_smoothing=0.1)",
    "+ soft CE": "linear + soft_cross_entropy, uniform prior",
    "torch fused": "F.linear_cross_entropy with default options, without smoothing (with it, it makes all logits)",
    "torch fused, 256": "the same with 256 rows at a time",
    "memory": "default: glibc as it comes; kept: an allocator that keeps what it has",
}


def ways(rows: int, classes: int) -> tuple[list[Tensor], dict[str, Way]]:
    """Hidden and weight, and every way to a loss on them."""
    torch.manual_seed(0)
    # filled in place, because a temporary of weight's size would raise the peak before the step that is measured
    hidden = torch.empty(rows, SIZE).normal_().requires_grad_()
    weight = torch.empty(classes, SIZE).normal_(std=SIZE**-0.5).requires_grad_()
    y = torch.randint(0, classes, (rows,))
    vector = torch.rand(classes)
    vector /= vector.sum()
    epsilons = torch.rand(rows) * 2 * EPSILON

    def ours(prior: Any = None, epsilon: float | Tensor = EPSILON, chunk_size: int | None = None) -> Way:
        target = SoftTarget(y, epsilon, prior)
        return lambda: linear_soft_cross_entropy(hidden, weight, None, target, chunk_size=chunk_size)

    def torch_fused(chunk_size: int | None = None) -> Way:
        options = nn.LinearCrossEntropyOptions(batch_chunk_size=chunk_size)
        return lambda: F.linear_cross_entropy(hidden, weight, y, options=options)

    ways_of_loss: dict[str, Way] = {
        BASE: lambda: F.cross_entropy(F.linear(hidden, weight), y),
        "uniform": ours(),
        "exclusive": ours("exclusive"),
        "vector": ours(vector),
        "by row": ours(epsilon=epsilons),
        "+ smoothing": lambda: F.cross_entropy(F.linear(hidden, weight), y, label_smoothing=EPSILON),
        "+ soft CE": lambda: soft_cross_entropy(F.linear(hidden, weight), SoftTarget(y, EPSILON)),
        "torch fused": torch_fused(),
        "torch fused, 256": torch_fused(256),
        **{f"{size} rows": ours(chunk_size=size) for size in CHUNKS},
    }
    if classes <= MATRIX_CLASSES:
        matrix = torch.empty(classes, classes).uniform_()
        ways_of_loss["matrix"] = ours(PerClass(matrix.div_(matrix.sum(1, keepdim=True))))
    return [hidden, weight], ways_of_loss


def step(leaves: list[Tensor], way: Way) -> None:
    for leaf in leaves:
        leaf.grad = None
    way().backward()


def time_ratios(rows: int, classes: int, threads: int, rounds: int, names: list[str]) -> dict[str, Any]:
    """Seconds of every way, and its median ratio to the first of them."""
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    leaves, computed = ways(rows, classes)
    names = [name for name in names if name in computed]
    times: dict[str, list[float]] = {name: [] for name in names}
    random.seed(0)
    for number in range(rounds + (rounds > 1)):  # the first warms up, where there are several
        for name in random.sample(names, len(names)):
            started = clock()
            step(leaves, computed[name])
            if number or rounds == 1:
                times[name].append(clock() - started)
    base = times[names[0]]
    return {
        "rows": rows,
        "classes": classes,
        "threads": threads,
        "rounds": rounds,
        "seconds": {name: statistics.median(each) for name, each in times.items()},
        "ratios": {
            name: statistics.median(a / b for a, b in zip(each, base, strict=True)) for name, each in times.items()
        },
    }


def peak_growth(rows: int, classes: int, name: str) -> float:
    """Growth of the peak resident size over one step in this process, in MiB."""
    torch.set_num_threads(1)
    small, computed = ways(64, 1000)
    step(small, computed[name])  # what the first step of a process loads
    leaves, computed = ways(rows, classes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step(leaves, computed[name])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (after - before) * (1 if sys.platform == "darwin" else 1024) / 2**20


def mebibytes(rows: int, classes: int) -> float:
    """Size of the logits in float32."""
    return rows * classes * 4 / 2**20


def available() -> float:
    """Memory that is free for this, in MiB."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.is_file():
        return 0.0
    lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) / 1024


def fits(name: str, rows: int, classes: int) -> bool:
    """Whether a way may be run at a shape on this machine."""
    return name not in ALL_LOGITS or 4 * mebibytes(rows, classes) < available()


def memory(rows: int, classes: int, names: list[str]) -> dict[str, Any]:
    """Each way's growth of the peak in MiB, every one in a fresh process."""
    growth = {
        name: in_fresh_process("--memory-of", name, "--shape", rows, classes)
        for name in names
        if fits(name, rows, classes)
    }
    return {"rows": rows, "classes": classes, "growth": growth}


def time_table(times: list[dict[str, Any]]) -> list[str]:
    columns = OURS + PEERS
    lines = [
        f"| threads | memory | rounds | shape | {BASE}, s | limit | " + " | ".join(columns) + " |",
        "|---" * (6 + len(columns)) + "|",
    ]
    for timed in times:
        shape = (timed["rows"], timed["classes"])
        limited = shape == MAIN and timed["threads"] == 1 and timed["memory"] == "default"
        first = f"{timed['seconds'][BASE]:.2f}" if BASE in timed["seconds"] else ""
        head = [timed["threads"], timed["memory"], timed["rounds"], shape, first, TIME_LIMIT if limited else ""]
        cells = [cell(timed["ratios"], name) for name in columns]
        lines.append("| " + " | ".join(map(str, [*head, *cells])) + " |")
    return lines


def memory_table(measured: list[dict[str, Any]], names: list[str]) -> list[str]:
    lines = ["| shape | logits, MiB | " + " | ".join(names) + " |", "|---" * (2 + len(names)) + "|"]
    for measurement in measured:
        logits = mebibytes(measurement["rows"], measurement["classes"])
        growth = measurement["growth"]
        cells = [f"{growth[name]:.0f} ({growth[name] / logits:.2f})" if name in growth else "" for name in names]
        lines.append(
            f"| ({measurement['rows']}, {measurement['classes']}) | {logits:.0f} | " + " | ".join(cells) + " |"
        )
    return lines


def misses(record: dict[str, Any]) -> list[str]:
    """Where a prior is beyond a limit, at the shape and in the setting that have limits."""
    misses = []
    for row in record["times"]:
        if (row["rows"], row["classes"]) == MAIN and row["threads"] == 1 and row["memory"] == "default":
            ratios = {name: row["ratios"][name] for name in OURS if name in row["ratios"]}
            misses += [f"{name}: time {ratio:.2f}" for name, ratio in ratios.items() if ratio > TIME_LIMIT]
    for row in record["memory"]:
        if (row["rows"], row["classes"]) == MAIN:
            shares = {name: row["growth"][name] / mebibytes(*MAIN) for name in ("uniform", "vector")}
            misses += [f"{name}: memory {share:.2f}" for name, share in shares.items() if share > MEMORY_LIMIT]
    return misses


def report(record: dict[str, Any]) -> list[str]:
    """The lines of the page."""
    largest = record["largest"]
    first = next(iter(largest["seconds"]))
    timed = [f"{name} {seconds:.1f} s" for name, seconds in largest["seconds"].items()]
    return [
        "# Linear layer + soft cross-entropy for large vocabularies, forward + backward, float32",
        "",
        record["machine"],
        "",
        f"Medians of paired ratios to linear + F.cross_entropy without smoothing, D = {SIZE}. One thread: CPU time. "
        "Two threads: wall time.",
        "",
        *time_table(record["times"]),
        "",
        *(f"- {name}: {note}" for name, note in NOTES.items()),
        "",
        "Growth of the peak resident size over one step in MiB, and in multiples of the logits "
        f"(limit {MEMORY_LIMIT} at {MAIN}); an empty cell did not fit into memory:",
        "",
        *memory_table(record["memory"], [BASE, "+ smoothing", "+ soft CE", "torch fused, 256", "uniform", "vector"]),
        "",
        "It grows with the chunk (uniform prior), not with the rows:",
        "",
        *memory_table(record["chunks"], [f"{size} rows" for size in CHUNKS]),
        "",
        f"Of these the gradient of weight is {mebibytes(SIZE, MAIN[1]):.0f} and {mebibytes(SIZE, LARGEST[1]):.0f} MiB, "
        f"that of hidden {mebibytes(SIZE, MAIN[0]):.0f} and {mebibytes(SIZE, LARGEST[0]):.0f} MiB.",
        "",
        f"One step at {LARGEST}, one thread, once: {', '.join(timed)}"
        + ("." if first == BASE else f"; {BASE} did not fit into memory."),
        "",
        "Beyond a limit: " + ("; ".join(misses(record)) or "nothing") + ".",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, help="write <output>.json and <output>.md")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--shape", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--ways", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.shape:  # one measurement, for the process that asked for it
        rows, classes = options.shape
        if options.memory_of:
            print(json.dumps(peak_growth(rows, classes, options.memory_of)))
        else:
            print(json.dumps(time_ratios(rows, classes, options.threads, options.rounds, options.ways)))
        return

    times: list[dict[str, Any]] = []
    for threads, allocator in [(1, "default"), (1, "kept"), (2, "default")]:
        for rows, classes in SHAPES:
            arguments = ("--shape", rows, classes, "--threads", threads, "--rounds", options.rounds)
            environment = {"OMP_NUM_THREADS": str(threads)} | (KEPT if allocator == "kept" else {})
            measurement = in_fresh_process(*arguments, "--ways", BASE, *OURS, *PEERS, environment=environment)
            times.append({"memory": allocator, **measurement})
            print("\n".join(time_table(times[-1:])[2:] if len(times) > 1 else time_table(times)), flush=True)
    names = [name for name in (BASE, "uniform", "torch fused, 256") if fits(name, *LARGEST)]
    record = {
        "machine": machine(),
        "times": times,
        "memory": [
            memory(*MAIN, [*ALL_LOGITS, "torch fused, 256", "uniform", "vector"]),
            memory(*LARGEST, [BASE, "torch fused, 256", "uniform"]),
        ],
        "chunks": [
            memory(*MAIN, [f"{size} rows" for size in CHUNKS]),
            memory(MAIN[0], LARGEST[1], ["64 rows", "256 rows"]),
            memory(*LARGEST, ["64 rows", "256 rows"]),
        ],
        "largest": in_fresh_process("--shape", *LARGEST, "--threads", 1, "--rounds", 1, "--ways", *names),
    }
    lines = report(record)
    print("\n".join(lines[lines.index("", 7 + len(times)) :]))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.with_suffix(".md").write_text("\n".join(lines) + "\n")
        options.output.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
