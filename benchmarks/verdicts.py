"""Is the verdict of a comparison right, and how much does it see?

    python benchmarks/verdicts.py                  # half an hour; writes benchmarks/results/verdicts.md
    python benchmarks/verdicts.py --repetitions 100 --out FOLDER

Losses of rows are drawn for arms whose true differences are known, and go through the statistics and the rule of the
verdict (smoothlab.statistics, smoothlab.reports.deciding). The loss of a row under an arm, less that of the baseline,
is the true difference of the arm, what the arm does to this row in every training, the luck of the training as a whole,
and what the training does to this row alone. Validation rows are drawn too; over folds they are the rows of other
folds, as they are in a comparison, so that choosing by them is choosing by rows that are tested elsewhere. Each design
has draws of its own, and what it came to stands below build/verdicts, so that an interruption loses little.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from smoothlab.comparing.looking import share_of
from smoothlab.reports.deciding import kind_of
from smoothlab.reports.roles import SMOOTHING
from smoothlab.reports.verdict import (
    CANNOT_TELL,
    HELPS,
    HURTS,
    NO_ANSWER,
    NO_DIFFERENCE,
    Candidate,
    Case,
    Interval,
)
from smoothlab.statistics import (
    Estimate,
    bootstrap_covariance,
    cannot_win,
    cross_validated,
    holm,
    levels_of_looks,
    luck_of_trainings,
    nadeau_bengio,
    paired_t,
    simultaneous_factor,
    variances_added,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SMOOTH, RIVALS = 7, 5  # arms beside the baseline
RUNS = 5
LEVEL = 0.95
LOOKS = (5, 10, 20)  # runs an arm, of budget=auto
TEST, VALIDATION = 0.2, 0.16  # shares of a single split
HERE = Path(__file__).resolve().parent
PARTS = Path(os.environ.get("SMOOTHLAB_PARTS", HERE.parent / "build")) / "verdicts"


@dataclass(frozen=True)
class Design:
    """What is simulated.

    Args:
        name: what it is called.
        rows: of the data.
        folds: whether every row is a test row once; else one split.
        heavy: whether what happens to rows has the tails of t with 3 degrees of freedom, else normal ones.
        luck: deviation of what a training does to all rows.
        alike: share of the variance of luck that all trainings have in common, since they share training rows.
        seeds: on each fold; of one split so many times five.
    """

    name: str
    rows: int
    folds: bool = True
    heavy: bool = False
    luck: float = 0.008
    alike: float = 0.0
    seeds: int = 1

    def noise(self, random: np.random.Generator, size: tuple[int, ...], deviation: float) -> Array:
        """What happens to rows."""
        drawn = random.standard_t(3, size) / math.sqrt(3) if self.heavy else random.standard_normal(size)
        return deviation * drawn


ROW, TRAINING = 0.2, 0.15  # deviations of a difference: on a row in all trainings, on a row in one training
COMMON = 0.7  # correlation of what smoothing arms do, beside the baseline that all arms share
DESIGNS = (
    Design("569 rows, light tails", 569),
    Design("569 rows, heavy tails", 569, heavy=True),
    Design("569 rows, much luck of training", 569, luck=0.025),
    Design("569 rows, luck that folds share", 569, heavy=True, luck=0.015, alike=0.5),
    Design("569 rows, 5 folds of 2 seeds, heavy tails", 569, heavy=True, luck=0.015, seeds=2),
    Design("2,500 rows, heavy tails, luck", 2500, heavy=True, luck=0.008),
    Design("5,000 rows on one split, heavy tails", 5000, folds=False, heavy=True, luck=0.004),
    Design("5,000 rows on one split, much luck", 5000, folds=False, luck=0.02),
)


@dataclass(frozen=True)
class Drawn:
    """Differences to the baseline.

    Args:
        truth: ``(arms,)`` of models trained on these rows: the true ones and the luck that all trainings share.
        test: by fold, or once, ``(arms, seeds, rows)``.
        validated: by fold, or once, ``(arms, seeds)``.
    """

    truth: Array
    test: list[Array]
    validated: list[Array]

    @property
    def validation(self) -> Array:
        """``(arms,)`` means over runs."""
        return np.asarray(np.concatenate(self.validated, axis=1).mean(1))

    def first(self, seeds: int) -> Drawn:
        """With so many seeds on each fold."""
        return Drawn(self.truth, [part[:, :seeds] for part in self.test], [part[:, :seeds] for part in self.validated])


def of_arms(drawn: Array) -> Array:
    """Numbers of the baseline, a smoothing common to all, and each arm: what they make of the arms' differences."""
    base, common, own = drawn[0], drawn[1], drawn[2:]
    own = np.concatenate([math.sqrt(COMMON) * common + math.sqrt(1 - COMMON) * own[:SMOOTH], own[SMOOTH:]])
    return np.asarray((own - base) / math.sqrt(2))


