"""Do the intervals of a comparison cover, and how often does it see a difference that is not there?

    python benchmarks/comparison.py                  # minutes; writes benchmarks/results/statistics.md
    python benchmarks/comparison.py --repetitions 50 --out FOLDER

Arms that are equal by construction are simulated again and again: their predictions are drawn, and go through the same
functions as those of runs (smoothlab.reports.evidence, .judging, .verdict). A difference of two of them is truly 0; the
truth of a mean is the mean over all repetitions.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from smoothlab.metrics.prediction import Prediction
from smoothlab.reports.deciding import verdict_of
from smoothlab.reports.evidence import BETTER, RAW, Evidence, judged
from smoothlab.reports.judging import difference_of, mean_of
from smoothlab.reports.records import RunRecord
from smoothlab.reports.roles import SMOOTHING
from smoothlab.reports.verdict import Candidate, Case, Verdict
from smoothlab.statistics import holm, nadeau_bengio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

CLASSES, BINS, LEVEL = 3, 15, 0.95
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Setting:
    """What is simulated.

    Args:
        name: what it is called.
        seeds: runs of an arm.
        samples: of the test set.
        arms: with the baseline.
        luck: how much the runs of an arm differ as wholes (deviation of the log of their confidence and noise).
        own: deviation of what an arm does to each sample in all of its runs.
        each: deviation of what each run does to each sample.
        fresh: whether each seed has test samples of its own.
    """

    name: str
    seeds: int
    samples: int
    arms: int = 4
    luck: float = 0.1
    own: float = 0.3
    each: float = 0.4
    fresh: bool = False


SETTINGS = (
    Setting("5 seeds, 400 test samples", 5, 400),
    Setting("3 seeds, 300 test samples", 3, 300),
    Setting("1 seed, 400 test samples", 1, 400, luck=0.0),
    Setting("5 seeds that differ much, 400 test samples", 5, 400, luck=0.4, own=0.1),
    Setting("5 seeds that differ little, 400 test samples", 5, 400, luck=0.02, own=0.5, each=0.2),
    Setting("5 seeds, 300 test samples of its own each", 5, 300, fresh=True),
)


def simulate(
    setting: Setting, random: np.random.Generator, better: float = 0.0
) -> tuple[list[dict[Any, Any]], list[Array]]:
    """Evidence of each arm by key, and validation NLLs ``(seeds,)`` of each.

    Args:
        setting: what is simulated.
        random: draws.
        better: how much less noise the last arm has than the others (its share).
    """
    arms: list[dict[Any, Any]] = [{} for _ in range(setting.arms)]
    validated = np.zeros((setting.arms, setting.seeds))
    luck = random.standard_normal((setting.arms, setting.seeds, 2)) * setting.luck
    logits: Any = None
    labels: Any = None
    own: Any = None
    for part in ("test", "val"):
        for seed in range(setting.seeds):
            if seed == 0 or setting.fresh:
                truth = random.standard_normal((setting.samples, CLASSES)) * 1.5
                labels = (truth + random.gumbel(size=truth.shape)).argmax(1)
                own = random.standard_normal((setting.arms, *truth.shape)) * setting.own
            for arm in range(setting.arms):
                scale, noise = np.exp(luck[arm, seed])
                less = 1.0 - (better if arm == setting.arms - 1 else 0.0)
                error = own[arm] + setting.each * noise * random.standard_normal(truth.shape)
                logits = scale * (truth + less * error)
                if part == "val":
                    validated[arm, seed] = _nll(logits, labels)
                    continue
                prediction = Prediction.of(logits, labels, from_logits=True)
                values, vectors = judged(prediction, BINS)
                flat = {"data.row_seed": seed} if setting.fresh else {}
                record = RunRecord(Path("run"), "done", None, "", str(arm), seed, None, {}, flat, {})
                test = str(seed) if setting.fresh else "test"
                arms[arm][seed, None] = Evidence(
                    record, {RAW: values}, {RAW: vectors}, setting.samples, test, (), None, "", 0.0
                )
    return arms, list(validated)


def _nll(logits: Array, labels: NDArray[np.int64]) -> float:
    top = logits.max(1)
    return float((np.log(np.exp(logits - top[:, None]).sum(1)) + top - logits[np.arange(len(labels)), labels]).mean())


def verdict(arms: list[dict[Any, Any]], validated: list[Array]) -> Verdict:
    """The verdict on simulated arms."""

    def apart(arm: int, metric: str, level: float = LEVEL) -> Any:
        return difference_of(arms[arm], arms[0], metric, level, variant=RAW, baseline_variant=RAW)

    others = range(1, len(arms))
    validation = {arm: float((validated[arm] - validated[0]).mean()) for arm in others}
    candidates = [
        Candidate(
            str(arm),
            SMOOTHING,
            validation[arm],
            nll=apart(arm, "nll"),
            nll_p=1.0,
            equivalence=apart(arm, "nll", 2 * LEVEL - 1),
            accuracy=apart(arm, "accuracy"),
            aurc=apart(arm, "aurc"),
        )
        for arm in others
    ]
    case = Case(
        baseline="0",
        hero=str(min(others, key=lambda arm: validation[arm])),
        plain=True,
        nll=float(np.mean([run.values[RAW]["nll"] for run in arms[0].values()])),
        candidates=candidates,
        scaled=None,
        between=lambda first, second: difference_of(
            arms[int(first)], arms[int(second)], "nll", LEVEL, variant=RAW, baseline_variant=RAW
        ),
        design="seeds" if len(arms[0]) > 1 else "one",
    )
    return verdict_of(case)


def of_equal_arms(setting: Setting, repetitions: int, seed: int) -> tuple[dict[str, dict[str, float]], float]:
    """Coverage and family-wise error by metric, and how often an arm is recommended; and CPU seconds."""
    torch.set_num_threads(1)
    started = time.process_time()
    random = np.random.default_rng(seed)
    means: Any = defaultdict(list)
    covered: Any = defaultdict(list)
    wrong: Any = defaultdict(list)
    recommended = 0
    for _ in range(repetitions):
        arms, validated = simulate(setting, random)
        for metric in BETTER:
            mean: Any = mean_of(list(arms[0].values()), RAW, metric, LEVEL)
            means[metric].append((mean.mean, mean.low, mean.high))
            differences: Any = [
                difference_of(arm, arms[0], metric, LEVEL, variant=RAW, baseline_variant=RAW) for arm in arms[1:]
            ]
            covered[metric] += [difference.low <= 0.0 <= difference.high for difference in differences]
            wrong[metric].append(bool((holm([difference.p for difference in differences]) <= 1 - LEVEL).any()))
        recommended += verdict(arms, validated).arm not in (None, "0")
    result = {}
    for metric in BETTER:
        values = np.array(means[metric])
        truth = values[:, 0].mean()
        result[metric] = {
            "mean": float(((values[:, 1] <= truth) & (truth <= values[:, 2])).mean()),
            "difference": float(np.mean(covered[metric])),
            "family": float(np.mean(wrong[metric])),
        }
    result["verdict"] = {"recommended": recommended / repetitions}
    return result, time.process_time() - started


def of_a_better_arm(setting: Setting, better: float, repetitions: int, seed: int) -> dict[str, float]:
    """How often the better arm is recommended, another one is, and how large its gain is."""
    random = np.random.default_rng(seed)
    right = others = 0
    gains = []
    for _ in range(repetitions):
        arms, validated = simulate(setting, random, better)
        arm = verdict(arms, validated).arm
        right += arm == str(setting.arms - 1)
        others += arm not in (None, "0", str(setting.arms - 1))
        difference: Any = difference_of(arms[-1], arms[0], "nll", LEVEL, variant=RAW, baseline_variant=RAW)
        gains.append(difference.mean)
    return {"found": right / repetitions, "other": others / repetitions, "gain": float(np.mean(gains))}


def of_splits(rows: int, splits: int, repetitions: int, seed: int, *, folds: bool) -> dict[str, float]:
    """Coverage over folds, or over random splits of the same rows, of two learners that are equally good.

    Each learner sees its own four of eight features, all equally informative, and puts the threshold between the class
    means of its training rows; the metric is its error rate.
    """
    random = np.random.default_rng(seed)
    differences = np.empty((repetitions, splits))
    for repetition in range(repetitions):
        labels = random.integers(0, 2, rows)
        features = random.standard_normal((rows, 8)) + 0.8 * (labels[:, None] - 0.5)
        order = random.permutation(rows)
        for split in range(splits):
            if not folds:
                order = random.permutation(rows)
            size = rows // splits if folds else rows // 5
            start = split * size if folds else 0
            test = order[start : start + size]
            train = np.setdiff1d(order, test)
            errors = []
            for columns in (slice(0, 4), slice(4, 8)):
                ours, its = features[train][:, columns], labels[train]
                centres = np.stack([ours[its == label].mean(0) for label in (0, 1)])
                scores = (features[test][:, columns] - centres.mean(0)) @ (centres[1] - centres[0])
                errors.append(float(((scores > 0) != labels[test]).mean()))
            differences[repetition, split] = errors[0] - errors[1]
    ratio = 1 / (splits - 1) if folds else 0.25
    corrected = [nadeau_bengio(row, ratio) for row in differences]
    plain = [nadeau_bengio(row, 0.0) for row in differences]
    return {
        name: float(np.mean([interval.low <= 0.0 <= interval.high for interval in intervals]))
        for name, intervals in (("corrected", corrected), ("plain", plain))
    }


def report(repetitions: int, jobs: int) -> str:
    """The text of results/statistics.md."""
    seconds = 0.0
    lines = [
        "# Statistics of a comparison: coverage and false findings",
        "",
        f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}. Made by "
        f"`python benchmarks/comparison.py --repetitions {repetitions}`: as many repetitions of each line, "
        "four arms that are equal by construction (three classes), level 95%. A coverage of 2,000 repetitions is known "
        "to about +-1 percentage points.",
        "",
        "Shares in %: intervals of a mean and of a difference to the baseline that hold the truth (aim: 95, allowed: "
        "93 to 97); repetitions in which any of the three differences is called significant after Holm's correction "
        "(at most 6); repetitions in which the verdict recommends an arm.",
        "",
        f"| setting | | {' | '.join(BETTER)} | an arm recommended |",
        f"|---|---|{'---|' * (len(BETTER) + 1)}",
    ]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        results = [pool.submit(of_equal_arms, setting, repetitions, number) for number, setting in enumerate(SETTINGS)]
        better = [
            (setting, share, pool.submit(of_a_better_arm, setting, share, max(repetitions // 10, 20), 100))
            for setting in SETTINGS[:2]
            for share in (0.2, 0.4, 0.7)
        ]
        splits = [
            (folds, count, rows, pool.submit(of_splits, rows, count, repetitions, 200 + count, folds=folds))
            for folds, count, rows in ((True, 5, 300), (True, 10, 300), (False, 5, 300), (False, 10, 1000))
        ]
    for setting, result in zip(SETTINGS, results, strict=True):
        shares, its = result.result()
        seconds += its
        for name, key in (("mean", "mean"), ("difference", "difference"), ("false finding", "family")):
            cells = " | ".join(f"{100 * shares[metric][key]:.1f}" for metric in BETTER)
            last = f"{100 * shares['verdict']['recommended']:.1f}" if key == "family" else ""
            lines.append(f"| {setting.name if key == 'mean' else ''} | {name} | {cells} | {last} |")
    lines += [
        "",
        "One arm truly better: its errors are so much smaller. Shares in % of repetitions.",
        "",
        "| setting | errors smaller by | mean difference of the test NLL | recommended | another arm recommended |",
        "|---|---|---|---|---|",
    ]
    for setting, share, gained in better:
        gain = gained.result()
        lines.append(
            f"| {setting.name} | {100 * share:g}% | {gain['gain']:.4f} | {100 * gain['found']:.1f} | "
            f"{100 * gain['other']:.1f} |"
        )
    lines += [
        "",
        "Folds and splits of the same rows: two equally good learners, difference of their error rates; coverage in % "
        "of the Nadeau-Bengio interval and of a plain t interval.",
        "",
        "| setting | Nadeau-Bengio | plain t |",
        "|---|---|---|",
    ]
    for folds, count, rows, split in splits:
        covers = split.result()
        what = "folds" if folds else "random splits, a fifth tested"
        lines.append(f"| {count} {what}, {rows} rows | {100 * covers['corrected']:.1f} | {100 * covers['plain']:.1f} |")
    lines += ["", f"CPU time of the first table: {seconds:.0f} s.", ""]
    return "\n".join(lines)


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that are started
    text = report(arguments.repetitions, arguments.jobs)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "statistics.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
