"""What one run shows on its test split: each metric, and how it varies with the samples that it was judged on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothlab.errors import UserMistake
from smoothlab.metrics.bins import bin_index, mass_bins, sums_at, width_bins
from smoothlab.metrics.calibration_error import expected_error
from smoothlab.metrics.correctness import class_counts, f1_from_counts
from smoothlab.metrics.groups import group
from smoothlab.metrics.prediction import Prediction
from smoothlab.metrics.selective import RiskCoverage
from smoothlab.statistics import resample_counts
from smoothlab.ties import ROUNDING, first_of_falling_ties, first_of_ties

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
BLOCKS = 256  # samples are resampled in so many groups at most
RESAMPLES = 300
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


def evidence_of(record: RunRecord) -> Evidence:
    """What a finished run shows.

    A run whose predictions are not those of one label a sample, or do not give the metrics that it was scored with (as
    with votes, of which the predictions have the mode alone), counts with the metrics in results.json.

    Raises:
        UserMistake: its files cannot be read as predictions.
    """
    metrics = record.metrics("test")
    if not metrics:
        raise UserMistake(f"{record.path}: results.json has no metrics of the test split")
    validated = record.metrics("val").get("nll")
    test = record.predictions("test")
    if test is None:
        what = {"multilabel": "several labels a sample", "translation": "translation"}.get(
            record.kind, "no predictions"
        )
        return _of_results(record, metrics, validated, what)
    num_bins = _num_bins(record)
    scores = {RAW: _log(test.probabilities)}
    raw = Prediction.of(scores[RAW], test.labels, from_logits=True)
    if "nll" in metrics and not np.isclose(raw.mean(raw.nll), metrics["nll"], rtol=1e-3, atol=1e-6):
        return _of_results(record, metrics, validated, "votes, or metrics that its predictions do not give", test)
    temperature = None
    if (val := record.predictions("val")) is not None:
        temperature = optimal_temperature(val)
        scores[TEMPERATURE] = scores[RAW] / temperature
    values, noise = {}, {}
    for variant, logits in scores.items():
        prediction = raw if variant == RAW else Prediction.of(logits, test.labels, from_logits=True)
        values[variant], noise[variant] = judged(prediction, num_bins)
    return Evidence(
        record, values, noise, len(test.labels), _fingerprint(test), test.class_names, temperature, "", validated
    )


def optimal_temperature(predictions: Predictions) -> float:
    """The temperature of the smallest NLL; of many rows, of some that are evenly spread."""
    from smoothlab.calibration import Temperature

    step = -(-len(predictions.labels) // MOST_FITTED)
    fitted = Temperature().fit(_log(predictions.probabilities[::step]), predictions.labels[::step])
    return float(fitted.temperature)


def judged(prediction: Prediction, num_bins: int) -> tuple[dict[str, float], dict[str, Array]]:
    """The metrics of :data:`BETTER` and their vectors of noise (see :class:`Evidence`).

    Means have the noise of the bootstrap with endless resamples, AURC and macro F1 that of their influence functions
    (the infinitesimal jackknife), in blocks where samples are many. A binned error is no smooth function of its
    samples where a bin is calibrated, and is resampled.
    """
    groups = group(prediction.confidence, prediction.correct)
    f1 = f1_from_counts(*class_counts(prediction))
    gap = prediction.confidence - prediction.correct
    values = {
        "nll": prediction.mean(prediction.nll),
        "brier": prediction.mean(prediction.brier),
        "accuracy": prediction.mean(prediction.correct),
        "macro_f1": float(np.nanmean(f1)),
        "ece": expected_error(width_bins(prediction.confidence, prediction.correct, prediction.weights, num_bins)),
        "ece_equal_mass": expected_error(mass_bins(groups, num_bins)),
        "confidence_gap": prediction.mean(gap),
        "aurc": RiskCoverage(groups).area(),
    }
    smooth = {
        "nll": prediction.nll,
        "brier": prediction.brier,
        "accuracy": prediction.correct,
        "macro_f1": _influence_on_macro_f1(prediction, f1),
        "confidence_gap": gap,
        "aurc": influence_on_aurc(prediction.confidence, prediction.correct),
    }
    samples = len(gap)
    blocks = min(samples, BLOCKS)
    block = np.arange(samples) % blocks
    noise = {}
    for name, influence in smooth.items():
        summed = np.bincount(block, influence - influence.mean(), blocks)
        noise[name] = summed / samples * np.sqrt(blocks / max(blocks - 1, 1))
    counts = _counts(blocks)
    binned = {
        "ece": (np.arange(samples), bin_index(prediction.confidence, num_bins), np.ones(samples)),
        "ece_equal_mass": shares_of_mass_bins(prediction.confidence, num_bins),
    }
    gaps = [
        sums_at(block[sample] * num_bins + index, share * gap[sample], blocks * num_bins).reshape(blocks, num_bins)
        for sample, index, share in binned.values()
    ]
    resampled = np.abs(counts @ np.concatenate(gaps, axis=1)).reshape(RESAMPLES, len(binned), num_bins).sum(2)
    for name, drawn in zip(binned, resampled.T / samples, strict=True):
        noise[name] = (drawn - drawn.mean()) / np.sqrt(RESAMPLES - 1)
    return values, {name: noise[name] for name in values}


def influence_on_aurc(confidence: Array, correct: Array) -> Array:
    """(N,) the derivative of the area under the risk-coverage curve by each sample's weight; equals share theirs.

    With R_i the risk of the i most confident ones, a sample k adds R_k at its own coverage and (error_k - R_i) / i at
    each one after.
    """
    order = np.argsort(-confidence, kind="stable")
    first = first_of_falling_ties(confidence[order], ROUNDING)
    sizes = np.diff(np.append(first, len(order)))
    error = 1.0 - correct[order]
    accepted = np.arange(1, len(error) + 1)
    # What ties add is known of their mean alone, and each place among them is as likely for each.
    risk = np.cumsum(np.repeat(np.add.reduceat(error, first) / sizes, sizes)) / accepted
    later_weight = np.cumsum((1.0 / accepted)[::-1])[::-1]
    later_risk = np.cumsum((risk / accepted)[::-1])[::-1]
    risk, later_weight, later_risk = (
        np.repeat(np.add.reduceat(part, first) / sizes, sizes) for part in (risk, later_weight, later_risk)
    )
    influence = np.empty(len(error))
    influence[order] = risk + error * later_weight - later_risk
    return influence


def shares_of_mass_bins(confidence: Array, num_bins: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Which samples are in which bins of equal mass, and by what share: ``(M,)`` each; ties are shared out alike."""
    order = np.argsort(confidence, kind="stable")
    first = first_of_ties(confidence[order], ROUNDING)
    begin = np.repeat(first, np.diff(np.append(first, len(order)))) * (num_bins / len(order))
    end = np.repeat(np.append(first[1:], len(order)), np.diff(np.append(first, len(order)))) * (num_bins / len(order))
    lowest = np.minimum(np.floor(begin + 1e-9), num_bins - 1).astype(np.int64)
    many = np.maximum(np.ceil(end - 1e-9).astype(np.int64) - lowest, 1)
    sample = np.repeat(np.arange(len(order)), many)
    index = lowest[sample] + np.arange(len(sample)) - np.repeat(np.cumsum(many) - many, many)
    within = np.minimum(end[sample], index + 1.0) - np.maximum(begin[sample], index)
    return order[sample], index, within / (end - begin)[sample]


