"""Binary and multi-label metrics: one probability a label, each label right or wrong on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from smoothlab.errors import InvalidArgument
from smoothlab.metrics.binned_scores import calibration_scores
from smoothlab.metrics.bins import ReliabilityBins, bins_of, check_bins, width_bins
from smoothlab.metrics.calibration_error import expected_error
from smoothlab.metrics.correctness import f1_from_counts
from smoothlab.metrics.groups import ConfidenceGroups, group
from smoothlab.metrics.inputs import Array, floating, reads, tensor, weight_vector
from smoothlab.metrics.selective import RiskCoverage

NAMES = (
    "nll",
    "accuracy",
    "subset_accuracy",
    "macro_f1",
    "micro_f1",
    "ece",
    "ece_equal_mass",
    "ece_labelwise",
    "smece",
    "mce",
    "brier",
    "confidence_gap",
)


@dataclass(frozen=True)
class Cells:
    """(N, L) decisions of which ``counted`` says which matter, as float64 arrays on the CPU."""

    probability: Array
    outcome: Array  # 0 or 1; of votes, what more than half said
    nll: Array
    brier: Array
    weight: Array  # 0 where a cell does not count
    predicted: Array  # 0 or 1

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Cells with a positive weight."""
        return self.weight > 0

    @property
    def right(self) -> Array:
        """1 where the decision is the outcome."""
        return np.asarray(self.predicted == self.outcome, dtype=np.float64)

    def row_weight(self) -> Array:
        """(N,) the weight of a row: the largest of its counted cells."""
        return np.asarray(self.weight.max(1))

    def row_right(self) -> Array:
        """(N,) 1 where every counted cell is right."""
        return np.asarray(((self.right > 0) | ~self.counted).all(1), dtype=np.float64)

    def totals(self) -> Array:
        """Weight of the cells; their summed nll, Brier score, hits, p and outcome; weight of rows, of right rows."""
        counted, rows = self.counted, self.row_weight()
        parts = (self.nll, self.brier, self.right, self.probability, self.outcome)
        weight = self.weight[counted]
        sums = [weight @ part[counted] for part in parts]
        return np.array([weight.sum(), *sums, rows.sum(), rows @ self.row_right()])

    def label_counts(self) -> Array:
        """(3, L) weights of hits, of positive decisions, of positive outcomes."""
        parts = (self.predicted * self.outcome, self.predicted, self.outcome)
        return np.stack([(self.weight * part).sum(0) for part in parts])


def read_cells(values: Any, labels: Any, *, from_logits: bool, sample_weight: Any = None, mask: Any = None) -> Cells:
    """Check and convert the arguments of :func:`multilabel_metrics`."""
    if not isinstance(from_logits, bool):
        raise InvalidArgument("from_logits", from_logits, "True or False")
    scores = floating("values", values)
    if scores.ndim < 2:
        raise InvalidArgument("values", tuple(scores.shape), "shape (..., L)")
    answers = tensor("labels", labels)
    if answers.shape != scores.shape:
        raise InvalidArgument("labels", tuple(answers.shape), f"shape {tuple(scores.shape)}")
    size = scores.shape[-1]
    scores, answers = scores.reshape(-1, size).cpu().double(), answers.reshape(-1, size).cpu().double()
    weights = weight_vector(sample_weight, len(scores))
    weight = np.ones(scores.shape) if weights is None else np.repeat(weights[:, None], size, 1)
    if mask is not None:
        chosen = tensor("mask", mask).cpu()
        if chosen.dtype != torch.bool or chosen.numel() not in (len(scores), scores.numel()):
            shown = f"{chosen.numel()} x {chosen.dtype}"
            raise InvalidArgument("mask", shown, "bools, one a row or one a label")
        weight = weight * chosen.reshape(len(scores), size if chosen.numel() == scores.numel() else 1).numpy()
    counted = torch.from_numpy(weight > 0)
    scores, answers = torch.where(counted, scores, 0.0), torch.where(counted, answers, 0.0)
    if scores.isnan().any():
        raise InvalidArgument("values", "NaN", "numbers")
    if not bool(((answers >= 0) & (answers <= 1)).all()):
        worst = float(answers[~((answers >= 0) & (answers <= 1))][0])
        raise InvalidArgument("labels", worst, "0 or 1, or shares of votes in [0, 1]")
    if from_logits:
        probability = torch.sigmoid(scores)
        yes, no = functional.softplus(-scores), functional.softplus(scores)
        losses = torch.where(answers > 0, answers * yes, 0.0) + torch.where(answers < 1, (1 - answers) * no, 0.0)
    else:
        if not bool(((scores >= 0) & (scores <= 1)).all()):
            raise InvalidArgument("values", "beyond [0, 1]", "probabilities; for logits say from_logits=True")
        probability = scores
        losses = -(torch.xlogy(answers, scores) + torch.special.xlog1py(1 - answers, -scores))
    return Cells(
        probability=probability.numpy(),
        outcome=(answers > 0.5).double().numpy(),
        nll=losses.numpy(),
        brier=(probability - answers).square().numpy(),
        weight=weight,
        predicted=(probability > 0.5).double().numpy(),
    )


