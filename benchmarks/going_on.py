"""init=<run> on the second year of a drifting market, beside the old model and one trained on the new rows alone.

    python benchmarks/going_on.py            # writes benchmarks/results/going_on.md
    python benchmarks/going_on.py --seeds 1 --rows 100

The world of `data=synthetic_finance`, `drift` 2: the first year has the times 0 to 0.5 and 8,000 rows, the second
those from 0.5 to 1, of which so many rows are known; all models are judged on 4,000 other rows of the second year.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from smoothlab.config.compose import compose_config, plain
from smoothlab.data.synthetic import Market
from smoothlab.data.synthetic.draws import uniforms
from smoothlab.rundir.directory import RunDirectory
from smoothlab.training.preparing import prepare
from smoothlab.training.train import train

RESULT = Path(__file__).resolve().parent / "results" / "going_on.md"
FIXED = ["data=table", "data.target=move", "logger=none", "progress=none", "threads=1", "figures=false"]
FIXED += ["smoothing=none", "trainer.max_epochs=60"]
OLD_ROWS, TEST_ROWS, DRIFT = 8000, 4000, 2.0
ARMS = ("old model", "new rows alone", "init=<old>")


def rows_of(world: Market, year: int, count: int, seed: int) -> pd.DataFrame:
    """Labelled rows of a year."""
    time = (year + np.linspace(0, 1, count)) / 2
    drawn = world.draw(uniforms(seed, "world", 0, count, world.draws), time)
    frame = pd.DataFrame(drawn.numeric, columns=world.numeric_names)
    for column, (name, words) in enumerate(world.words.items()):
        frame[name] = np.array(words)[drawn.codes[:, column]]
    return frame.assign(move=np.array(world.class_names)[drawn.classes])


def trained(folder: Path, name: str, words: list[str], seed: int) -> tuple[Path, dict[str, Any]]:
    """A run, and its results."""
    config = plain(compose_config("train", [*FIXED, *words, f"seed={seed}"]))
    run = RunDirectory(folder / name)
    prepared = prepare(config)
    run.path.mkdir()
    return run.path, train(prepared, run)


def of_seed(seed: int, sizes: list[int]) -> dict[int, dict[str, float]]:
    """Test NLL on the second year, by the number of its known rows and the arm."""
    world = Market(
        classes=3, features=8, categories=[4], separation=1.0, imbalance=1.5, depth=1, drift=DRIFT, seed=seed
    )
    metrics: dict[int, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows_of(world, 0, OLD_ROWS, seed).to_csv(folder / "first.csv", index=False)
        rows_of(world, 1, TEST_ROWS, seed + 1000).to_csv(folder / "test.csv", index=False)
        old, _ = trained(folder, "old", [f"data.path={folder / 'first.csv'}"], seed)
        for size in sizes:
            rows_of(world, 1, size, seed + 2000).to_csv(folder / "second.csv", index=False)
            files = f"data.path={{train: {folder / 'second.csv'}, test: {folder / 'test.csv'}}}"
            _, alone = trained(folder, f"alone{size}", [files], seed)
            _, begun = trained(folder, f"begun{size}", [files, f"init={old}"], seed)
            judged = (begun["init"]["metrics"], alone["metrics"], begun["metrics"])
            metrics[size] = {arm: metrics["test"]["nll"] for arm, metrics in zip(ARMS, judged, strict=True)}
            print(seed, size, metrics[size], flush=True)
    return metrics


def main() -> None:
    """Run, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, nargs="*", default=[100, 300, 1000, 3000])
    options = parser.parse_args()
    results = [of_seed(seed, options.rows) for seed in range(options.seeds)]
    lines = [
        "# Going on with a run on the rows of another year",
        "",
        f"Made by `benchmarks/going_on.py`, {options.seeds} worlds; drift {DRIFT:g}, {OLD_ROWS} rows of the first year."
        "\n"
        f"Test NLL on {TEST_ROWS} rows of the second year, mean ± standard deviation over the worlds; in how many of "
        "them `init` is better than both others.",
        "",
        f"| known rows of the second year | {' | '.join(ARMS)} | better than both |",
        f"|---|{'---|' * len(ARMS)}---|",
    ]
    for size in options.rows:
        cells = []
        for arm in ARMS:
            values = [world[size][arm] for world in results]
            spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.4f}{spread}")
        better = sum(world[size][ARMS[2]] < min(world[size][ARMS[0]], world[size][ARMS[1]]) for world in results)
        lines.append(f"| {size} | {' | '.join(cells)} | {better} of {len(results)} |")
    RESULT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
