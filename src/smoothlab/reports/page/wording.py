"""Names of metrics and forms of numbers, the same in page, charts and Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

NAMES = {
    "nll": "NLL",
    "brier": "Brier",
    "ece": "ECE",
    "ece_equal_mass": "ECE (equal mass)",
    "ece_classwise": "ECE (class-wise)",
    "smece": "smooth ECE",
    "mce": "MCE",
    "aurc": "AURC",
    "macro_f1": "macro F1",
    "bleu": "BLEU",
    "chrf": "chrF",
}
MEANS = {
    "nll": "negative log-likelihood in nats: how much probability the true class gets",
    "accuracy": "share of samples whose most probable class is the label",
    "macro_f1": "F1 of each class, averaged over the classes",
    "brier": "squared distance of the probabilities from the label",
    "ece": "expected calibration error: how far confidence and accuracy are apart, over 15 bins",
    "ece_equal_mass": "the same over bins of equally many samples",
    "ece_classwise": "the same of each class against the rest",
    "smece": "calibration error with a kernel instead of bins",
    "mce": "the largest gap of any bin",
    "confidence_gap": "mean confidence less accuracy: positive is over-confident, negative under-confident",
    "aurc": "area under the risk-coverage curve: errors that are left when the least confident are handed on",
}
BETTER = {"min": "lower is better", "max": "higher is better", "zero": "nearest to zero is best"}
MINUS = "−"


def metric_name(metric: str) -> str:
    """A metric as people write it."""
    return NAMES.get(metric, metric.replace("_", " "))


def number(value: object, decimals: int = 3, *, sign: bool = False) -> str:
    """A number with so many decimals, or with two more where it is small; ``–`` where there is none."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 1e6:
        text = f"{value:{'+' if sign else ''}.2e}"
    else:
        places = max(0, decimals - (len(f"{size:.0f}") - 1 if size >= 10 else 0))
        if decimals and 0 < size < 0.01:
            places += 1 if size >= 0.001 else 2
        text = f"{value:{'+' if sign else ''},.{places}f}"
        if float(text.replace(",", "")) == 0:
            text = f"{0:.{decimals}f}"
    return text.replace("-", MINUS)


def probability(value: object) -> str:
    """A p-value or a probability."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    if value < 0.001:
        return "<0.001"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def interval(low: object, high: object, *, sign: bool = False) -> str:
    """Two numbers as a range; empty where there is none."""
    texts = [number(end, sign=sign) for end in (low, high)]
    return "" if "–" in texts else f"{texts[0]} to {texts[1]}"


def listed(names: Sequence[str], most: int = 5, what: str = "arm") -> str:
    """Names in a row, ``no arm`` where there is none, the last ones as a number where there are many."""
    if not names:
        return f"no {what}"
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def counted(count: float, what: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{count:,.0f} {what}{'' if round(count) == 1 else 's'}"
