"""Do the intervals of a run's metrics cover, and what do they cover?

    python benchmarks/intervals.py                  # minutes; writes benchmarks/results/intervals.md
    python benchmarks/intervals.py --repetitions 50 --out FOLDER

Test sets of one model are drawn again and again and go through smoothlab.metrics.bootstrap, as those of a run do. What
a metric is on average at a size is the mean over all repetitions; what it is on endless data, its value on a large set.
"""

from __future__ import annotations

import argparse
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from smoothlab.metrics import bootstrap
from smoothlab.metrics.intervals import DEFAULT

if TYPE_CHECKING:
    from numpy.typing import NDArray

METRICS = (*DEFAULT, "mce")
ENDLESS = 400_000
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Setting:
    """What is simulated: samples of a test set, classes, and by what the logits are too large."""

    samples: int
    classes: int
    factor: float

    @property
    def name(self) -> str:
        """What it is called."""
        how = "calibrated" if self.factor == 1 else f"logits {self.factor:g} times too large"
        return f"{self.samples} samples, {self.classes} classes, {how}"

    def draw(self, samples: int, random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Logits and labels of a test set."""
        logits = 1.5 * random.standard_normal((samples, self.classes))
        labels = (logits + random.gumbel(size=logits.shape)).argmax(1)
        return self.factor * logits, labels


SETTINGS = (
    Setting(300, 4, 1.0),
    Setting(1000, 4, 1.0),
    Setting(100, 2, 1.3),
    Setting(400, 3, 1.3),
    Setting(1000, 4, 2.0),
    Setting(5000, 4, 1.3),
)


def of_setting(setting: Setting, repetitions: int, seed: int) -> dict[str, dict[str, float]]:
    """By metric: shares of intervals that hold the mean at this size, the value of endless data, and their estimate."""
    random = np.random.default_rng(seed)
    known = {"from_logits": True, "metrics": METRICS}
    resampled = [bootstrap(*setting.draw(setting.samples, random), **known) for _ in range(repetitions)]  # type: ignore[arg-type]
    endless = bootstrap(*setting.draw(ENDLESS, random), resamples=2, **known)  # type: ignore[arg-type]
    result = {}
    for name in METRICS:
        low, high, estimate = (
            np.array([getattr(intervals[name], part) for intervals in resampled])
            for part in ("low", "high", "estimate")
        )
        mean, truth = estimate.mean(), endless[name].estimate
        result[name] = {
            "size": float(((low <= mean) & (mean <= high)).mean()),
            "endless": float(((low <= truth) & (truth <= high)).mean()),
            "own": float(((low <= estimate) & (estimate <= high)).mean()),
            "bias": float(mean - truth),
        }
    return result


def report(repetitions: int) -> str:
    """The text of results/intervals.md."""
    started = time.process_time()
    lines = [
        "# Intervals of a run's metrics: coverage",
        "",
        f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}. Made by "
        f"`python benchmarks/intervals.py --repetitions {repetitions}`: as many test sets of each line, level 95%, 400 "
        f"resamples. A coverage is known to about +-{196 * np.sqrt(0.95 * 0.05 / repetitions):.1f} percentage points.",
        "",
        "Shares in %: intervals that hold what the metric is on average over test sets of this size (aim: 95), that "
        "hold what it is on endless data, and that hold their own estimate. The two truths differ by the bias that "
        "chance gives a calibration error.",
        "",
        f"| setting | | {' | '.join(METRICS)} |",
        f"|---|---|{'---|' * len(METRICS)}",
    ]
    for number, setting in enumerate(SETTINGS):
        coverage = of_setting(setting, repetitions, number)
        for key, what in (("size", "at this size"), ("endless", "endless data"), ("own", "own estimate")):
            cells = " | ".join(f"{100 * coverage[name][key]:.1f}" for name in METRICS)
            lines.append(f"| {setting.name if key == 'size' else ''} | {what} | {cells} |")
        cells = " | ".join(f"{coverage[name]['bias']:+.4f}" for name in METRICS)
        lines.append(f"| | bias | {cells} |")
    lines += ["", f"CPU time: {time.process_time() - started:.0f} s.", ""]
    return "\n".join(lines)


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "intervals.md").write_text(report(arguments.repetitions), encoding="utf-8")


if __name__ == "__main__":
    main()
