"""What one run shows on its test split: each metric, and how it varies with the samples that it was judged on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothlab.errors import UserMistake
from smoothlab.metrics.prediction import Prediction
from smoothlab.reports.stack import Stack
from smoothlab.rundir.content import sums_read_once

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smoothlab.metrics.inputs import Array
    from smoothlab.reports.records import Predictions, RunRecord

RAW, TEMPERATURE = "raw", "temperature"
BETTER = {
    "nll": "min",
    "brier": "min",
    "accuracy": "max",
    "macro_f1": "max",
    "ece": "min",
    "ece_equal_mass": "min",
    "confidence_gap": "zero",
    "aurc": "min",
}
# Of runs with several labels a sample, of votes and of translations: taken as results.json has them.
ALSO_BETTER = {
    "subset_accuracy": "max",
    "micro_f1": "max",
    "ece_labelwise": "min",
    "average_precision": "max",
    "ranking_loss": "min",
    "hierarchy_violations": "min",
    "perplexity": "min",
    "bleu": "max",
    "chrf": "max",
    "exact_match": "max",
}
MOST_NUMBERS = 2**22  # probabilities that are held at a time, of as many runs; those of one run may be more
NUM_BINS = 15  # of a reliability diagram
POINTS = 100  # of a risk-coverage curve
MOST_CLASSES = 1000  # with more, the classes are not told apart
MOST_FITTED = 20_000  # validation rows that a temperature is fitted to
LOWEST = float(np.log(np.finfo(np.float64).tiny))


@dataclass(frozen=True)
class Evidence:
    """A run's metrics on its test split.

    Args:
        record: the run.
        values: by variant and metric.
        noise: by variant and metric, a vector of the metric's error over resampled test samples: the covariance of two
            metrics, or runs, of the same test samples is the product of their vectors. Empty where the predictions do
            not give it.
        samples: how many test samples; 0 where that is not known.
        test: tells test sets apart.
        classes: names.
        temperature: that the validation predictions ask for, or None.
        note: why there is less than a classification gives, or "".
        validated: its NLL on validation data, or None.
    """

    record: RunRecord
    values: Mapping[str, Mapping[str, float]]
    noise: Mapping[str, Mapping[str, Array]] = field(repr=False)
    samples: int
    test: str
    classes: tuple[str, ...]
    temperature: float | None
    note: str
    validated: float | None

    @property
    def key(self) -> tuple[int | None, int | None]:
        """Seed and fold: runs of two arms that share it are a pair."""
        return self.record.seed, self.record.fold


@dataclass(frozen=True)
class Shown:
    """What the page draws of one run's test predictions.

    Args:
        class_names: K names.
        test: tells test sets apart.
        rows: (N,) row numbers in the data's source.
        bins: (3, B) of :data:`NUM_BINS` bins: how many samples, summed confidence, how many right.
        ece: over these bins.
        gap: mean confidence less accuracy.
        risk: (P,) error rate at :data:`POINTS` even coverages.
        aurc: area under that curve.
        classes: (K,) each column of a table of the classes; empty where there are more than :data:`MOST_CLASSES`.
    """

    class_names: tuple[str, ...]
    test: str
    rows: NDArray[np.int64]
    bins: Array
    ece: float
    gap: float
    risk: Array
    aurc: float
    classes: Mapping[str, Array]


@dataclass(frozen=True)
class Judged:
    """What a run shows.

    Args:
        evidence: its metrics, or why there are none.
        shown: what its test predictions show, or why they cannot be taken; None where there are none.
    """

    evidence: Evidence | str
    shown: Shown | str | None


def judge(records: Sequence[RunRecord]) -> list[Judged]:
    """What finished runs show, in their order; each file of predictions is read once.

    A run whose predictions are not those of one label a sample, or do not give the metrics that it was scored with (as
    with votes, of which the predictions have the mode alone), counts with the metrics in results.json.

    Args:
        records: of runs that are done. Runs of as many samples and classes are judged together, as many at a time as
            :data:`MOST_NUMBERS` probabilities.
    """
    judged: list[Judged] = []
    waiting: list[_Read] = []
    rows: dict[str, NDArray[np.int64]] = {}
    numbers = 0
    for record in records:
        waiting.append(_read(record, rows))
        numbers += waiting[-1].size
        if numbers >= MOST_NUMBERS:
            judged += _together(waiting)
            waiting, numbers = [], 0
    return judged + _together(waiting)


@dataclass(frozen=True)
class _Read:
    """A run with its predictions, or why they cannot be taken; ``mistakes`` by split."""

    record: RunRecord
    test: Predictions | None
    val: Predictions | None
    fingerprint: str
    mistakes: Mapping[str, str]

    @property
    def size(self) -> int:
        return sum(part.probabilities.size for part in (self.test, self.val) if part is not None)


def _read(record: RunRecord, rows: dict[str, NDArray[np.int64]]) -> _Read:
    """Read the predictions of a run; the rows of a test set that was met before are those in ``rows``."""
    mistakes: dict[str, str] = {}
    parts: dict[str, Predictions | None] = {"test": None, "val": None}
    with sums_read_once():
        for split in parts:
            try:
                parts[split] = record.predictions(split) if split == "test" or parts["test"] is not None else None
            except UserMistake as mistake:
                mistakes[split] = str(mistake)
    test, fingerprint = parts["test"], ""
    if test is not None:
        fingerprint = _fingerprint(test)
        test = replace(test, rows=rows.setdefault(fingerprint, test.rows))
    return _Read(record, test, parts["val"], fingerprint, mistakes)


def _together(runs: Sequence[_Read]) -> list[Judged]:
    """Judge runs, those of as many samples and classes in one pass."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, run in enumerate(runs):
        if run.test is not None:
            alike.setdefault((*run.test.probabilities.shape, _num_bins(run.record)), []).append(place)
    shown: dict[int, tuple[Shown, _Scores]] = {}
    for (*_, num_bins), places in alike.items():
        shown |= dict(zip(places, _stacked([runs[place] for place in places], num_bins), strict=True))
    return [_judged(run, *shown.get(place, (None, None))) for place, run in enumerate(runs)]


