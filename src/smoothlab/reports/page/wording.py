"""Names of metrics and forms of numbers, the same in page, charts and Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

NAMES = {
    "nll": "NLL",
    "nll_scaled": "NLL, scaled",
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
    "nll_scaled": "NLL after the best temperature: what more calibration cannot mend",
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
ARMS = {
    "none": "plain cross-entropy, without smoothing",
    "standard": "the same share of the mass leaves every label, to all classes alike",
    "gradual": "smoothing that falls over the training",
    "adaptive": "smoothing that falls as validation accuracy rises",
    "conditional": "the less sure the model is of a sample, the more its label is smoothed",
    "agreement": "the less the annotators agreed on a sample, the more its label is smoothed",
    "online": "the mass goes to the classes that the model itself takes a class for",
    "hierarchical": "the mass goes to the classes that are near in the tree",
    "ordinal": "the mass goes to the neighbours in the order of the classes",
    "prior": "the mass goes to the classes by their frequency",
    "auto": "the strength follows how sure the model is on validation data",
    "dropout": "units of the net are dropped at random while it trains, in place of smoothing",
    "confidence_penalty": "the loss rewards predictions that are less sure",
    "mixup": "samples and their labels are mixed in pairs",
    "focal": "the loss gives less weight to samples that are easy",
    "margin": "logits that are too far apart are pulled together (MbLS)",
    "acls": "logits of the most and the least probable class are held within a margin, by how sure the model is (ACLS)",
    "max_suppression": "the largest logit is pulled to the mean of all (MaxSup)",
    "logistic_regression": "a linear model in the net's place, its penalty chosen on validation data",
    "boosting": "boosted trees in the net's place, stopped on validation data",
    "boosting_temperature": "the same boosting, its logits over a temperature fitted on validation data",
    "ensemble": "the mean of the probabilities of the baseline's other seeds",
    "temperature": "the baseline's logits over a temperature fitted on validation data",
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
