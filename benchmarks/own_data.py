"""Does a verdict hold? `smoothlab compare` on three tables that no preset knows, and once more with new seeds.

    python benchmarks/own_data.py    # some 200 small runs; those that are there are not trained again

The tables come with scikit-learn: handwritten digits (64 columns, 10 classes), irises (4, 3), and the progression of
diabetes after a year, cut into thirds (10, 3). The first comparison judges. A second retrains with seeds that the
first has not seen, on the same split. It confirms where the difference of the arm that stands for smoothing to `none`
then lies within the 95% interval of the first. A third has another split too, which asks for more than the interval
promises: that is about other seeds and test samples, not about other training rows.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.datasets import load_diabetes, load_digits, load_iris

FOLDER = Path("build/own_data")
AGAIN = {"the first": ["seed=0"], "new seeds": ["seed=100", "data.split_seed=0"], "new split": ["seed=100"]}
ARMS = "take=[none,standard,adaptive,online,auto]"
CLI = "import sys; from smoothlab.commands import main; sys.exit(main(sys.argv[1:]))"


def tables() -> dict[str, pd.DataFrame]:
    """Each with a column ``label``."""
    digits, irises, diabetes = (load(as_frame=True) for load in (load_digits, load_iris, load_diabetes))
    thirds = pd.qcut(diabetes.target, 3, labels=["slow", "middling", "fast"]).astype(str)
    return {
        "digits": digits.data.assign(label=[f"digit {one}" for one in digits.target]),
        "iris": irises.data.assign(label=[str(irises.target_names[one]) for one in irises.target]),
        "diabetes_progression": diabetes.data.assign(label=thirds),
    }


def compared(name: str, which: str) -> dict[str, Any]:
    """The report of a comparison, made where it is not there yet."""
    where = which.replace(" ", "_")
    words = [
        "compare",
        "data=table",
        f"data.path={name}.csv",
        "data.target=label",
        f"name={name}",
        "budget=quick",
        "folds=none",
        ARMS,
    ]
    subprocess.run(
        [sys.executable, "-c", CLI, *words, *AGAIN[which], f"output_root={where}", "progress=none"],
        cwd=FOLDER,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    report = FOLDER / where / "comparisons" / name / "report" / "report.json"
    read: dict[str, Any] = json.loads(report.read_text())
    return read


def row(report: dict[str, Any], arm: str, metric: str = "nll") -> dict[str, Any]:
    """An arm's line of the table, as the model gives its probabilities."""
    lines: list[dict[str, Any]] = report["table"]
    (line,) = [line for line in lines if (line["arm"], line["metric"], line["variant"]) == (arm, metric, "raw")]
    return line


def chosen(report: dict[str, Any]) -> str:
    """The arm that stands for smoothing."""
    return str(report["verdict"]["hero"])


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    print("| table | verdict | looked at | difference of NLL to none | new seeds | within | new split | within |")
    print("|---|---|---|---|---|---|---|---|")
    for name, table in tables().items():
        if not (FOLDER / f"{name}.csv").is_file():
            table.to_csv(FOLDER / f"{name}.csv", index=False)
        first, *others = (compared(name, which) for which in AGAIN)
        arm = chosen(first)
        before = row(first, arm)
        cells = [difference(before)]
        for other in others:
            after = row(other, arm)
            within = before["difference_low"] <= after["difference"] <= before["difference_high"]
            cells += [difference(after), "yes" if within else "no"]
        print(f"| {name} | {first['verdict']['kind']} | {arm} | {' | '.join(cells)} |", flush=True)
        print(*first["verdict"]["findings"], file=sys.stderr, flush=True)


def difference(one: dict[str, Any]) -> str:
    """With its interval."""
    return f"{one['difference']:+.4f} ({one['difference_low']:+.4f} to {one['difference_high']:+.4f})"


if __name__ == "__main__":
    main()
