"""What a finished run's test rows say of its confidence, in one sentence; and what to try next."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LITTLE = 0.02  # a gap between confidence and accuracy that makes no difference to most decisions
NORMAL = 1.959963984540054  # the 97.5% quantile
OVER, UNDER, FITS, IN_PLACES, UNKNOWN = "over-confident", "under-confident", "fits", "in places", "cannot tell"


@dataclass(frozen=True)
class Confidence:
    """How the confidence of a run's model compares with its accuracy on test rows.

    Args:
        kind: ``OVER``, ``UNDER``, ``FITS`` (to within ``LITTLE``), ``IN_PLACES`` (off, though not on average), or
            ``UNKNOWN``: these rows cannot tell.
        sentence: the same in words, with the interval.
        remedy: an override to try, such as ``smoothing=auto``, or None.
        validated: whether validation rows, to which a remedy is fitted, lean to the same side.
    """

    kind: str
    sentence: str
    remedy: str | None = None
    validated: bool = True

    @property
    def advice(self) -> str:
        """The sentence, with what to try."""
        if not self.validated:
            other = "validation rows, to which strengths and temperatures are fitted, lean the other way"
            return f"{self.sentence[:-1]}; {other}."
        return f"{self.sentence[:-1]}; try {self.remedy}." if self.remedy else self.sentence

    @classmethod
    def of(cls, results: Mapping[str, Any], config: Mapping[str, Any]) -> Confidence | None:
        """Of a finished run; None where its task has no gap between confidence and accuracy, as with several labels.

        Args:
            results: the content of results.json.
            config: the resolved config.
        """
        metrics = results.get("metrics", {}).get("test", {})
        uncertainty = results.get("uncertainty", {}).get("test", {})
        gap, ends = metrics.get("confidence_gap"), uncertainty.get("intervals", {}).get("confidence_gap")
        if gap is None or ends is None:
            return None
        low, high = _widened(ends, metrics, uncertainty.get("rows"))
        chance = uncertainty.get("ece_of_a_calibrated_model", {}).get("high", math.inf)
        kind = _kind(low, high, metrics.get("ece", 0.0), chance)
        sentence = _sentence(kind, (gap, low, high), (metrics.get("ece", 0.0), chance))
        if kind not in (OVER, UNDER):
            return cls(kind, sentence)
        validated = gap * results["metrics"].get("val", {}).get("confidence_gap", gap) > 0
        return cls(kind, sentence, _remedy(kind, results, config) if validated else None, validated)


def _kind(low: float, high: float, ece: float, chance: float) -> str:
    if low > -LITTLE and high < LITTLE and ece <= chance:
        return FITS
    if low > 0 or high < 0:
        return OVER if low > 0 else UNDER
    return UNKNOWN if ece <= chance else IN_PLACES


def _sentence(kind: str, gap: tuple[float, float, float], ece: tuple[float, float]) -> str:
    """The kind in words, with the gap and its ends, or the ECE and what chance alone seldom exceeds."""
    value, low, high = (100 * number for number in gap)
    interval = f"95% interval {low:+.1f} to {high:+.1f}"
    if kind in (OVER, UNDER):
        least, most = sorted((abs(low), abs(high)))
        return f"{kind.capitalize()} by {abs(value):.1f} points on test rows (95% interval {least:.1f} to {most:.1f})."
    if kind == FITS:
        return f"On test rows confidence fits accuracy to within {100 * LITTLE:.0f} points ({interval})."
    if kind == IN_PLACES:
        return (
            f"On test rows confidence is off in places, though not clearly on average ({interval} points): the ECE is "
            f"{ece[0]:.3f}, and that of a calibrated model seldom above {ece[1]:.3f}."
        )
    return (
        "Whether the model is over- or under-confident, these test rows cannot tell: confidence less accuracy is "
        f"{value:+.1f} points ({interval})."
    )


def _widened(ends: Any, metrics: Mapping[str, float], rows: int | None) -> tuple[float, float]:
    """The interval of the gap, by the bootstrap and by Wilson's interval of the accuracy.

    Where every row is right, or all but a few, the bootstrap sees none of the rows that are wrong elsewhere.
    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    low, high = float(ends[0]), float(ends[1])
    accuracy = metrics.get("accuracy")
    if not rows or accuracy is None:
        return low, high
    share = NORMAL**2 / rows
    middle, half = accuracy + share / 2, NORMAL * math.sqrt((accuracy * (1 - accuracy) + share / 4) / rows)
    confidence = metrics["confidence_gap"] + accuracy
    least, most = (middle - half) / (1 + share), (middle + half) / (1 + share)
    return min(low, confidence - most), max(high, confidence - least)


def _remedy(kind: str, results: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    """What may close the gap: a strength found on validation, else a temperature; None where both are there."""
    if results.get("task_kind", "classification") not in ("classification", "ordinal"):
        return None
    calibrator = None if config.get("calibrator") else "calibrator=temperature"
    smoothing = config.get("smoothing") or {}
    strength = smoothing.get("strength") or {}
    by_itself = str(strength.get("_target_", "")).rpartition(".")[2] == "Auto"
    smoothed = bool(smoothing) and strength.get("epsilon") != 0
    if config.get("model") or by_itself or (kind == UNDER and not smoothed):
        return calibrator
    return "smoothing=auto"
