"""SmoothClassifier beside smoothlab train, of the same settings: equal metrics, and the ratio of their CPU times.

SMOOTHLAB_DATA_MIRROR=../shared/data python benchmarks/estimator.py
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from typing import Any

import smoothlab
from smoothlab.config.compose import compose_config, plain
from smoothlab.config.opening import make_data
from smoothlab.errors import UserMistake
from smoothlab.tracking.console import silent

TABLES = (
    *("breast_cancer", "wine_cultivars", "pima", "german_credit", "wheat_seeds", "dermatology", "crop_recommendation"),
    *("wine_quality", "fetal_health", "bank_marketing", "online_shoppers", "dry_bean", "phrasebank", "sp500"),
)
EPOCHS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
ROUNDS = 3


def table_of(name: str) -> tuple[Any, str]:
    """The rows of a preset, and its target."""
    values = plain(compose_config("train", [f"data={name}"]))
    frame, _, _ = make_data(values).row_source.rows()  # type: ignore[attr-defined]
    return frame, str(values["data"]["target"])


def main() -> None:
    """Print a line a table."""
    for name in sys.argv[1].split(",") if len(sys.argv) > 1 else TABLES:
        try:
            frame, target = table_of(name)
        except (UserMistake, AttributeError) as mistake:
            print(f"{name}: left out ({mistake})")
            continue
        frame = frame[frame[target].notna()].reset_index(drop=True)
        ratios, equal = [], True
        with tempfile.TemporaryDirectory() as folder, silent():
            frame.to_parquet(f"{folder}/rows.parquet")
            words = ["data=table", f"data.path={folder}/rows.parquet", f"data.target={target}", "smoothing=auto"]
            words += ["logger=csv", "figures=false", "progress=none", f"trainer.max_epochs={EPOCHS}"]
            for number in range(ROUNDS + 1):
                start = time.process_time()
                run = smoothlab.train([*words, f"output_root={folder}/{number}"])
                middle = time.process_time()
                made = smoothlab.SmoothClassifier(trainer__max_epochs=EPOCHS, data__fractions=[0.64, 0.16, 0.2])
                made.fit(frame.drop(columns=target), frame[target])
                ratios.append((time.process_time() - middle) / (middle - start))
                equal &= made.results_["metrics"] == run.results["metrics"]
        verdict = "equal" if equal else "NOT EQUAL"
        print(f"{name}: {len(frame)} rows, metrics {verdict}, CPU x {statistics.median(ratios[1:]):.2f}", flush=True)


if __name__ == "__main__":
    main()
