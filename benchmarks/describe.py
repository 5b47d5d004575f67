"""How long `data describe` takes, and how much memory: 245,000 rows of CSV, and ten million of Parquet.

    python benchmarks/describe.py build/describe

Makes the files where they are not there, describes each in a process of its own, and prints CPU seconds after the
imports and the growth of the peak of memory since then.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

PART = 500_000


def rows(count: int, seed: int) -> pd.DataFrame:
    """Numbers, words, a date and a label that some of them explain."""
    draw = np.random.default_rng(seed)
    numbers = {f"x{place}": draw.normal(size=count).round(4) for place in range(8)}
    frame = pd.DataFrame(numbers)
    frame["customer"] = draw.integers(0, 50_000, count)
    frame["channel"] = draw.choice(["web", "shop", "phone", "mail"], count)
    frame["town"] = draw.choice([f"town {place}" for place in range(40)], count)
    frame["day"] = (np.datetime64("2020-01-01") + draw.integers(0, 1500, count)).astype(str)
    signal = frame.x0 + frame.x1 * frame.x2 + draw.logistic(size=count)
    frame["label"] = np.array(["low", "middle", "high"])[np.digitize(signal, (-0.8, 0.8))]
    return frame


def make(folder: Path) -> list[tuple[Path, int]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    csv, million, large = folder / "245k.csv", folder / "1e6.parquet", folder / "1e7.parquet"
    if not csv.is_file():
        rows(245_000, 0).to_csv(csv, index=False)
    for path, count in ((million, 10**6), (large, 10**7)):
        if not path.is_file():
            with pq.ParquetWriter(path, pa.Table.from_pandas(rows(10, 0)).schema) as writer:
                for part in range(count // PART):
                    writer.write_table(pa.Table.from_pandas(rows(PART, part)))
    return [(csv, 245_000), (million, 10**6), (large, 10**7)]


def described(path: Path) -> None:
    """Describe one file, and print what it took."""
    import resource
    import time

    from smoothlab.config.compose import compose_config, plain
    from smoothlab.config.opening import make_data
    from smoothlab.data import RowData
    from smoothlab.data.table.sampling import described

    data = make_data(plain(compose_config("train", ["data=table", f"data.path={path}", "data.target=label"])))
    assert isinstance(data, RowData)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    description = described(data)
    seconds = time.process_time() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"cpu_seconds": seconds, "mib": grown, "sample": description.sample}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.file is not None:
        described(options.file)
        return
    print("| file | rows | CPU seconds | peak of memory grows by MiB |\n|---|---|---|---|")
    for path, count in make(options.folder):
        words = [sys.executable, __file__, str(options.folder), "--file", str(path)]
        out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        got = json.loads(out.splitlines()[-1])
        print(f"| {path.name} | {count:,} | {got['cpu_seconds']:.1f} | {got['mib']:.0f} |", flush=True)
        print(got["sample"], file=sys.stderr)


if __name__ == "__main__":
    main()