def _influence_on_macro_f1(prediction: Prediction, f1: Array) -> Array:
    """(N,) the derivative of the mean of F1_k = 2 h_k / d_k by each sample's weight; d_k predictions and labels."""
    labels, predicted = prediction.labels.numpy(), prediction.predicted.numpy()
    _, named, labelled = class_counts(prediction)
    seen = named + labelled
    known = np.where(seen > 0, f1, 0.0)
    scale = len(labels) / max(int((seen > 0).sum()), 1)
    share = 1.0 / np.where(seen > 0, seen, 1.0)
    hits = 2.0 * prediction.correct * share[labels]
    return np.asarray(scale * (hits - known[labels] * share[labels] - known[predicted] * share[predicted]))


@lru_cache(maxsize=8)
def _counts(blocks: int) -> NDArray[np.float64]:
    """The same resamples for all runs of as many samples, so that errors which they share are seen as shared."""
    return resample_counts(blocks, RESAMPLES, 0)


def _of_results(
    record: RunRecord, metrics: dict[str, float], validated: float | None, what: str, test: Predictions | None = None
) -> Evidence:
    known = {name: metrics[name] for name in (*BETTER, *ALSO_BETTER) if name in metrics}
    of_test = "" if test is None else _fingerprint(test)
    names = () if test is None else test.class_names
    return Evidence(record, {RAW: known}, {}, 0, of_test, names, None, what, validated)


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
