"""How often is the sentence that a run ends with wrong, and from how many test rows on does it see a gap?

    python benchmarks/closing.py                  # minutes; writes benchmarks/results/closing.md
    python benchmarks/closing.py --rows 30 --out FOLDER

Test sets of two classes are drawn, of models whose logits are the truth about the labels, or that many times too large:
more than 1 makes them over-confident, less under-confident. Each goes through what a run does with its test rows.
"""

from __future__ import annotations

import argparse
import collections
import platform
from pathlib import Path

import numpy as np
import torch

from smoothlab.metrics import bootstrap, classification_metrics, ece_bias
from smoothlab.reports.confidence import FITS, IN_PLACES, OVER, UNDER, UNKNOWN, Confidence

HERE = Path(__file__).resolve().parent
KINDS = (OVER, UNDER, FITS, IN_PLACES, UNKNOWN)
ROWS = (30, 100, 400, 2000)


def kind_of(rows: int, spread: float, factor: float, random: np.random.Generator) -> str:
    """What the sentence says of a test set.

    Args:
        rows: of it.
        spread: standard deviation of the true logits; the larger, the surer the model is and may be.
        factor: by which the model's logits are too large.
        random: draws.
    """
    truth = torch.tensor(random.normal(0, spread, (rows, 2)))
    labels = torch.tensor([random.choice(2, p=row) for row in torch.softmax(truth, -1).numpy()])
    logits = truth * factor
    metrics = classification_metrics(logits, labels, from_logits=True, num_bins=15)
    gap = bootstrap(logits, labels, from_logits=True, num_bins=15, level=0.95)["confidence_gap"]
    chance = ece_bias(logits, labels, from_logits=True, num_bins=15)
    uncertainty = {
        "rows": rows,
        "intervals": {"confidence_gap": [gap.low, gap.high]},
        "ece_of_a_calibrated_model": {"high": chance.calibrated_high},
    }
    confidence = Confidence.of({"metrics": {"test": metrics}, "uncertainty": {"test": uncertainty}}, {})
    assert confidence is not None
    return str(confidence.kind)


def main() -> None:
    """Draw, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    lines = []
    for rows in options.rows:
        for spread in (1.0, 4.0):
            for factor in (1.0, 1.6, 0.6):
                counts = collections.Counter(kind_of(rows, spread, factor, random) for _ in range(options.repetitions))
                shares = " | ".join(f"{100 * counts[kind] / options.repetitions:.0f}" for kind in KINDS)
                model = "calibrated" if factor == 1 else f"logits times {factor:g}"
                lines.append(f"| {rows} | {'sure' if spread > 1 else 'unsure'} | {model} | {shares} |")
                print(lines[-1], flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "closing.md").write_text(page(lines, options.repetitions), encoding="utf-8")


def page(lines: list[str], repetitions: int) -> str:
    """The table with its heading."""
    heads = ["over-confident", "under-confident", "fits", "in places", "cannot tell"]
    return "\n".join(
        [
            "# The sentence that a run ends with: how often it is wrong",
            "",
            f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}. Made by `python "
            f"benchmarks/closing.py`: {repetitions} test sets a line, level 95%.",
            "",
            "Shares in % of the test sets of which the sentence says so. Two classes; true logits of standard "
            "deviation 1 (unsure) or 4 (sure).",
            "",
            f"| test rows | model | logits | {' | '.join(heads)} |",
            "|---" * (3 + len(heads)) + "|",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    main()