def draw(design: Design, true: Array, random: np.random.Generator) -> Drawn:
    """Losses of arms less those of the baseline, whose true differences are ``(arms,)``, smoothing first."""
    arms = len(true)
    effect = of_arms(design.noise(random, (arms + 2, design.rows), ROW))
    parts, seeds = (RUNS, design.seeds) if design.folds else (1, RUNS * design.seeds)
    shared = of_arms(random.standard_normal((arms + 2, 1, 1))) * math.sqrt(design.alike) * design.luck
    own = of_arms(random.standard_normal((arms + 2, parts, seeds))) * math.sqrt(1 - design.alike) * design.luck
    level = true[:, None, None] + shared + own
    order = random.permutation(design.rows)
    tests = np.array_split(order, RUNS) if design.folds else [order[: round(TEST * design.rows)]]
    held = round(VALIDATION * design.rows)
    test, validation = [], []
    for part, rows in enumerate(tests):
        noise = of_arms(design.noise(random, (arms + 2, seeds, len(rows)), TRAINING))
        test.append(level[:, part, :, None] + effect[:, None, rows] + noise)
        others = np.setdiff1d(order, rows, assume_unique=True)[:held] if design.folds else order[-held:]
        chance = of_arms(random.standard_normal((arms + 2, seeds))) * TRAINING / math.sqrt(held)
        validation.append(level[:, part] + effect[:, others].mean(1)[:, None] + chance)
    return Drawn(true + shared[:, 0, 0], test, validation)


def estimates(
    design: Design, drawn: Drawn, arms: list[int], own: float = LEVEL
) -> tuple[list[Estimate], float, list[Estimate]]:
    """The estimate of each arm, the factor of the smoothing arms, and the estimates with the intervals of two tests."""
    if not design.folds:
        (whole,) = drawn.test
        both = [
            [
                variances_added(
                    whole[arm].mean(1), bootstrap_covariance(whole[arm]), samples=whole.shape[2], level=level
                )
                for arm in arms
            ]
            for level in (own, 2 * own - 1)
        ]
        errors = [luck_of_trainings(rows.mean(1), bootstrap_covariance(rows)) for rows in whole[:SMOOTH]]
        return both[0], simultaneous_factor(errors, level=own), both[1]
    means = np.array([part.mean((1, 2)) for part in drawn.test])
    centred = [part.mean(1) - part.mean((1, 2))[:, None] for part in drawn.test]
    within = np.array([(rows**2).sum(1) / (rows.shape[1] * (rows.shape[1] - 1)) for rows in centred])
    both = [
        [cross_validated(means[:, arm], within[:, arm], samples=design.rows, level=level) for arm in arms]
        for level in (own, 2 * own - 1)
    ]
    of_rows = np.concatenate([rows[:SMOOTH] / rows.shape[1] for rows in centred], axis=1)
    return both[0], simultaneous_factor(of_rows, level=own), both[1]


