"""From the runs of arms to means, differences and intervals: which statistic the runs' design asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from smoothlab.metrics.inputs import Array
from smoothlab.reports.evidence import RAW, Evidence
from smoothlab.statistics import (
    Estimate,
    cross_validated,
    errors_added,
    luck_of_trainings,
    nadeau_bengio,
    paired_t,
    probability_of_best,
    simultaneous_factor,
)

Key = tuple[int | None, int | None]
# What a mean can be at all: its interval ends there.
RANGES = {"confidence_gap": (-1.0, 1.0), "brier": (0.0, 2.0)}
# Skewed, and the surer the smaller: the interval of a mean is even on a log scale.
POSITIVE = ("nll", "brier", "ece", "ece_equal_mass", "ece_labelwise", "aurc", "perplexity", "ranking_loss")
UP_TO_ONE = ("accuracy", "macro_f1", "micro_f1", "subset_accuracy", "ece", "ece_equal_mass", "ece_labelwise", "aurc")
Runs = Mapping[Key, Evidence]


@dataclass(frozen=True)
class Design:
    """How the runs of an arm repeat it.

    Args:
        kind: ``seeds``: other seeds on one test set; ``folds``: folds whose rows are drawn apart, each row a test row
            once; ``splits``: other splits of the same rows, or folds of whole groups; ``draws``: rows drawn anew;
            ``one``: a single run.
        ratio: of splits, rows that are tested over the others.
    """

    kind: str
    ratio: float = 0.0

    @classmethod
    def of(cls, runs: Sequence[Evidence]) -> Design:
        """The design of an arm's runs."""
        if len(runs) < 2:
            return cls("one")
        tests = {run.test for run in runs}
        if len(tests) < 2 and tests != {""}:
            return cls("seeds")
        flats = [run.record.flat for run in runs]
        if len({str(flat.get("data.row_seed")) for flat in flats}) > 1:
            return cls("draws")
        if _are_folds(runs):
            return cls("folds")
        if tests == {""} and not any(len({str(flat.get(key)) for flat in flats}) > 1 for key in SPLITTING):
            return cls("seeds")
        return cls("splits", _ratio(runs[0]))


SPLITTING = ("data.split_seed", "data.fold")


def _are_folds(runs: Sequence[Evidence]) -> bool:
    """Whether there are folds with test rows of their own, which are not drawn by groups, of one split of the data."""
    folds = {run.record.fold for run in runs}
    tests = {_part(run) for run in runs}
    grouped = any(run.record.flat.get("data.split_column") is not None for run in runs)
    splits = {str(run.record.flat.get("data.split_seed")) for run in runs}
    return None not in folds and 1 < len(folds) == len(tests) and not grouped and len(splits) == 1


def _part(run: Evidence) -> str:
    """The test rows of a run: by their contents, else by the fold."""
    return run.test or f"fold {run.record.fold}"


def _ratio(run: Evidence) -> float:
    """Rows that are tested over the others, from the config; a fifth over four fifths where it does not say."""
    flat = run.record.flat
    folds = flat.get("data.folds")
    if run.record.fold is not None and isinstance(folds, int) and folds > 1:
        return 1.0 / (folds - 1)
    fractions: Any = flat.get("data.fractions")
    if isinstance(fractions, list) and len(fractions) == 3 and isinstance(fractions[2], int | float):
        return float(fractions[2]) / (1.0 - float(fractions[2])) if 0 < fractions[2] < 1 else 0.25
    return 0.25


def pairs(arm: Runs, baseline: Runs) -> list[Key]:
    """Seeds and folds that both have, judged on the same test samples."""
    return [key for key, run in arm.items() if key in baseline and run.test == baseline[key].test]


def mean_of(runs: Sequence[Evidence], variant: str, metric: str, level: float) -> Estimate | None:
    """The mean of a metric over runs; None where one of them does not have it."""
    if not runs or any(metric not in run.values.get(variant, {}) for run in runs):
        return None
    values = [run.values[variant][metric] for run in runs]
    noise = [run.noise.get(variant, {}).get(metric) for run in runs]
    estimated = estimate(values, noise, runs, Design.of(runs), level)
    if math.isnan(estimated.low):
        return estimated
    lowest, highest = RANGES.get(metric, (0.0, 1.0 if metric in UP_TO_ONE else math.inf))
    low, high = estimated.low, estimated.high
    if metric in POSITIVE and estimated.mean > 0:
        share = min((high - estimated.mean) / estimated.mean, 100.0)
        low, high = estimated.mean * math.exp(-share), estimated.mean * math.exp(share)
    return replace(estimated, low=max(low, lowest), high=min(high, highest))


