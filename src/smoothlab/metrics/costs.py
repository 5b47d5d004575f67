"""What decisions cost where mistakes are not equally bad: a cost for each pair of a true class and a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smoothlab.errors import InvalidArgument
from smoothlab.metrics.inputs import Array, Batch, read, reads
from smoothlab.metrics.prediction import Prediction

NAMES = ("expected_cost", "expected_cost_of_argmax")
TIE = 1e-12  # of the largest cost: decisions that differ by less cost the same, whatever a product is rounded to


def cost_matrix(costs: Any, class_names: Sequence[str]) -> Array:
    """A ``(K, K)`` float64 matrix: entry (i, j) is the cost of deciding j where i is true.

    Args:
        costs: K rows of K numbers, or ``{true class: {decision: cost}}`` by names; right decisions that are not named
            cost 0, every other pair is named.
        class_names: K names, in the order of the logits.

    Raises:
        InvalidArgument: a name that is no class, a pair without a cost, no finite number, another shape.
    """
    names = [str(name) for name in class_names]
    if isinstance(costs, Mapping):
        costs = _rows(costs, names)
    expected = f"{len(names)} rows of {len(names)} finite numbers, or {{true class: {{decision: cost}}}}"
    try:
        matrix = np.array(costs, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidArgument("costs", costs, expected) from None
    if matrix.shape != (len(names), len(names)) or not np.isfinite(matrix).all():
        raise InvalidArgument("costs", costs, expected)
    return matrix


def first_of_equals(costs: Array) -> Array:
    """The ``(K, K)`` costs by which the cheapest decision is looked for: each a trifle dearer than the one before it.

    Sums of products are rounded differently in large and small batches, and the first of equally cheap decisions is to
    be the same in all.
    """
    dearer: Array = TIE * np.abs(costs).max() * np.arange(len(costs), dtype=np.float64)
    return costs + dearer


def _rows(costs: Mapping[Any, Any], names: list[str]) -> list[list[Any]]:
    table = {str(true): row for true, row in costs.items()}
    for true, row in table.items():
        if true not in names:
            raise InvalidArgument("costs", f"the class {true!r}", f"classes among {', '.join(names)}")
        if not isinstance(row, Mapping):
            raise InvalidArgument(f"costs.{true}", row, "{decision: cost}")
        table[true] = {str(decision): cost for decision, cost in row.items()}
        for decision in table[true]:
            if decision not in names:
                raise InvalidArgument(f"costs.{true}", f"the class {decision!r}", f"classes among {', '.join(names)}")
    for true in names:
        for decision in names:
            if true != decision and decision not in table.get(true, {}):
                raise InvalidArgument(f"costs.{true}", f"no {decision!r}", "the cost of each wrong decision")
    return [[table.get(true, {}).get(decision, 0.0) for decision in names] for true in names]


class CostSums:
    """Sums over samples, fixed in size, from which the expected costs follow.

    Args:
        costs: ``(K, K)``, true classes by decisions.
    """

    length = 3  # weight, cost of the cheapest decision, cost of argmax

    def __init__(self, costs: Any) -> None:
        self.costs = np.array(costs, dtype=np.float64)
        size = self.costs.shape[0] if self.costs.ndim else 0
        if self.costs.shape != (size, size) or size < 2 or not np.isfinite(self.costs).all():
            raise InvalidArgument("costs", f"shape {self.costs.shape}", "(K, K) finite numbers with K >= 2")

    def of(self, batch: Batch) -> Array:
        """The sums of a batch."""
        if batch.num_classes != len(self.costs):
            expected = f"{len(self.costs)} classes, as in the costs"
            raise InvalidArgument("values", tuple(batch.values.shape), expected)
        if not len(batch):
            return np.zeros(self.length)
        prediction = Prediction(batch)
        cheapest = (prediction.probabilities.numpy() @ first_of_equals(self.costs)).argmin(1)
        costs = (
            self.costs[prediction.labels.numpy()]
            if prediction.votes is None
            else prediction.votes.double().numpy() @ self.costs
        )
        rows = np.arange(len(batch))
        weights = prediction.weights
        argmax = prediction.predicted.numpy()
        return np.array([weights.sum(), weights @ costs[rows, cheapest], weights @ costs[rows, argmax]])

    def metrics(self, sums: Array) -> dict[str, float]:
        """The metrics; NaN where nothing was counted."""
        weight, *costs = sums.tolist()
        return dict(zip(NAMES, (cost / weight if weight else float("nan") for cost in costs), strict=True))


@reads(read)
def cost_metrics(batch: Batch, costs: Any) -> dict[str, float]:
    """The mean cost of decisions made from the probabilities, exact.

    With ``C[i, j]`` the cost of deciding j where i is true and p the probabilities of a sample:

    - ``expected_cost``: the mean of ``C[y, d]`` with ``d = argmin_j sum_i p_i C[i, j]``, the decision that is cheapest
      if the probabilities are right. Calibration lowers it, at the same accuracy.
    - ``expected_cost_of_argmax``: the same of the most probable class, a decision that does not know the costs.

    For votes the cost of a decision is its mean over the votes. Of equally cheap decisions the first one counts.

    Args:
        values: ``(..., K)`` probabilities or logits.
        labels: ``(...)`` class indices, or ``(..., K)`` votes.
        costs: ``(K, K)``, true classes by decisions (see :func:`cost_matrix` for names).
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0; like that many copies of the sample.
        mask: ``(...)`` bools, False where a position does not count.

    Raises:
        InvalidArgument: NaN, a label outside [0, K), costs of another number of classes, no counted sample.

    Source: Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001 (whose matrix is the transpose).
    """
    sums = CostSums(costs)
    return sums.metrics(sums.of(batch))