def verdict(
    design: Design, drawn: Drawn, margin: float, level: float = LEVEL, among: list[int] | None = None
) -> tuple[int, str, Estimate]:
    """The arm that stands for smoothing, the verdict about it, and its estimate."""
    hero = min(range(SMOOTH) if among is None else among, key=lambda arm: drawn.validation[arm])
    (alone,), factor, (narrow,) = estimates(design, drawn, [hero], level)
    change = alone.widened(factor, level)
    candidate = Candidate("", SMOOTHING, -1.0, change, 1.0, narrow.widened(factor, 2 * level - 1))
    case = Case("", "", True, 1.0, [candidate], None, lambda *_: None, "folds", level, margin)
    return hero, kind_of(candidate, case), change


def looked(design: Design, drawn: Drawn, margin: float) -> tuple[int, str, int]:
    """The arm that stands for smoothing, the verdict, and the runs that it took, as budget=auto looks.

    Drawn are as many runs as the last look asks for.
    """
    alive = list(range(SMOOTH))
    shares: tuple[float, ...] = ()
    for runs in LOOKS:
        now = drawn.first(runs // RUNS if design.folds else runs)
        change = verdict(design, now, margin, LEVEL, alive)[2]
        answer = replace(NO_ANSWER, detectable=change.detectable(), difference=Interval.of(change, LEVEL))
        shares = (*shares, share_of(answer, runs / LOOKS[-1], shares))
        hero, kind, _ = verdict(design, now, margin, levels_of_looks(shares, level=LEVEL)[-1], alive)
        if kind != CANNOT_TELL or shares[-1] == 1:
            break
        values = np.concatenate(now.validated, axis=1)
        alive = [arm for arm in alive if not cannot_win(list(values[arm] - values[hero]), level=LEVEL)]
    return hero, kind, runs


def of_looks(design: Design, size: float, margin: float, repetitions: int, random: np.random.Generator) -> list[str]:
    """How often a verdict is wrong, and right, by looks and at once, and how many runs an arm it takes."""
    most = replace(design, seeds=LOOKS[-1] // RUNS)
    gain = -size * np.linspace(1.0, 0.4, SMOOTH)
    counts = dict.fromkeys(("helps", "hurts", "null runs", "fixed 5", "fixed 20", "looks", "runs", "worse"), 0)
    for _ in range(repetitions):
        drawn = draw(most, np.zeros(SMOOTH), random)
        hero, kind, runs = looked(most, drawn, 0.0)
        counts["helps"] += kind == HELPS and drawn.truth[hero] >= 0
        counts["hurts"] += kind == HURTS and drawn.truth[hero] <= 0
        counts["null runs"] += runs
        drawn = draw(most, gain, random)
        counts["fixed 5"] += verdict(most, drawn.first(1 if design.folds else RUNS), 0.0)[1] == HELPS
        counts["fixed 20"] += verdict(most, drawn, 0.0)[1] == HELPS
        _, kind, runs = looked(most, drawn, 0.0)
        counts["looks"] += kind == HELPS
        counts["runs"] += runs
        drawn = draw(most, np.full(SMOOTH, margin), random)
        hero, kind, _ = looked(most, drawn, margin)
        counts["worse"] += kind == NO_DIFFERENCE and drawn.truth[hero] >= margin
    return [
        f"{count / repetitions:.1f}" if name.endswith("runs") else f"{100 * count / repetitions:.1f}"
        for name, count in counts.items()
    ]


def before(drawn: Drawn) -> int | None:
    """The arm that the former rule recommended: of those below the baseline in validation, the first that is better
    beyond noise on one split after Holm's correction for all arms."""
    (whole,) = drawn.test
    changes = [variances_added(rows.mean(1), bootstrap_covariance(rows), samples=whole.shape[2]) for rows in whole]
    corrected = holm([change.p for change in changes])
    for arm in np.argsort(drawn.validation):
        if drawn.validation[arm] < 0 and changes[arm].mean < 0 and corrected[arm] <= 1 - LEVEL:
            return int(arm)
    return None


def of_null(design: Design, repetitions: int, random: np.random.Generator) -> list[str]:
    """Coverage where no arm differs, and how often the verdict says that one does."""
    counts = dict.fromkeys(("one", "anew", "t", "nb", "plain", "hero", HELPS, HURTS), 0)
    for _ in range(repetitions):
        drawn = draw(design, np.zeros(SMOOTH), random)
        (first,), _, _ = estimates(design, drawn, [0])
        counts["one"] += covers(first, drawn.truth[0])
        counts["anew"] += covers(first, 0.0)
        if design.folds:
            means = [float(part[0].mean()) for part in drawn.test]
            counts["t"] += covers(paired_t(means), drawn.truth[0])
            counts["nb"] += covers(nadeau_bengio(means, 1 / (RUNS - 1)), 0.0)
        hero, kind, change = verdict(design, drawn, 0.0)
        (alone,), _, _ = estimates(design, drawn, [hero])
        counts["plain"] += covers(alone, drawn.truth[hero])
        counts["hero"] += covers(change, drawn.truth[hero])
        counts[HELPS] += kind == HELPS and drawn.truth[hero] >= 0
        counts[HURTS] += kind == HURTS and drawn.truth[hero] <= 0
    shares = {name: f"{100 * count / repetitions:.1f}" for name, count in counts.items()}
    if not design.folds:
        shares |= {"t": "", "nb": ""}
    return list(shares.values())


def covers(change: Estimate, truth: float) -> bool:
    """Whether an interval holds the truth."""
    return bool(change.low <= truth <= change.high)


def of_truth(design: Design, size: float, repetitions: int, random: np.random.Generator) -> list[str]:
    """How often a true gain is found: by the verdict now, and before on one split with as many runs."""
    smoothing = -size * np.linspace(1.0, 0.4, SMOOTH)
    single = replace(design, folds=False)
    now = earlier = wrong = 0
    detectable = []
    for _ in range(repetitions):
        _, kind, change = verdict(design, draw(design, smoothing, random), 0.0)
        now += kind == HELPS
        wrong += kind == HURTS
        detectable.append(change.detectable())
        answer = before(draw(single, np.append(smoothing, np.zeros(RIVALS)), random))
        earlier += answer is not None and answer < SMOOTH
    shares = [f"{100 * count / repetitions:.1f}" for count in (earlier, now, wrong)]
    return [*shares, f"{np.median(detectable):.3f}"]


def of_equivalence(design: Design, repetitions: int, random: np.random.Generator) -> list[str]:
    """How often "no larger difference" is said where the difference is as large as the margin, and where it is 0."""
    nothing = np.zeros(SMOOTH)
    margin = 4.0 * float(np.median([verdict(design, draw(design, nothing, random), 0.0)[2].error for _ in range(50)]))
    cells = [f"{margin:.4f}"]
    for size in (margin, -margin, 0.0):
        count = 0
        for _ in range(repetitions):
            drawn = draw(design, nothing + size, random)
            hero, kind, _ = verdict(design, drawn, margin)
            count += kind == NO_DIFFERENCE and (size == 0 or abs(drawn.truth[hero]) >= margin)
        cells.append(f"{100 * count / repetitions:.1f}")
    return cells


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """A table in Markdown."""
    return [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]


def of_design(design: Design, repetitions: int) -> dict[str, list[str]]:
    """The rows of a design: of no difference, of a true one, of equivalence and of looks."""
    path = PARTS / f"{DESIGNS.index(design)}-{repetitions}.json"
    if path.is_file():
        done: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
        return done
    started = time.process_time()
    random = np.random.default_rng([DESIGNS.index(design), repetitions])
    size = 0.025 if design.rows < 1000 else 0.012
    equal = of_equivalence(design, repetitions, random)
    rows = {
        "null": of_null(design, repetitions, random),
        "truth": [f"{size:g}", *of_truth(design, size, repetitions, random)],
        "equal": equal,
        "looks": of_looks(design, size, float(equal[0]), repetitions, random),
    }
    rows = {name: [design.name, *row] for name, row in rows.items()}
    rows["seconds"] = [f"{time.process_time() - started:.0f}"]
    PARTS.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows), encoding="utf-8")
    print(*rows.values(), sep="\n", flush=True)
    return rows


