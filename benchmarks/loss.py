"""The soft cross-entropy against its peers, forward and backward, side by side.

    python benchmarks/loss.py [--rounds 21] [--output benchmarks/results/loss]

Everything is a multiple of F.cross_entropy without smoothing on the same logits (float32). Each shape has a process of
its own. A round times every way once, in an order drawn anew; a ratio is the median over rounds of ratios within a
round. With one thread the clock is the process's CPU time, since other processes may share the machine; with two it is
the wall. Every way makes what it needs from labels in each step; only "votes" and the prior vector and matrix exist
beforehand.

Freed memory may go back to the system, and then half of a step is page faults, most of them of the way that takes most
memory; or the allocator keeps it. With glibc's defaults it is now one, now the other, by chance of the heap's layout.
So the large shapes are also measured with an allocator that keeps what it has ("kept").

Memory is the growth of the peak resident size over one step, in a process of its own, in multiples of the logits; the
gradient of the logits, which every way must leave, is 1.0 of it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from smoothlab import SoftTarget, soft_cross_entropy
from smoothlab.targets import PerClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

EPSILON = 0.1
SMALL = [(256, 2), (256, 10), (128, 1000)]
LARGE = [(4096, 1000), (2048, 8000), (2048, 32000), (512, 128000)]
LIMITS = {(256, 2): 1.8, (256, 10): 1.5, (128, 1000): 1.5} | dict.fromkeys(LARGE, 0.8)
MEMORY_LIMIT = 1.1
OURS = ["uniform", "exclusive", "vector", "matrix", "by sample", "votes"]
MEASURED_MEMORY = ["cross-entropy", "uniform", "vector", "torch smoothing", "dense q", "one-hot KLDiv"]
PEERS = ["torch smoothing", "dense q", "one-hot KLDiv"]
NOTES = {
    "torch smoothing": "F.cross_entropy(label_smoothing=0.1)",
    "dense q": "the target multiplied out in each step, into F.cross_entropy",
    "one-hot KLDiv": "log_softmax, full, scatter, KLDivLoss, as in many tutorials",
    "by sample": "uniform prior, one epsilon for each sample",
    "votes": "a dense base that exists beforehand",
    "memory": "default: glibc as it comes, which gives memory back by chance; kept: an allocator that keeps it",
}
KEPT = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 33)}  # glibc
MATRIX_CLASSES = 8000  # a (K, K) prior beyond is larger than the logits


def ways(rows: int, classes: int, *, dense: bool = True) -> tuple[Tensor, dict[str, Callable[[], Tensor]]]:
    """The logits, and every way to a loss on them; the first is what all are compared with.

    With ``dense=False`` without those that need a large tensor to begin with, whose making would hide a peak.
    """
    torch.manual_seed(0)
    z = torch.randn(rows, classes, requires_grad=True)
    y = torch.randint(0, classes, (rows,))
    vector = torch.rand(classes)
    vector /= vector.sum()
    epsilons = torch.rand(rows) * 2 * EPSILON

    def dense_q() -> Tensor:
        q = torch.full((rows, classes), EPSILON / classes)
        q.scatter_(1, y.unsqueeze(1), 1 - EPSILON + EPSILON / classes)
        return F.cross_entropy(z, q)

    def one_hot_kldiv() -> Tensor:
        q = torch.full_like(z, EPSILON / (classes - 1))
        q.scatter_(1, y.unsqueeze(1), 1 - EPSILON)
        return F.kl_div(F.log_softmax(z, dim=1), q, reduction="batchmean")

    def ours(prior: Any = None, base: Tensor = y, epsilon: float | Tensor = EPSILON) -> Callable[[], Tensor]:
        return lambda: soft_cross_entropy(z, SoftTarget(base, epsilon, prior))

    ways_of_loss: dict[str, Callable[[], Tensor]] = {
        "cross-entropy": lambda: F.cross_entropy(z, y),
        "uniform": ours(),
        "exclusive": ours("exclusive"),
        "vector": ours(vector),
        "by sample": ours(epsilon=epsilons),
        "torch smoothing": lambda: F.cross_entropy(z, y, label_smoothing=EPSILON),
        "dense q": dense_q,
        "one-hot KLDiv": one_hot_kldiv,
    }
    if dense and classes <= MATRIX_CLASSES:
        ways_of_loss["matrix"] = ours(PerClass(torch.rand(classes, classes).softmax(1)))
        ways_of_loss["votes"] = ours(base=torch.rand(rows, classes).softmax(1))
    return z, ways_of_loss


def step(z: Tensor, way: Callable[[], Tensor]) -> None:
    z.grad = None
    way().backward()


def time_ratios(rows: int, classes: int, threads: int, rounds: int) -> dict[str, Any]:
    """Milliseconds of plain cross-entropy, and each way's median ratio to it."""
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    z, computed = ways(rows, classes)
    repeats = max(1, min(400, round(4e6 / z.numel())))
    times: dict[str, list[float]] = {name: [] for name in computed}
    names = list(computed)
    random.seed(0)
    for number in range(rounds + 1):  # the first warms up
        for name in random.sample(names, len(names)):
            step(z, computed[name])  # the allocator and the caches as this way leaves them
            started = clock()
            for _ in range(repeats):
                step(z, computed[name])
            if number:
                times[name].append((clock() - started) / repeats)
    base = times["cross-entropy"]
    return {
        "rows": rows,
        "classes": classes,
        "threads": threads,
        "cross_entropy_ms": 1e3 * statistics.median(base),
        "ratios": {
            name: statistics.median(a / b for a, b in zip(times[name], base, strict=True)) for name in names[1:]
        },
    }