def difference_of(
    arm: Runs, baseline: Runs, metric: str, level: float, *, variant: str, baseline_variant: str
) -> Estimate | None:
    """The mean paired difference of a metric, arm less baseline; None without a pair that has it."""
    keys = [
        key
        for key in pairs(arm, baseline)
        if metric in arm[key].values.get(variant, {}) and metric in baseline[key].values.get(baseline_variant, {})
    ]
    if not keys:
        return None
    values, noise = [], []
    for key in keys:
        ours, theirs = arm[key], baseline[key]
        values.append(ours.values[variant][metric] - theirs.values[baseline_variant][metric])
        here, there = ours.noise.get(variant, {}).get(metric), theirs.noise.get(baseline_variant, {}).get(metric)
        noise.append(None if here is None or there is None else here - there)
    runs = [baseline[key] for key in keys]
    return estimate(values, noise, runs, Design.of(runs), level)


def estimate(
    values: Sequence[float],
    noise: Sequence[Array | None],
    runs: Sequence[Evidence],
    design: Design,
    level: float,
) -> Estimate:
    """A mean with the interval that the design asks for.

    Args:
        values: a number a run.
        noise: a vector a run (see :class:`Evidence`), or None.
        runs: which they are of.
        design: how the runs repeat the arm.
        level: of the interval.
    """
    tests = [run.test for run in runs]
    known = [vector for vector in noise if vector is not None]
    if design.kind == "folds":
        parts = [_part(run) for run in runs]
        means = _means_of(values, parts)
        if len(known) < len(values):  # what chance does to rows is in the scatter of the folds: a t interval over them
            return cross_validated(means, np.zeros(len(means)), samples=math.inf, level=level)
        samples = {run.test: run.samples for run in runs}
        within = [float(vector @ vector) for vector in _by_test(known, parts).values()]
        return cross_validated(means, within, samples=sum(samples.values()), level=level)
    if design.kind == "splits":
        if all(tests):  # runs of one split with several seeds count once
            values = _means_of(values, tests)
        return nadeau_bengio(values, _ratio(runs[0]), level=level)
    if len(known) < len(values):
        return paired_t(values, level=level)
    errors: dict[str, list[Array]] = {}
    for test, vector in zip(tests, known, strict=True):
        errors.setdefault(test, []).append(vector)
    stacked = [np.stack(vectors) for vectors in errors.values()]
    return errors_added(values, stacked, samples=min(run.samples for run in runs), level=level)


def _covariance(noise: Sequence[Array], tests: Sequence[str]) -> Array:
    """``(n, n)`` of the errors of n runs over resampled test samples: 0 of runs with other test sets."""
    covariance = np.zeros((len(noise), len(noise)))
    for index in _places_of(tests).values():
        stacked = np.stack([noise[place] for place in index])
        covariance[np.ix_(index, index)] = stacked @ stacked.T
    return covariance


def _places_of(tests: Sequence[str]) -> dict[str, list[int]]:
    """At which places each test set stands, in the order of their first ones."""
    places: dict[str, list[int]] = {}
    for place, test in enumerate(tests):
        places.setdefault(test, []).append(place)
    return places


def _means_of(values: Sequence[float], tests: Sequence[str]) -> list[float]:
    """The mean over the seeds of each test set."""
    return [float(np.mean([values[place] for place in index])) for index in _places_of(tests).values()]


def _by_test(noise: Sequence[Array], tests: Sequence[str]) -> dict[str, Array]:
    """The vector of noise of the mean over the seeds of each test set."""
    return {test: np.mean([noise[place] for place in index], axis=0) for test, index in _places_of(tests).items()}


def family_factor(arms: Mapping[str, Runs], base: str, names: Sequence[str], metric: str, level: float) -> float:
    """How much wider the intervals of some arms' differences must be for all of them to hold at once.

    It is asked of arms among which one is chosen by validation NLL, for what the choice has seen of the errors of the
    test metrics. Over folds and splits that is all of them, since the validation rows of a run are test rows of others;
    over seeds and over rows drawn anew it is the luck of the trainings.

    Args:
        arms: runs by arm.
        base: what the arms are compared with.
        names: the arms among which the choice is made.
        metric: of the differences, of the probabilities as they are.
        level: of the intervals together.
    """
    kind = Design.of(list(arms[base].values())).kind
    if kind == "one":
        return 1.0
    errors_of = _errors_of_rows if kind in ("folds", "splits") else _errors_of_trainings
    errors = errors_of([arms[name] for name in names], arms[base], metric)
    return simultaneous_factor(errors, level=level) if errors else 1.0


