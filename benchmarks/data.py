"""Loaders against what they are made of: indexing tensors, and pyarrow's reading of row groups.

    python benchmarks/data.py [--rounds 11] [--output benchmarks/results/data]

A ratio is throughput over that of the base in the same group: 0.5 is half as fast. A round times every way once, in an
order drawn anew; a ratio is the median over rounds of ratios within a round. torch has one thread. The clock is the
process's CPU time, all threads added up, since other processes may share the machine: reading ahead in a thread gains
nothing by it. The ratios by the wall clock stand beside.

From memory, an epoch is all rows in a new order, in batches; the base is ``features[positions], labels[positions]``.
The loader's batches hold the rows' numbers too. From Parquet, the base reads each row group as pyarrow does it by
default, and drops it; the stream gives encoded, standardised batches, for training mixed in windows.

Memory is the growth of the peak resident size, in a process of its own, over setup, one epoch and one evaluation, for
files of which one has ten times the rows of the other.
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
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.utils.data import DataLoader, TensorDataset

from smoothlab.data import Batch, MemoryLoader, ParquetStream

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY_ROWS, WIDTH, CLASSES = 200_000, 30, 5
FEW_ROWS = 2_000  # of ways that take one row after another
PARQUET_ROWS = 500_000
GROUP_ROWS = 50_000
SMALL, LARGE = 200_000, 2_000_000  # rows, of what memory is compared by
LIMITS = {"MemoryLoader": 0.9, "stream": 0.5}
NOTES = {
    "index": "features[positions], labels[positions]: the base from memory",
    "index_select": "features.index_select(0, positions), the same for labels",
    "MemoryLoader": "smoothlab, with the rows' numbers",
    "DataLoader": "DataLoader(TensorDataset(features, labels), shuffle=True), no workers",
    "pandas by row": "frame.iloc[position] for each sample, stacked",
    "read_row_group": "pyarrow's ParquetFile.read_row_group(i) with its defaults: the base from Parquet",
    "training": "ParquetStream, an epoch in windows of 100,000 rows, batches of 1024",
    "evaluation": "ParquetStream, in order, batches of 4096",
    "codes": "a number for each category; one_hot: a feature for each of 104 categories, which is 5 x the data",
    "all in pandas": "pandas.read_parquet of the whole file, TableEncoder, a tensor; then batches from memory",
}


def write(path: Path, rows: int, kind: str) -> str:
    """A Parquet file, drawn and written by row group: ``numbers``, or numbers, integers and words ``mixed``."""
    draw = np.random.default_rng(0)
    words = np.array([f"word {place}" for place in range(40)])
    writer = None
    for start in range(0, rows, GROUP_ROWS):
        count = min(GROUP_ROWS, rows - start)
        columns: dict[str, Any] = {}
        if kind == "numbers":
            columns |= {f"x{place}": draw.normal(size=count).astype(np.float32) for place in range(WIDTH)}
        else:
            columns |= {f"x{place}": draw.normal(size=count).astype(np.float32) for place in range(8)}
            columns |= {f"price{place}": draw.normal(100, 20, count).round(2) for place in range(8)}
            columns |= {f"count{place}": draw.integers(0, 1000, count) for place in range(4)}
            columns |= {f"word{place}": words[draw.integers(0, 10 * (place + 1), count)] for place in range(4)}
        columns["label"] = words[draw.integers(0, CLASSES, count)]
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    return str(path)


def stream(path: Any, categories: str = "codes") -> ParquetStream:
    data = ParquetStream(
        path,
        target="label",
        categories=categories,
        fractions=[0.8, 0.1, 0.1],
        split_seed=0,
        shuffle_seed=0,
        batch_size=1024,
        eval_batch_size=4096,
    )
    data.setup()
    return data


def drain(loader: Any) -> None:
    for _ in loader:
        pass


def from_memory(batch_size: int) -> tuple[dict[str, Callable[[], None]], dict[str, int]]:
    """Ways through samples in memory, the base first, and how many rows each takes."""
    torch.manual_seed(0)
    features, labels = torch.randn(MEMORY_ROWS, WIDTH), torch.randint(0, CLASSES, (MEMORY_ROWS,))
    frame = pd.DataFrame(features[:FEW_ROWS].numpy())
    loader = MemoryLoader(Batch(features, labels, torch.arange(MEMORY_ROWS)), batch_size, shuffle=True)

    def index() -> None:
        for positions in torch.randperm(MEMORY_ROWS).split(batch_size):
            features[positions], labels[positions]

    def index_select() -> None:
        for positions in torch.randperm(MEMORY_ROWS).split(batch_size):
            features.index_select(0, positions), labels.index_select(0, positions)

    def by_row() -> None:
        for positions in torch.randperm(FEW_ROWS).split(batch_size):
            torch.from_numpy(np.stack([frame.iloc[place].to_numpy() for place in positions.tolist()]))

    few = TensorDataset(features[: 10 * FEW_ROWS], labels[: 10 * FEW_ROWS])
    ways: dict[str, Callable[[], None]] = {
        "index": index,
        "index_select": index_select,
        "MemoryLoader": lambda: drain(loader),
        "DataLoader": lambda: drain(DataLoader(few, batch_size, shuffle=True)),
        "pandas by row": by_row,
    }
    rows = dict.fromkeys(ways, MEMORY_ROWS) | {"DataLoader": len(few), "pandas by row": FEW_ROWS}
    return ways, rows


def from_parquet(path: str, kind: str) -> tuple[dict[str, Callable[[], None]], dict[str, int]]:
    """Ways through a file, the base first, and how many rows each takes."""
    files = {"train": path, "val": path, "test": path}

    def bare() -> None:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            file.read_row_group(group)

    ways: dict[str, Callable[[], None]] = {"read_row_group": bare}
    for categories in ("codes", "one_hot") if kind == "mixed" else ("codes",):
        data = stream(files, categories)
        name = f", {categories}" if kind == "mixed" else ""
        ways[f"training{name}"] = lambda data=data: drain(data.train_dataloader())  # type: ignore[misc]
        ways[f"evaluation{name}"] = lambda data=data: drain(data.loader("val"))  # type: ignore[misc]
    return ways, dict.fromkeys(ways, PARQUET_ROWS)


def compared(ways: dict[str, Callable[[], None]], rows: dict[str, int], rounds: int) -> dict[str, Any]:
    """The base's rows a second of CPU time, and each way's ratios to it by both clocks."""
    speeds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    names = list(ways)
    random.seed(0)
    for number in range(rounds + 1):  # the first warms up
        for name in random.sample(names, len(names)):
            cpu, wall = time.process_time(), time.perf_counter()
            ways[name]()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            if number:
                speeds[name].append((rows[name] / cpu, rows[name] / wall))

    def ratio(name: str, clock: int) -> float:
        pairs = zip(speeds[name], speeds[names[0]], strict=True)
        return statistics.median(own[clock] / base[clock] for own, base in pairs)

    return {
        "base": names[0],
        "rows_a_second": statistics.median(cpu for cpu, _ in speeds[names[0]]),
        "ratios": {name: ratio(name, 0) for name in names[1:]},
        "wall": {name: ratio(name, 1) for name in names[1:]},
    }


def peak() -> float:
    """The peak resident size in MiB, of this program alone: ru_maxrss begins at what the parent process had."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def growth(path: str, warm_up: str, way: str) -> float:
    """Growth of the peak in MiB over setup, an epoch and an evaluation in this process."""
    torch.set_num_threads(1)

    def use(place: str) -> None:
        if way == "stream":
            data = stream(place)
            drain(data.train_dataloader())
            drain(data.loader("val"))
            return
        from smoothlab.data import Encoding, TableEncoder

        frame = pd.read_parquet(place)
        kinds = {name: "categorical" for name in frame.columns if name.startswith("word")}
        inputs = frame.drop(columns="label")
        features = TableEncoder.fit(inputs, kinds, encoding=Encoding(categories="codes")).encode(inputs)
        labels = torch.from_numpy(pd.factorize(frame["label"])[0])
        drain(MemoryLoader(Batch(features, labels, torch.arange(len(frame))), 1024, shuffle=True))

    use(warm_up)
    before = peak()
    use(path)
    return peak() - before