def peak_growth(rows: int, classes: int, name: str) -> float:
    """Growth of the peak resident size over one step in this process, in multiples of the logits."""
    torch.set_num_threads(1)
    small, computed = ways(64, 1000, dense=False)  # large enough for the code that the large shapes run
    step(small, computed[name])  # what the first step of a process loads
    z, computed = ways(rows, classes, dense=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step(z, computed[name])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    return (after - before) * unit / (z.numel() * z.element_size())


def in_fresh_process(*arguments: object, environment: dict[str, str] | None = None) -> Any:
    """What the script that runs prints as JSON when it is called with these arguments."""
    command = [sys.executable, sys.argv[0], *map(str, arguments)]
    environment = os.environ | (environment or {})
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def memory_growth(rows: int, classes: int, names: list[str]) -> dict[str, float]:
    """Each way's growth of the peak, every one in a fresh process."""
    return {name: in_fresh_process("--memory-of", name, "--shape", rows, classes) for name in names}


def machine() -> str:
    """Processor, cores and versions."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    capability = torch.backends.cpu.get_cpu_capability()
    return (
        f"{model}, {os.cpu_count()} cores, {capability}; torch {torch.__version__}, "
        f"Python {platform.python_version()}, {platform.system()}"
    )


def cell(values: dict[str, float], name: str) -> str:
    return f"{values[name]:.2f}" if name in values else ""


def time_table(results: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| threads | memory | shape | cross-entropy, ms | limit | " + " | ".join(OURS + PEERS) + " |",
        "|---" * (5 + len(OURS) + len(PEERS)) + "|",
    ]
    for result in results:
        shape = (result["rows"], result["classes"])
        limit = f"{LIMITS[shape]}" if result["threads"] == 1 else ""
        cells = " | ".join(cell(result["ratios"], name) for name in OURS + PEERS)
        lines.append(
            f"| {result['threads']} | {result['memory']} | {shape} "
            f"| {result['cross_entropy_ms']:.3f} | {limit} | {cells} |"
        )
    return lines


def memory_table(memory: list[dict[str, Any]], names: list[str]) -> list[str]:
    lines = ["| shape | " + " | ".join(names) + " |", "|---" * (1 + len(names)) + "|"]
    for row in memory:
        cells = " | ".join(cell(row["growth"], name) for name in names)
        lines.append(f"| ({row['rows']}, {row['classes']}) | {cells} |")
    return lines


def misses(results: list[dict[str, Any]], memory: list[dict[str, Any]]) -> list[str]:
    """Where uniform or vector prior is beyond a limit, with one thread."""
    misses = []
    for row in results:
        shape, ratios = (row["rows"], row["classes"]), row["ratios"]
        for name in ("uniform", "vector"):
            if row["threads"] == 1 and ratios[name] > LIMITS[shape]:
                misses.append(f"{name} at {shape}: {ratios[name]:.2f}, limit {LIMITS[shape]}")
            if row["threads"] == 1 and shape in SMALL and ratios[name] > ratios["torch smoothing"]:
                misses.append(f"{name} at {shape}: slower than torch smoothing")
    for row in memory:
        for name in ("uniform", "vector"):
            if row["growth"][name] > MEMORY_LIMIT:
                misses.append(f"{name} at {(row['rows'], row['classes'])}: memory {row['growth'][name]:.2f}")
    return misses


def report(record: dict[str, Any]) -> list[str]:
    """The lines of the page."""
    results, memory = record["times"], record["memory"]
    return [
        "# Soft cross-entropy, forward + backward, float32",
        "",
        record["machine"],
        "",
        "Medians of paired ratios to F.cross_entropy without smoothing "
        f"({record['rounds']} rounds, a third of them for the "
        "largest shapes). One thread: CPU time. Two threads: wall time, on a machine that is otherwise idle; beside "
        "another busy process the chunked loss, which has more parallel loops to wait for, took up to 4 x.",
        "",
        *time_table(results),
        "",
        *(f"- {name}: {note}" for name, note in NOTES.items()),
        "",
        "Growth of the peak resident size over one step, in multiples of the logits (limit 1.1):",
        "",
        *memory_table(memory, MEASURED_MEMORY),
        "",
        "Beyond a limit: " + ("; ".join(misses(results, memory)) or "nothing") + ".",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--output", type=Path, help="write <output>.json and <output>.md")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--shape", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.shape:  # one measurement, for the process that asked for it
        rows, classes = options.shape
        if options.memory_of:
            print(json.dumps(peak_growth(rows, classes, options.memory_of)))
        else:
            print(json.dumps(time_ratios(rows, classes, options.threads, options.rounds)))
        return

    results: list[dict[str, Any]] = []
    settings = [(1, "default", SMALL + LARGE), (1, "kept", LARGE), (2, "default", SMALL + LARGE), (2, "kept", LARGE)]
    for threads, allocator, shapes in settings:
        for rows, classes in shapes:
            rounds = options.rounds if rows * classes <= 1 << 24 else max(5, options.rounds // 3)
            arguments = ("--shape", rows, classes, "--threads", threads, "--rounds", rounds)
            measurement = in_fresh_process(*arguments, environment=KEPT if allocator == "kept" else None)
            results.append({"memory": allocator, **measurement})
            print("\n".join(time_table(results[-1:])[2:] if len(results) > 1 else time_table(results)), flush=True)
    memory = [
        {"rows": rows, "classes": classes, "growth": memory_growth(rows, classes, MEASURED_MEMORY)}
        for rows, classes in LARGE
    ]
    record = {"machine": machine(), "rounds": options.rounds, "times": results, "memory": memory}
    lines = report(record)
    print("\n".join(lines[-(6 + len(memory)) :]))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.with_suffix(".md").write_text("\n".join(lines) + "\n")
        options.output.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
