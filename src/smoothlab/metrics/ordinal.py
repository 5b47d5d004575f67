"""Metrics of classes that have an order: how many classes a prediction is off, and agreement beyond chance."""

from __future__ import annotations

import numpy as np

from smoothlab.metrics.inputs import Array, Batch, check_finite, read, reads

NAMES = ("ordinal_mae", "quadratic_kappa")


class OrdinalSums:
    """Sums over samples, seven whatever the number of classes, from which the ordinal metrics follow.

    With p the predicted and y the true class as numbers 0 to K - 1, the expected squared distance under independence
    that the kappa divides by needs the first two moments of both alone, not the confusion matrix.
    """

    length = 7  # weight, |p - y|, (p - y)^2, p, p^2, y, y^2

    def of(self, batch: Batch) -> Array:
        """The sums of a batch; exact for whole weights."""
        check_finite(bool(batch.values.isnan().any()))
        weights = np.ones(len(batch)) if batch.weights is None else batch.weights
        p = batch.values.argmax(1).cpu().numpy().astype(np.float64)
        y = batch.labels.cpu().numpy().astype(np.float64)
        return np.array([weights @ part for part in (np.ones_like(p), abs(p - y), (p - y) ** 2, p, p**2, y, y**2)])

    def metrics(self, sums: Array) -> dict[str, float]:
        """The metrics; NaN where nothing was counted, and for the kappa of one single class."""
        weight, distance, square, p, p2, y, y2 = sums.tolist()
        if weight <= 0:
            return dict.fromkeys(NAMES, float("nan"))
        chance = p2 + y2 - 2 * p * y / weight
        kappa = 1.0 - square / chance if chance > 0 else float("nan")
        return dict(zip(NAMES, (distance / weight, kappa), strict=True))


@reads(read)
def ordinal_metrics(batch: Batch) -> dict[str, float]:
    """How far predictions are from their labels on classes in their order, exact.

    With p the predicted class (the first of the most probable ones) and y the label, as numbers 0 to K - 1:

    - ``ordinal_mae``: the mean of ``|p - y|``, in classes, in [0, K - 1].
    - ``quadratic_kappa``: ``1 - sum (p - y)^2 / sum E (p - y)^2``, E over all pairs of a prediction and a label: 1 is
      perfect, 0 is chance, below 0 worse; NaN where all labels and predictions are one class. As
      scikit-learn's ``cohen_kappa_score(weights="quadratic")`` and torchmetrics' ``MulticlassCohenKappa``.

    Args:
        values: ``(..., K)`` probabilities or logits.
        labels: ``(...)`` class indices, or ``(..., K)`` votes, of which the mode counts.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0; like that many copies of the sample.
        mask: ``(...)`` bools, False where a position does not count.

    Raises:
        InvalidArgument: NaN, a label outside [0, K), no counted sample.

    Source: Cohen, "Weighted Kappa: Nominal Scale Agreement with Provision for Scaled Disagreement or Partial Credit",
    Psychological Bulletin 1968.
    """
    sums = OrdinalSums()
    return sums.metrics(sums.of(batch))