def in_fresh_process(*arguments: object) -> Any:
    """What this script prints as JSON when it is called with these arguments."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def machine() -> str:
    """Processor, cores and versions."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return (
        f"{model}, {os.cpu_count()} cores; torch {torch.__version__}, pyarrow {pa.__version__}, pandas "
        f"{pd.__version__}, Python {platform.python_version()}, {platform.system()}"
    )


def limit_of(name: str) -> float | None:
    if name.startswith(("training", "evaluation")):
        return LIMITS["stream"]
    return LIMITS.get(name)


def table(groups: list[dict[str, Any]]) -> list[str]:
    lines = ["| from | way | ratio, CPU | ratio, wall | at least |", "|---|---|---|---|---|"]
    for group in groups:
        lines.append(
            f"| {group['from']} | {group['base']} | 1 | 1 | {group['rows_a_second'] / 1e6:.2f} million rows/s |"
        )
        for name, ratio in group["ratios"].items():
            limit = limit_of(name)
            shown = "" if limit is None else f"{limit}"
            lines.append(f"| | {name} | {ratio:.3g} | {group['wall'][name]:.3g} | {shown} |")
    return lines


def misses(groups: list[dict[str, Any]]) -> list[str]:
    """Ratios below their limit."""
    cases = []
    for group in groups:
        for name, ratio in group["ratios"].items():
            limit = limit_of(name)
            if limit is not None and ratio < limit:
                cases.append(f"{name} from {group['from']}: {ratio:.2f}, limit {limit}")
    return cases


