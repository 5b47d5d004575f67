"""Wrong labels that were put into registry data, found again: `smoothlab suspects` beside cleanlab on the same numbers.

    SMOOTHLAB_DATA_MIRROR=... python benchmarks/suspects.py     # writes benchmarks/results/suspects.md
    pip install cleanlab termcolor --no-deps                    # without it, its rows are left out

Of each set a tenth of the labels becomes another class, drawn evenly; five folds of the set's net on the labels as they
are then, and `smoothlab suspects` on the runs. Recall at the noise rate: of as many rows as labels are wrong, the worst
first, how many are wrong. Precision and recall are of the rows that each calls suspects.
"""

from __future__ import annotations

import argparse
import importlib
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import smoothlab
from smoothlab.config.compose import compose_config, plain
from smoothlab.config.opening import make_data
from smoothlab.data.rows import RowData
from smoothlab.models.suspecting import suspected

RESULT = Path(__file__).resolve().parent / "results" / "suspects.md"
SETS = {
    "breast_cancer": "medical/breast_cancer",
    "fetal_health": "medical/fetal_health",
    "wheat_seeds": "agriculture/wheat_seeds",
    "crop_recommendation": "agriculture/crop_recommendation",
    "dry_bean": "agriculture/dry_bean",
}
RATE = 0.1


def spoiled(experiment: str, folder: Path, seed: int) -> tuple[list[str], pd.Series]:
    """A file of a set's rows with wrong labels: what to train on, and which rows are wrong."""
    config = plain(compose_config("train", [f"experiment={experiment}"]))
    data = make_data(config)
    assert isinstance(data, RowData)
    table = data.understand()
    target = str(config["data"]["target"])
    frame = table.frame.reset_index(drop=True)
    labels = frame[target].astype(str)
    random = np.random.default_rng(seed)
    wrong = pd.Series(False, index=frame.index)
    wrong.iloc[random.choice(len(frame), round(RATE * len(frame)), replace=False)] = True
    names = sorted(labels.unique())
    others = [random.choice([name for name in names if name != label]) for label in labels]
    frame[target] = [f"class {name}" for name in np.where(wrong, others, labels)]
    frame.to_csv(folder / "spoiled.csv", index=False)
    return ["data=table", f"data.path={folder / 'spoiled.csv'}", f"data.target={target}"], wrong


def of_cleanlab(table: pd.DataFrame, folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """cleanlab's suspects and its worst first, of the same probabilities."""
    try:
        library: Any = importlib.import_module("cleanlab.filter")
    except ImportError:
        return None
    parts = [pd.read_parquet(path) for path in sorted(folder.glob("outputs/**/predictions/test.parquet"))]
    rows = pd.concat(parts).set_index("row").sort_index()
    names = [column for column in rows if column.startswith("prob_")]
    codes = pd.Index(names).get_indexer("prob_" + rows["label"].astype(str))
    probabilities = rows[names].to_numpy()
    issues = library.find_label_issues(codes, probabilities, filter_by="prune_by_noise_rate", n_jobs=1)
    ranked = importlib.import_module("cleanlab.rank").get_normalized_margin_for_each_label(codes, probabilities)
    order = rows.index.to_numpy()
    return order[issues], order[np.argsort(ranked, kind="stable")]


def judged(wrong: pd.Series, suspects: np.ndarray, ranked: np.ndarray) -> list[str]:
    """Suspects, precision, recall, and recall at the noise rate."""
    hits, amount = int(wrong[suspects].sum()), int(wrong.sum())
    first = wrong[ranked[:amount]].mean()
    return [str(len(suspects)), f"{hits / max(len(suspects), 1):.3f}", f"{hits / amount:.3f}", f"{first:.3f}"]


def main() -> None:
    """Run, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    options = parser.parse_args()
    lines = [
        "# Suspect labels",
        "",
        f"Made by `benchmarks/suspects.py`: {RATE:.0%} of the labels wrong, five folds of `net=mlp`, `smoothing=none`.",
        "",
        "| set | rows | by | estimated noise | suspects | precision | recall | recall at the noise rate |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in options.sets:
        with tempfile.TemporaryDirectory() as temporary:
            folder, started = Path(temporary), time.process_time()
            words, wrong = spoiled(SETS[name], folder, seed=0)
            fixed = [f"output_root={folder / 'outputs'}", "logger=none", "progress=none", "figures=false", "seed=0"]
            for fold in range(5):
                smoothlab.train(
                    [*words, *fixed, "smoothing=none", "threads=1", f"data.fold={fold}", f"name=fold{fold}"]
                )
            suspects = suspected([folder / "outputs"])
            table = suspects.table
            ours = judged(wrong, table.loc[table["suspect"], "row"].to_numpy(), table["row"].to_numpy())
            cells = [name, str(len(table)), "smoothlab", f"{suspects.noise:.3f}", *ours]
            lines.append(f"| {' | '.join(cells)} |")
            theirs = of_cleanlab(table, folder)
            if theirs is not None:
                lines.append(f"| {' | '.join([name, str(len(table)), 'cleanlab', '', *judged(wrong, *theirs)])} |")
            print(*lines[-2:], f"{time.process_time() - started:.0f} CPU s", sep="\n", flush=True)
        RESULT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