def _errors_of_rows(arms: Sequence[Runs], base: Runs, metric: str) -> list[Array]:
    """What each row of the folds that all arms have adds to the error of each difference."""
    vectors: list[dict[str, Array]] = []
    for arm in arms:
        keys = pairs(arm, base)
        noise = [vector for key in keys if (vector := _noise(arm[key], base[key], metric)) is not None]
        if keys and len(noise) == len(keys):
            vectors.append(_by_test(noise, [_part(base[key]) for key in keys]))
    shared = sorted(set.intersection(*(set(vector) for vector in vectors))) if vectors else []
    return [np.concatenate([vector[test] for test in shared]) for vector in vectors] if shared else []


def _errors_of_trainings(arms: Sequence[Runs], base: Runs, metric: str) -> list[Array]:
    """What the trainings that all arms have add to the error of each difference, and what is left of it."""

    def keys_of(arm: Runs) -> list[Key]:
        return [key for key in pairs(arm, base) if all(metric in run[key].values.get(RAW, {}) for run in (arm, base))]

    repeated = [arm for arm in arms if len(keys_of(arm)) > 1]
    having = [set(keys_of(arm)) for arm in repeated]
    shared = [key for key in base if all(key in keys for keys in having)]
    if len(shared) < 2:
        return []
    errors = []
    for arm in repeated:
        values = [arm[key].values[RAW][metric] - base[key].values[RAW][metric] for key in shared]
        noise = [vector for key in shared if (vector := _noise(arm[key], base[key], metric)) is not None]
        known = len(noise) == len(shared)
        covariance = _covariance(noise, [base[key].test for key in shared]) if known else np.zeros((len(shared),) * 2)
        errors.append(luck_of_trainings(values, covariance))
    return errors


def _noise(arm: Evidence, base: Evidence, metric: str) -> Array | None:
    """The vector of noise (see :class:`Evidence`) of a difference of two runs."""
    ours, theirs = (run.noise.get(RAW, {}).get(metric) for run in (arm, base))
    return None if ours is None or theirs is None else ours - theirs


def best_of(arms: Mapping[str, Runs], variant: str, metric: str, better: str) -> dict[str, float]:
    """How likely each arm is to be the best by a metric; arms without it are left out."""
    sign = -1.0 if better == "max" else 1.0
    having = {
        name: {key: run for key, run in runs.items() if metric in run.values.get(variant, {})}
        for name, runs in arms.items()
    }
    having = {name: runs for name, runs in having.items() if runs}
    if not having:
        return {}
    keys = {key: place for place, key in enumerate(dict.fromkeys(key for runs in having.values() for key in runs))}
    means, between = np.zeros(len(having)), np.zeros((len(having), len(keys)))
    shared: list[dict[str, Array]] = []
    designs = [Design.of(list(runs.values())) for runs in having.values()]
    for row, (runs, design) in enumerate(zip(having.values(), designs, strict=True)):
        values = np.array([sign * run.values[variant][metric] for run in runs.values()])
        means[row] = values.mean()
        if len(values) > 1:
            scale = math.sqrt((1 + len(values) * design.ratio) / (len(values) * (len(values) - 1)))
            between[row, [keys[key] for key in runs]] = (values - values.mean()) * scale
        errors: dict[str, list[Array]] = {}
        for run in runs.values() if design.kind in ("seeds", "one") else ():
            if (vector := run.noise.get(variant, {}).get(metric)) is not None:
                errors.setdefault(run.test, []).append(vector)
        shared.append({test: sign * np.sum(vectors, axis=0) / len(runs) for test, vectors in errors.items()})
    tests = dict.fromkeys(test for vectors in shared for test in vectors)
    lengths = {test: next(len(vectors[test]) for vectors in shared if test in vectors) for test in tests}
    samples = np.array(
        [
            np.concatenate([np.zeros(0), *(vectors.get(test, np.zeros(lengths[test])) for test in tests)])
            for vectors in shared
        ]
    )
    freedom = max(1, max(len(runs) for runs in having.values()) - 1)
    chances = probability_of_best(means, [(between, freedom), (samples, math.inf)], towards_zero=better == "zero")
    return dict(zip(having, (float(chance) for chance in chances), strict=True))
