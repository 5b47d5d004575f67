"""All streaming metrics together, in multiples of one softmax over the same batches, beside their peers.

    python benchmarks/metrics.py             # some minutes; writes benchmarks/results/metrics.json and metrics.md
    python benchmarks/metrics.py --quick     # a tenth of the samples, writes nothing

Each round times softmax, smoothlab and torchmetrics' CalibrationError over the same batches one after another; ratios
are taken inside a round, then the median over rounds. Memory is that of a process of its own which draws its batches
as it goes, so that what grows is the metric. netcal is measured once where it can be imported.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchmetrics
from torchmetrics.classification import MulticlassCalibrationError

from smoothlab.metrics import ClassificationMetrics, classification_metrics, ece

RESULTS = Path(__file__).resolve().parent / "results"
CASES = ((1_000_000, 10, 10_000), (10_000_000, 10, 10_000), (100_000, 1000, 1_000))  # samples, classes, batch
BINS = 15


def draw(samples: int, classes: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of an over-confident model, labels following a softmax of 0.6 of them; sure of itself at few classes."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(samples, classes, generator=generator) * (10 if classes < 100 else 4)
    labels = torch.empty(samples, dtype=torch.int64)
    for part in torch.arange(samples).split(100_000):
        chances = torch.softmax(logits[part] * 0.6, 1)
        labels[part] = torch.multinomial(chances, 1, generator=generator)[:, 0]
    return logits, labels


def clock(call: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, and what it returns."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def softmax(logits: torch.Tensor, labels: torch.Tensor, batch: int) -> None:
    for part in logits.split(batch):
        torch.softmax(part, 1)


def ours(logits: torch.Tensor, labels: torch.Tensor, batch: int) -> dict[str, float]:
    metric = ClassificationMetrics(logits.shape[1], BINS)
    for values, answers in zip(logits.split(batch), labels.split(batch), strict=True):
        metric.update(values, answers)
    return metric.compute()


def theirs(logits: torch.Tensor, labels: torch.Tensor, batch: int) -> float:
    metric = MulticlassCalibrationError(logits.shape[1], n_bins=BINS, validate_args=False)
    for values, answers in zip(logits.split(batch), labels.split(batch), strict=True):
        metric.update(values, answers)
    return float(metric.compute())


def compare(samples: int, classes: int, batch: int, rounds: int) -> dict[str, Any]:
    """Ratios to one softmax over the same batches, and errors against the exact forms."""
    torch.set_num_threads(1)
    logits, labels = draw(samples, classes, seed=0)
    ratios: dict[str, list[float]] = {"smoothlab": [], "torchmetrics ECE": []}
    seconds = []
    for _ in range(rounds):
        base, _ = clock(lambda: softmax(logits, labels, batch))
        mine, streamed = clock(lambda: ours(logits, labels, batch))
        other, their_ece = clock(lambda: theirs(logits, labels, batch))
        ratios["smoothlab"].append(mine / base)
        ratios["torchmetrics ECE"].append(other / base)
        seconds.append(base)
    result: dict[str, Any] = {
        "samples": samples,
        "classes": classes,
        "batch": batch,
        "softmax_seconds": statistics.median(seconds),
        "ratio": {name: round(statistics.median(values), 2) for name, values in ratios.items()},
        "ratio_range": {name: [round(min(v), 2), round(max(v), 2)] for name, v in ratios.items()},
    }
    known: dict[str, Any] = {"from_logits": True, "num_bins": BINS}
    seconds_exact, exact = clock(lambda: classification_metrics(logits, labels, **known))
    result["exact_ratio"] = round(seconds_exact / statistics.median(seconds), 2)
    result["error"] = {name: abs(streamed[name] - value) for name, value in exact.items()}
    result["ece"] = exact["ece"]
    result["torchmetrics_ece_off"] = abs(their_ece / exact["ece"] - 1)
    result |= netcal(logits, labels, statistics.median(seconds))
    return result


def netcal(logits: torch.Tensor, labels: torch.Tensor, base: float) -> dict[str, Any]:
    """netcal's ECE once, where it is installed."""
    try:
        from netcal.metrics import ECE
    except ImportError:
        return {}
    p, y = torch.softmax(logits, 1).numpy(), labels.numpy()
    seconds, value = clock(lambda: ECE(BINS).measure(p, y))
    return {"netcal_ratio": round(seconds / base, 2), "netcal_ece_off": abs(float(value) / ece_of(p, y) - 1)}


def ece_of(p: np.ndarray, y: np.ndarray) -> float:
    return ece(p, y, from_logits=False, num_bins=BINS)


