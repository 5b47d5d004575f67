"""Synthetic rows: how fast they are drawn, and what memory ten and a hundred times the rows take.

    python benchmarks/synthetic.py           # some minutes; writes benchmarks/results/synthetic.json and synthetic.md
    python benchmarks/synthetic.py --quick   # a tenth of the rows, writes nothing

Each case is one training epoch's batches, drawn and dropped, in a process of its own, whose peak of resident memory is
read before and after. A training step of the default net over the same batches says what a row costs without drawing.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import torch

from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.nets import MLP

RESULTS = Path(__file__).resolve().parent / "results"
ROWS = (1_000_000, 10_000_000, 100_000_000)
DOMAINS = ("medical", "retail", "finance", "agriculture")
BATCH = 1024


def peak_mib() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def data_of(domain: str, rows: int) -> Any:
    words = [f"data=synthetic_{domain}", f"data.rows={rows}", "data.stream=true", f"data.batch_size={BATCH}"]
    data = build(plain(compose_config("train", words))["data"], "data")
    data.setup()
    return data


def epoch(domain: str, rows: int, traced: bool) -> dict[str, Any]:
    """Draw an epoch of training batches and drop them."""
    torch.set_num_threads(1)
    data = data_of(domain, rows)
    loader = data.train_dataloader()
    next(iter(loader))  # buffers of a window, which every size needs
    before = peak_mib()
    if traced:
        tracemalloc.start()
    start, seen = time.process_time(), 0
    for batch in loader:
        seen += len(batch)
    seconds = time.process_time() - start
    assert seen == rows
    results = {"domain": domain, "rows": rows, "peak_mib": peak_mib(), "grown_mib": peak_mib() - before}
    if traced:
        return results | {"traced_mib": tracemalloc.get_traced_memory()[1] / 2**20}
    return results | {"microseconds_per_row": 1e6 * seconds / rows}


def step(domain: str, rows: int) -> float:
    """Microseconds a row of a training step of the default net, rows at hand."""
    torch.set_num_threads(1)
    data = data_of(domain, rows)
    batches = list(data.train_dataloader())
    net = MLP(**data.net_arguments, num_classes=len(data.class_names), hidden=[64, 64, 64])
    optimizer = torch.optim.AdamW(net.parameters())
    start = time.process_time()
    for batch in batches:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(batch.features), batch.labels).backward()
        optimizer.step()
    return 1e6 * (time.process_time() - start) / rows


def apart(*words: str) -> Any:
    """This script in a process of its own."""
    command = [sys.executable, __file__, *words]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--case", nargs=3, metavar=("DOMAIN", "ROWS", "TRACED"))
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps(epoch(asked.case[0], int(asked.case[1]), asked.case[2] == "traced")))
        return
    sizes = [rows // 10 for rows in ROWS] if asked.quick else list(ROWS)
    memory = [apart("--case", "medical", str(rows), "plain") for rows in sizes]
    traced = [apart("--case", "medical", str(rows), "traced") for rows in sizes[:2]]
    speed = [
        {**apart("--case", domain, str(sizes[0]), "plain"), "step_microseconds_per_row": step(domain, sizes[0] // 10)}
        for domain in DOMAINS
    ]
    lines = ["# Synthetic rows, streamed", "", f"{platform.platform()}, one thread, batches of {BATCH}.", ""]
    lines += [
        "| rows (medical) | peak memory, MiB | grown since the first batch, MiB | traced by Python, MiB |",
        "|---|---|---|---|",
    ]
    for number, row in enumerate(memory):
        traced_mib = f"{traced[number]['traced_mib']:.1f}" if number < len(traced) else ""
        lines.append(f"| {row['rows']:,} | {row['peak_mib']:.0f} | {row['grown_mib']:.1f} | {traced_mib} |")
    lines += ["", "| domain | drawing, µs a row | training step of the default net, µs a row |", "|---|---|---|"]
    for row in speed:
        cells = f"{row['microseconds_per_row']:.2f} | {row['step_microseconds_per_row']:.2f}"
        lines.append(f"| {row['domain']} | {cells} |")
    print("\n".join(lines))
    if not asked.quick:
        results = {"memory": memory, "traced": traced, "speed": speed, "platform": platform.platform()}
        (RESULTS / "synthetic.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        (RESULTS / "synthetic.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