@dataclass(frozen=True)
class _Scores:
    """Values and noise by variant and metric, and the temperature (see :class:`Evidence`)."""

    values: Mapping[str, Mapping[str, float]]
    noise: Mapping[str, Mapping[str, Array]]
    temperature: float | None


def _stacked(runs: Sequence[_Read], num_bins: int) -> list[tuple[Shown, _Scores]]:
    """What runs of as many samples and classes show."""
    tests = [run.test for run in runs if run.test is not None]
    logits = _log(np.concatenate([test.probabilities for test in tests]))
    labels = np.concatenate([test.labels for test in tests])
    raw = Stack(Prediction.of(logits, labels, from_logits=True), len(runs))
    scored = raw.values(num_bins), raw.noise(num_bins)
    shown = _shown(runs, raw, scored[0])
    temperatures = [None if run.val is None else optimal_temperature(run.val) for run in runs]
    having = [place for place, temperature in enumerate(temperatures) if temperature is not None]
    scaled: tuple[dict[str, Array], dict[str, Array]] = {}, {}
    if having:
        samples = raw.samples
        own = np.repeat([temperature for temperature in temperatures if temperature is not None], samples)
        rows = (samples * np.array(having)[:, None] + np.arange(samples)).ravel()
        stack = Stack(Prediction.of(logits[rows] / own[:, None], labels[rows], from_logits=True), len(having))
        scaled = stack.values(num_bins), stack.noise(num_bins)
    scores = []
    for place, temperature in enumerate(temperatures):
        variants = {RAW: (place, *scored)}
        if temperature is not None:
            variants[TEMPERATURE] = (having.index(place), *scaled)
        values = {name: {metric: float(of[at]) for metric, of in v.items()} for name, (at, v, _) in variants.items()}
        noise = {name: {metric: of[at] for metric, of in n.items()} for name, (at, _, n) in variants.items()}
        scores.append(_Scores(values, noise, temperature))
    return list(zip(shown, scores, strict=True))