def report(record: dict[str, Any]) -> list[str]:
    """The lines of the page."""
    memory = record["memory"]
    return [
        "# Loaders: throughput and memory",
        "",
        record["machine"],
        "",
        f"Medians of paired ratios of throughput ({record['rounds']} rounds), one torch thread. From memory: "
        f"{MEMORY_ROWS:,} rows of {WIDTH} float32. From Parquet: {PARQUET_ROWS:,} rows in row groups of "
        f"{GROUP_ROWS:,}, snappy; numbers: {WIDTH} float32 and a label; mixed: 8 float32, 8 float64, 4 int64, 4 "
        "columns of words and a label.",
        "",
        *table(record["groups"]),
        "",
        *(f"- {name}: {note}" for name, note in NOTES.items()),
        "",
        "Below a limit: " + ("; ".join(misses(record["groups"])) or "nothing") + ".",
        "",
        "Growth of the peak resident size in MiB over setup, an epoch and an evaluation, in a fresh process (mixed "
        "columns; after the same on a file of one row group):",
        "",
        f"| way | {SMALL:,} rows | {LARGE:,} rows |",
        "|---|---|---|",
        *(f"| {name} | {sizes[0]:.0f} | {sizes[1]:.0f} |" for name, sizes in memory.items()),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--output", type=Path, help="write <output>.json and <output>.md")
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--growth", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        print(json.dumps(write(Path(options.write[0]), int(options.write[1]), options.write[2])))
        return
    if options.growth:
        print(json.dumps(growth(*options.growth)))
        return

    torch.set_num_threads(1)
    groups = []
    for batch_size in (32, 1024):
        ways, rows = from_memory(batch_size)
        groups.append({"from": f"memory, batches of {batch_size}", **compared(ways, rows, options.rounds)})
        print("\n".join(table(groups[-1:])), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("numbers", "mixed"):
            path = in_fresh_process("--write", f"{folder}/{kind}.parquet", PARQUET_ROWS, kind)
            ways, rows = from_parquet(path, kind)
            groups.append({"from": f"Parquet, {kind}", **compared(ways, rows, options.rounds)})
            print("\n".join(table(groups[-1:])), flush=True)
        warm_up, small, large = (
            in_fresh_process("--write", f"{folder}/{rows}.parquet", rows, "mixed")
            for rows in (GROUP_ROWS, SMALL, LARGE)
        )
        memory = {
            name: [in_fresh_process("--growth", path, warm_up, way) for path in (small, large)]
            for name, way in (("ParquetStream", "stream"), ("all in pandas", "pandas"))
        }
    record = {"machine": machine(), "rounds": options.rounds, "groups": groups, "memory": memory}
    lines = report(record)
    print("\n".join(lines[-6:]))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.with_suffix(".md").write_text("\n".join(lines) + "\n")
        options.output.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
