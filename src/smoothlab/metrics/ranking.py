"""How well several labels a sample are ranked: within each sample, and over all samples for each label."""

from __future__ import annotations

import numpy as np
import torch

from smoothlab.metrics.inputs import Array, reads
from smoothlab.metrics.multilabel import Cells, mean_or_nan, read_counted

OF_SAMPLES = ("ranking_loss", "coverage_error", "ranking_precision")
RANKING_NAMES = ("macro_map", "micro_map", *OF_SAMPLES)


def sample_sums(cells: Cells) -> Array:
    """Weight of the samples with a known label, and their weighted sums of :data:`OF_SAMPLES`."""
    counted = torch.from_numpy(cells.counted)
    there = counted & (torch.from_numpy(cells.outcome) > 0)
    nowhere = -torch.inf
    scores = torch.from_numpy(cells.probability).masked_fill(~counted, nowhere).contiguous()
    size = scores.shape[1]
    # how many labels, and how many of those that are present, have at least the score of each
    above = size - torch.searchsorted(scores.sort(1).values, scores)
    hits = size - torch.searchsorted(scores.masked_fill(~there, nowhere).sort(1).values, scores)
    known, present = counted.sum(1), there.sum(1)
    pairs = present * (known - present)
    wrong = (above - hits).masked_fill(~there, 0).sum(1)
    precision = hits.double() / above.clamp_min(1)
    parts = (
        torch.where(pairs > 0, wrong.double() / pairs.clamp_min(1), 0.0),  # of whole numbers torch's would be float32
        above.masked_fill(~there, 0).amax(1),
        torch.where(pairs > 0, precision.masked_fill(~there, 0).sum(1) / present.clamp_min(1), 1.0),
    )
    weight = cells.row_weight()
    return np.array([weight.sum(), *(weight @ part.double().numpy() for part in parts)])


def average_precision(cells: Cells) -> Array:
    """(L,) the average precision of each label; NaN where none of its known samples has it."""
    from sklearn.metrics import average_precision_score

    precisions = np.full(cells.weight.shape[1], np.nan)
    for k in range(len(precisions)):
        counted = cells.counted[:, k]
        outcome = cells.outcome[counted, k]
        if outcome.any():
            probability, weight = cells.probability[counted, k], cells.weight[counted, k]
            precisions[k] = average_precision_score(outcome, probability, sample_weight=weight)
    return precisions


@reads(read_counted)
def ranking_metrics(cells: Cells) -> dict[str, float]:
    """How well several labels a sample are ranked, exact.

    Over samples, for each label:

    - ``macro_map``: the mean over labels of the average precision ``sum_n (recall_n - recall_(n-1)) precision_n``, over
      the thresholds n; labels that no sample has are left out. ``micro_map``: that of all decisions together. More is
      better.

    Within each sample, the mean over samples:

    - ``ranking_loss``: the share of pairs of a present and an absent label that are not in this order; ties are wrong.
    - ``coverage_error``: how many of the most probable labels hold all that are present, in [0, L].
    - ``ranking_precision``: the label ranking average precision, the mean over present labels of the share of present
      ones among those at least as probable; more is better.

    A sample in which all labels are present or all absent has a ranking loss of 0 and a precision of 1; one without a
    label a coverage of 0. These are the numbers of scikit-learn's ``average_precision_score``, ``label_ranking_loss``,
    ``coverage_error`` and ``label_ranking_average_precision_score``, which know no unknown labels; where a sample has
    some, it is ranked over the known ones.

    Args:
        values: ``(..., L)`` probabilities or logits.
        labels: ``(..., L)`` zeros and ones, or shares of votes, of which more than half counts.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0.
        mask: ``(..., L)`` or ``(...)`` bools, False where a label is unknown.

    Raises:
        InvalidArgument: NaN, labels outside [0, 1], probabilities outside [0, 1], nothing counted.

    Source: Tsoumakas, Katakis and Vlahavas, "Mining Multi-label Data", Data Mining and Knowledge Discovery Handbook,
    2010.
    """
    flat = cells.counted
    pooled = Cells(*(part[flat].reshape(-1, 1) for part in _parts(cells)))
    weight, *sums = sample_sums(cells).tolist()
    means = (
        mean_or_nan(average_precision(cells)),
        float(average_precision(pooled)[0]),
        *(total / weight for total in sums),
    )
    return dict(zip(RANKING_NAMES, means, strict=True))


def _parts(cells: Cells) -> tuple[Array, ...]:
    return cells.probability, cells.outcome, cells.nll, cells.brier, cells.weight, cells.predicted