def _shown(runs: Sequence[_Read], stack: Stack, values: Mapping[str, Array]) -> list[Shown]:
    """What the page draws of each run."""
    sums, curves = stack.width_sums(NUM_BINS), stack.curve(POINTS)
    errors = np.abs(sums[:, 1] - sums[:, 2]).sum(1) / stack.samples
    numbers = stack.of_classes(NUM_BINS) if stack.classes <= MOST_CLASSES else {}
    return [
        Shown(
            class_names=run.test.class_names,
            test=run.fingerprint,
            rows=run.test.rows,
            bins=sums[place],
            ece=float(errors[place]),
            gap=float(values["confidence_gap"][place]),
            risk=curves[place],
            aurc=float(values["aurc"][place]),
            classes={name: of[place] for name, of in numbers.items()},
        )
        for place, run in enumerate(runs)
        if run.test is not None
    ]


def _judged(run: _Read, shown: Shown | None, scores: _Scores | None) -> Judged:
    record = run.record
    seen: Shown | str | None = run.mistakes.get("test", shown)
    metrics, validated = record.metrics("test"), record.metrics("val").get("nll")
    if not metrics:
        return Judged(f"{record.path}: results.json has no metrics of the test split", seen)
    if mistake := run.mistakes.get("test", run.mistakes.get("val")):
        return Judged(mistake, seen)
    if run.test is None or scores is None:
        what = {"multilabel": "several labels a sample", "translation": "translation"}
        return Judged(_of_results(record, metrics, validated, what.get(record.kind, "no predictions")), seen)
    if "nll" in metrics and not np.isclose(scores.values[RAW]["nll"], metrics["nll"], rtol=1e-3, atol=1e-6):
        what_for = "votes, or metrics that its predictions do not give"
        return Judged(_of_results(record, metrics, validated, what_for, run), seen)
    evidence = Evidence(
        record=record,
        values=scores.values,
        noise=scores.noise,
        samples=len(run.test.labels),
        test=run.fingerprint,
        classes=run.test.class_names,
        temperature=scores.temperature,
        note="",
        validated=validated,
    )
    return Judged(evidence, seen)


def optimal_temperature(predictions: Predictions) -> float:
    """The temperature of the smallest NLL; of many rows, of some that are evenly spread."""
    from smoothlab.calibration import Temperature

    step = -(-len(predictions.labels) // MOST_FITTED)
    fitted = Temperature().fit(_log(predictions.probabilities[::step]), predictions.labels[::step])
    return float(fitted.temperature)


def judged(prediction: Prediction, num_bins: int) -> tuple[dict[str, float], dict[str, Array]]:
    """The metrics of :data:`BETTER` of one run and their vectors of noise (see :class:`Evidence`)."""
    stack = Stack(prediction, 1)
    values = {name: float(of[0]) for name, of in stack.values(num_bins).items()}
    return values, {name: of[0] for name, of in stack.noise(num_bins).items()}


def _of_results(
    record: RunRecord, metrics: dict[str, float], validated: float | None, what: str, run: _Read | None = None
) -> Evidence:
    known = {name: metrics[name] for name in (*BETTER, *ALSO_BETTER) if name in metrics}
    names = () if run is None or run.test is None else run.test.class_names
    return Evidence(record, {RAW: known}, {}, 0, "" if run is None else run.fingerprint, names, None, what, validated)


def _num_bins(record: RunRecord) -> int:
    num_bins: Any = record.flat.get("task.num_bins", 15)
    return num_bins if isinstance(num_bins, int) and 1 <= num_bins <= 1000 else 15


def _log(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(probabilities), LOWEST)


def _fingerprint(test: Predictions) -> str:
    digest = hashlib.sha256(test.rows.tobytes())
    digest.update(test.labels.tobytes())
    return digest.hexdigest()[:16]
