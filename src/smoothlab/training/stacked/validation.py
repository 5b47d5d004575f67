"""The validation metrics of an epoch for several nets at once: those that are monitored, and those of the curves."""

from __future__ import annotations

import torch
from torch import Tensor

NAMES = ("nll", "accuracy", "ece", "brier", "confidence_gap")


def stacked_metrics(logits: Tensor, labels: Tensor, counted: Tensor, num_bins: int) -> list[dict[str, float]]:
    """``NAMES`` of each net, by the definitions of :func:`smoothlab.metrics.classification_metrics`, in float64.

    Args:
        logits: ``(S, N, K)``.
        labels: class indices ``(S, N)``.
        counted: which rows a net has ``(S, N)``, bools; the others fill its part up.
        num_bins: equal-width bins of the ECE, the last one closed.
    """
    log_p = torch.log_softmax(logits.double(), -1)
    weight = counted.double()
    rows = weight.sum(1)
    nll = -(log_p.gather(-1, labels.unsqueeze(-1)).squeeze(-1))
    probabilities = log_p.exp()
    confidence, predicted = probabilities.max(-1)
    right = (predicted == labels).double()
    one_hot = torch.nn.functional.one_hot(labels, logits.shape[-1])
    brier = (probabilities - one_hot).square().sum(-1)
    bins = (confidence * num_bins).long()  # as smoothlab.metrics.bins.bin_index says
    bins = bins - (confidence < bins / num_bins).long()
    bins = (bins + (confidence >= (bins + 1) / num_bins).long()).clamp(0, num_bins - 1)
    gaps = torch.zeros(len(logits), num_bins, dtype=torch.float64).scatter_add_(1, bins, (confidence - right) * weight)

    def mean(values: Tensor) -> Tensor:
        return (values.where(counted, 0.0)).sum(1) / rows

    columns = {
        "nll": mean(nll),
        "accuracy": mean(right),
        "ece": gaps.abs().sum(1) / rows,
        "brier": mean(brier),
        "confidence_gap": mean(confidence - right),
    }
    values = {name: column.tolist() for name, column in columns.items()}
    return [{name: float(values[name][place]) for name in NAMES} for place in range(len(logits))]