def report(repetitions: int) -> str:
    """The text of results/verdicts.md."""
    rows = [of_design(design, repetitions) for design in DESIGNS]
    null, truth, equal, looks = ([row[name] for row in rows] for name in ("null", "truth", "equal", "looks"))
    seconds = sum(float(row["seconds"][0]) for row in rows)
    lines = [
        "# The verdict of a comparison: coverage, false verdicts, power, equivalence",
        "",
        f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}. Made by "
        f"`python benchmarks/verdicts.py --repetitions {repetitions}`: as many repetitions of each number, level 95%. "
        f"Shares in %; one of 95 is known to +-{196 * math.sqrt(0.95 * 0.05 / repetitions):.1f}. "
        f"{SMOOTH} smoothing arms that do alike (correlation {COMMON} beside the baseline), {RUNS} runs an arm (10 "
        f"with two seeds a fold). On a row, an arm differs from the baseline with a deviation of {ROW} in all of its "
        f"trainings and of {TRAINING} in one.",
        "",
        "## No arm differs from the baseline",
        "",
        "Coverage of the interval of one arm that is named beforehand: of what models trained on these rows do, and of "
        "what those trained on rows drawn anew do (they differ where trainings share luck). Of a plain t interval over "
        "the folds, and of Nadeau and Bengio's for rows drawn anew. Of the arm that validation chooses, with the "
        "interval of one arm and with that of the verdict. How often the verdict is wrong.",
        "",
        *table(
            [
                "design",
                "one arm",
                "rows anew",
                "t",
                "Nadeau-Bengio",
                "chosen, as one",
                "chosen, verdict",
                "helps",
                "hurts",
            ],
            null,
        ),
        "## Smoothing lowers the NLL",
        "",
        "The best of the smoothing arms by the size given, the others by 40 to 90% of it. How often the verdict is "
        '"helps"; how often the former rule (one split of 5 seeds, Holm over 12 arms) recommended one of them; and '
        "the median of the smallest detectable difference that the verdict tells.",
        "",
        *table(["design", "true gain", "before", "now", "hurts", "detectable"], truth),
        "## No difference larger than a margin",
        "",
        "A margin of four standard errors. How often the verdict is that there is no larger difference, where all "
        "smoothing arms are worse by the margin, better by the margin (at most 5 each), and equal to the baseline.",
        "",
        *table(["design", "margin", "worse by it", "better by it", "equal"], equal),
        "## Looks while it runs",
        "",
        f"As `budget=auto`: looks at {LOOKS[0]}, {LOOKS[1]} and {LOOKS[2]} runs an arm, alpha spent by the share of "
        "the information (Lan and DeMets, Pocock's form); arms whose validation NLL is behind by a one-sided t test at "
        "5% are dropped; it ends with a clear verdict, and where 90% of the information is there. Where no arm "
        "differs: wrong verdicts and runs an arm. Where the best arm gains as above: how often that is told by 5 runs, "
        "by 20, and by looks, and how many runs an arm these took. How often no difference larger than the margin "
        f"above is told where all arms are worse by it.",
        "",
        *table(
            ["design", "helps", "hurts", "runs", "gain: 5 runs", "20 runs", "looks", "runs", "worse by the margin"],
            looks,
        ),
        f"CPU time: {seconds:.0f} s.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with threadpool_limits(1):  # matrices are so small that a second thread only waits
        text = report(arguments.repetitions)
    (arguments.out / "verdicts.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