def read_counted(values: Any, labels: Any, **shared: Any) -> Cells:
    """Cells of which one counts at least; see :func:`read_cells`."""
    cells = read_cells(values, labels, **shared)
    if not cells.counted.any():
        raise InvalidArgument("values", "no counted label", "at least one")
    return cells


@reads(read_counted)
def multilabel_metrics(cells: Cells, *, num_bins: int = 15) -> dict[str, float]:
    """All metrics of labels that are decided one by one, exact.

    A decision is positive above probability 0.5. ``nll`` and ``brier`` (here (p - y)^2, in [0, 1]), ``accuracy``,
    ``ece``, ``ece_equal_mass``, ``smece``, ``mce`` and ``confidence_gap`` (mean p less the share of positives) are over
    all counted decisions together, and calibration is that of the positive outcome, not of the decision;
    ``ece_labelwise`` and ``macro_f1`` are means over labels, ``subset_accuracy`` the share of rows with every
    label right.

    Args:
        values: ``(..., L)`` probabilities or logits.
        labels: ``(..., L)`` zeros and ones, or shares of votes: ``nll`` and ``brier`` are against the share, all others
            against what more than half said.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0.
        mask: ``(..., L)`` or ``(...)`` bools, False where a label is unknown.
        num_bins: bins of the binned errors.

    Raises:
        InvalidArgument: NaN, labels outside [0, 1], probabilities outside [0, 1], nothing counted.
    """
    check_bins(num_bins)
    counted = cells.counted
    probability, outcome, weight = cells.probability[counted], cells.outcome[counted], cells.weight[counted]
    bins, groups = width_bins(probability, outcome, weight, num_bins), group(probability, outcome, weight)
    return scores_of(cells.totals(), cells.label_counts(), labelwise_ece(cells, num_bins), bins, groups)


def scores_of(
    totals: Array, label_counts: Array, labelwise: Array, bins: ReliabilityBins, groups: ConfidenceGroups
) -> dict[str, float]:
    """All of :data:`NAMES` from ``totals`` and ``label_counts`` of :class:`Cells`, (L,) ECEs, bins and groups."""
    weight, nll, brier, right, probability, outcome, rows, right_rows = totals.tolist()
    scores = {
        "nll": nll / weight + 0.0,
        "accuracy": right / weight,
        "subset_accuracy": right_rows / rows,
        "macro_f1": mean_or_nan(f1_from_counts(*label_counts)),
        "micro_f1": mean_or_nan(f1_from_counts(*label_counts.sum(1, keepdims=True))),
        **calibration_scores(bins, groups),
        "ece_labelwise": mean_or_nan(labelwise),
        "brier": brier / weight,
        "confidence_gap": (probability - outcome) / weight,
    }
    return {name: scores[name] for name in NAMES}


def mean_or_nan(values: Array) -> float:
    """Mean of the numbers among ``values``; NaN, without a warning, where there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def labelwise_ece(cells: Cells, num_bins: int) -> Array:
    """(L,) the equal-width ECE of each label; NaN where no cell of it counts."""
    errors = []
    for k in range(cells.weight.shape[1]):
        counted = cells.counted[:, k]
        probability, outcome, weight = (part[counted, k] for part in (cells.probability, cells.outcome, cells.weight))
        bins = bins_of(probability, outcome, weight, num_bins, "width")
        errors.append(expected_error(bins) if counted.any() else np.nan)
    return np.array(errors)


def binary_metrics(
    values: Any,
    labels: Any,
    *,
    from_logits: bool,
    sample_weight: Any = None,
    mask: Any = None,
    num_bins: int = 15,
) -> dict[str, float]:
    """Metrics of one yes-or-no question: those of :func:`multilabel_metrics` that apply, and ``f1`` and ``auroc``.

    Calibration is that of the positive class: among samples given 0.2, a fifth should be positive. With two columns
    ``classification_metrics`` scores the predicted class instead, whose ECE is another number.

    Args:
        values: ``(...)`` probabilities or logits of the positive class.
        labels: ``(...)`` zeros and ones, or shares of votes.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0.
        mask: ``(...)`` bools.
        num_bins: bins of the binned errors.
    """
    scores, answers = floating("values", values).reshape(-1, 1), tensor("labels", labels).reshape(-1, 1)
    known: dict[str, Any] = {"from_logits": from_logits, "sample_weight": sample_weight, "mask": mask}
    result = multilabel_metrics(scores, answers, num_bins=num_bins, **known)
    cells = read_cells(scores, answers, **known)
    counted = cells.counted
    curve = RiskCoverage(group(cells.probability[counted], cells.outcome[counted], cells.weight[counted]))
    result["f1"] = result.pop("macro_f1")
    for name in ("subset_accuracy", "micro_f1", "ece_labelwise"):
        del result[name]
    return result | {"auroc": curve.auroc()}