def peak(restart: bool = False) -> float:
    """Peak resident MiB of this process, since it was last restarted (Linux)."""
    if restart:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def grown(tool: str, samples: int, classes: int, batch: int) -> float:
    """MiB by which this process grew over ``samples`` samples, after one batch as a warm-up."""
    torch.set_num_threads(1)
    logits, labels = draw(batch, classes, seed=0)
    metric: Any = (
        ClassificationMetrics(classes, BINS)
        if tool == "smoothlab"
        else MulticlassCalibrationError(classes, n_bins=BINS, validate_args=False)
    )
    metric.update(logits, labels)
    metric.compute()
    metric.reset()
    before = peak(restart=True)
    for number in range(samples // batch):
        metric.update(logits * (1.0 + 1e-4 * number), labels)  # no confidence comes twice
    metric.compute()
    return peak() - before


def memory(samples: int, classes: int, batch: int) -> dict[str, float]:
    seconds = {}
    for tool in ("smoothlab", "torchmetrics ECE"):
        command = [sys.executable, __file__, "--grown", tool, str(samples), str(classes), str(batch)]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        seconds[tool] = round(float(out), 1)
    return seconds


def overhead(samples: int, classes: int) -> float:
    """Milliseconds of one update and compute on small data, median of 50."""
    torch.set_num_threads(1)
    logits, labels = draw(samples, classes, seed=0)
    metric = ClassificationMetrics(classes, BINS)
    times = []
    for _ in range(50):
        start = time.perf_counter()
        metric.update(logits, labels)
        metric.compute()
        times.append(time.perf_counter() - start)
        metric.reset()
    return 1e3 * statistics.median(times)


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def markdown(results: dict[str, Any]) -> str:
    lines = [
        "# Streaming metrics: time, memory, error",
        "",
        f"{results['processor']}, Python {results['python']}, torch {results['torch']}, torchmetrics "
        f"{results['torchmetrics']}. Made by `python benchmarks/metrics.py`. Time is a multiple of one float32 softmax "
        "over the same batches, CPU time of one thread; medians over rounds, with their range.",
        "",
        "| samples x classes, batch | softmax, s | smoothlab, all 11 metrics | torchmetrics, ECE alone |",
        "|---|---|---|---|",
    ]
    for case in results["cases"]:
        cells = [
            f"{case['ratio'][name]:.2f} ({case['ratio_range'][name][0]:.2f}-{case['ratio_range'][name][1]:.2f})"
            for name in ("smoothlab", "torchmetrics ECE")
        ]
        name = f"{case['samples']:.0e} x {case['classes']}, {case['batch']}".replace("e+0", "e")
        lines.append(f"| {name} | {case['softmax_seconds']:.3f} | {cells[0]} | {cells[1]} |")
    lines += [
        "",
        "| samples x classes | worst error of a summed metric | aurc | ece_equal_mass | smece "
        "| torchmetrics' ECE off by "
        "| memory grown, MiB: smoothlab | torchmetrics ECE | exact functional forms, x softmax |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for case in results["cases"]:
        ranked = {name: case["error"][name] for name in ("aurc", "ece_equal_mass", "smece")}
        summed = max(value for name, value in case["error"].items() if name not in ranked)
        errors = " | ".join(f"{value:.1e}" for value in (summed, *ranked.values()))
        name = f"{case['samples']:.0e} x {case['classes']}".replace("e+0", "e")
        memory = case["memory"]
        lines.append(
            f"| {name} | {errors} | {case['torchmetrics_ece_off']:.1%} | {memory['smoothlab']} | "
            f"{memory['torchmetrics ECE']} | {case['exact_ratio']} |"
        )
    seen = [case for case in results["cases"] if "netcal_ratio" in case]
    if seen:
        shown = ", ".join(
            f"{c['samples']:.0e} x {c['classes']}: {c['netcal_ratio']} x softmax, ECE off by {c['netcal_ece_off']:.1%}"
            for c in seen
        )
        lines += ["", f"netcal's ECE, all samples at once: {shown}.".replace("e+0", "e")]
    shown = ", ".join(f"{name} {value:.2f} ms" for name, value in results["overhead_ms"].items())
    lines += ["", f"One update and compute on small data (one thread): {shown}.", ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples, two rounds, nothing written")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--grown", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.grown:
        tool, *numbers = arguments.grown
        print(grown(tool, *map(int, numbers)))
        return
    cases = [(n // 10, k, b) for n, k, b in CASES] if arguments.quick else list(CASES)
    results: dict[str, Any] = {
        "processor": processor(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchmetrics": torchmetrics.__version__,
        "cases": [],
    }
    for samples, classes, batch in cases:
        result = compare(samples, classes, batch, 2 if arguments.quick else arguments.rounds)
        result["memory"] = memory(samples, classes, batch)
        results["cases"].append(result)
        print(json.dumps(result), flush=True)
    results["overhead_ms"] = {f"{n} x {k}": overhead(n, k) for n, k in ((114, 2), (1000, 10), (10_000, 10))}
    text = markdown(results)
    print(text)
    if not arguments.quick:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "metrics.json").write_text(json.dumps(results, indent=1) + "\n")
        (RESULTS / "metrics.md").write_text(text)


if __name__ == "__main__":
    main()
