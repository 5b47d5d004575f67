"""Metrics on a tree of classes: how bad mistakes are, how far down predictions are right; and sets of labels on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from smoothlab.errors import InvalidArgument
from smoothlab.metrics.inputs import check_finite, read, reads
from smoothlab.metrics.multilabel import Cells, read_counted
from smoothlab.numbers import check_whole

if TYPE_CHECKING:
    from smoothlab.classes.hierarchy import Hierarchy
    from smoothlab.metrics.inputs import Array, Batch

LABEL_SET_NAMES = ("hierarchical_precision", "hierarchical_recall", "hierarchical_f1", "hierarchy_violations")


def hierarchical_names(hierarchy: Hierarchy, top_k: Sequence[int] = ()) -> list[str]:
    """The names of :func:`hierarchical_metrics`, in its order."""
    return [
        "mistake_severity",
        "hierarchical_distance",
        *(f"hierarchical_distance_top_{k}" for k in top_k),
        *(f"accuracy_level_{number}" for number in range(1, hierarchy.depth + 1)),
    ]


class TreeSums:
    """Sums over samples, fixed in size, from which the metrics of one label a sample follow.

    Args:
        hierarchy: the K classes in the order of the values.
        top_k: for each, the distance of the k most probable classes is counted too; in [1, K].

    Raises:
        InvalidArgument: fewer than two classes, or a k outside its range.
    """

    def __init__(self, hierarchy: Hierarchy, top_k: Sequence[int] = ()) -> None:
        if len(hierarchy) < 2:
            raise InvalidArgument("hierarchy", len(hierarchy), "at least two classes")
        for k in top_k:
            check_whole("top_k", k, 1, len(hierarchy))
        self.hierarchy, self.top_k = hierarchy, tuple(top_k)
        self.distances = hierarchy.distances().numpy()
        self.levels = np.array([hierarchy.level(number) for number in range(1, hierarchy.depth + 1)])

    @property
    def length(self) -> int:
        """How many numbers the sums are: weight, wrong weight, distance, one a k, one a level."""
        return 3 + len(self.top_k) + len(self.levels)

    def of(self, batch: Batch) -> Array:
        """The sums of a batch."""
        if batch.num_classes != len(self.hierarchy):
            raise InvalidArgument("values", tuple(batch.values.shape), f"{len(self.hierarchy)} classes, as in the tree")
        values = batch.values
        check_finite(bool(values.isnan().any()))
        labels = batch.labels.cpu().numpy()
        weights = np.ones(len(batch)) if batch.weights is None else batch.weights
        predicted = values.argmax(1).cpu().numpy()
        sums = [weights.sum(), weights @ (predicted != labels), weights @ self.distances[predicted, labels]]
        for k in self.top_k:
            order = torch.sort(values, dim=1, descending=True, stable=True).indices[:, :k].cpu().numpy()
            sums.append(weights @ self.distances[order, labels[:, None]].mean(1))
        sums += [weights @ (level[predicted] == level[labels]) for level in self.levels]
        return np.array(sums, dtype=np.float64)

    def metrics(self, sums: Array) -> dict[str, float]:
        """The metrics; NaN where nothing was counted, and for the severity of no mistake."""
        weight, wrong, distance, *rest = sums.tolist()
        nothing = float("nan")
        values = [distance / wrong if wrong else nothing]
        values += [total / weight if weight else nothing for total in (distance, *rest)]
        return dict(zip(hierarchical_names(self.hierarchy, self.top_k), values, strict=True))


@reads(read)
def hierarchical_metrics(batch: Batch, hierarchy: Hierarchy, *, top_k: Sequence[int] = ()) -> dict[str, float]:
    """How bad mistakes are on a tree of classes, exact.

    The distance of two classes is the height of their lowest common ancestor, the edges from it to the farthest leaf
    below it, 0 for a class and itself. The prediction is the first of the most probable classes.

    - ``mistake_severity``: the mean distance of wrong predictions from their labels, in [1, height of the tree]; NaN
      where none is wrong.
    - ``hierarchical_distance``: the mean distance of all predictions, right ones at 0.
    - ``hierarchical_distance_top_<k>``: the mean over samples of the mean distance of the k most probable classes,
      the first ones of equals. With k > 1 no model reaches 0.
    - ``accuracy_level_<n>``: the share of predictions whose ancestor n edges below the root is the label's; a class
      that is not so deep stands for itself. Level 1 is the coarsest, the last one is the accuracy.

    Args:
        values: ``(..., K)`` probabilities or logits.
        labels: ``(...)`` class indices, or ``(..., K)`` votes, of which the mode counts.
        hierarchy: the K classes in the tree.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0; like that many copies of the sample.
        mask: ``(...)`` bools, False where a position does not count.
        top_k: see above.

    Raises:
        InvalidArgument: NaN, another number of classes than the tree's, a label outside [0, K), no counted sample.

    Source: Bertinetto et al., "Making Better Mistakes: Leveraging Class Hierarchies with Deep Networks", CVPR 2020.
    """
    sums = TreeSums(hierarchy, top_k)
    return sums.metrics(sums.of(batch))


def mistake_severity(values: Any, labels: Any, hierarchy: Hierarchy, *, from_logits: bool, **known: Any) -> float:
    """Mean height of the lowest common ancestor of label and prediction over the wrong predictions.

    Arguments as in :func:`hierarchical_metrics`. Fewer mistakes can raise it, where the mild ones go first: read it
    beside the accuracy, or take ``hierarchical_distance``, which is the product of the two.
    """
    return hierarchical_metrics(values, labels, hierarchy, from_logits=from_logits, **known)["mistake_severity"]


def hierarchical_distance(
    values: Any, labels: Any, hierarchy: Hierarchy, *, from_logits: bool, k: int = 1, **known: Any
) -> float:
    """Mean height of the lowest common ancestor of the label and each of the k most probable classes.

    Arguments as in :func:`hierarchical_metrics`.
    """
    metrics = hierarchical_metrics(values, labels, hierarchy, from_logits=from_logits, top_k=(k,), **known)
    return metrics[f"hierarchical_distance_top_{k}"]


class LabelSetSums:
    """Sums over samples, fixed in size, from which the metrics of sets of labels on a tree follow.

    Args:
        hierarchy: the K labels in the order of the values.
    """

    length = 5  # weights of hits, of predicted and of true labels, of violated edges, of edges

    def __init__(self, hierarchy: Hierarchy) -> None:
        self.hierarchy = hierarchy
        self.below_root = np.array([node != 0 for node in hierarchy.nodes])
        self.children, self.parents = (index.numpy() for index in hierarchy.edges())

    def of(self, cells: Cells) -> Array:
        """The sums of a batch."""
        if cells.weight.shape[1] != len(self.hierarchy):
            expected = f"{len(self.hierarchy)} labels, as in the tree"
            raise InvalidArgument("values", f"{cells.weight.shape[1]} labels", expected)
        weight = cells.weight * self.below_root
        predicted, true = (self._closed(part) for part in (cells.predicted, cells.outcome))
        both = np.minimum(cells.weight[:, self.children], cells.weight[:, self.parents])  # 0 where one does not count
        violated = cells.probability[:, self.children] > cells.probability[:, self.parents]
        parts = (weight * predicted * true, weight * predicted, weight * true, both * violated, both)
        return np.array([part.sum() for part in parts])

    def _closed(self, decisions: Array) -> Array:
        closed: Array = self.hierarchy.close(torch.from_numpy(decisions)).numpy()
        return closed

    def metrics(self, sums: Array) -> dict[str, float]:
        """The metrics; NaN where there is nothing to divide by."""
        hits, predicted, true, violated, edges = sums.tolist()
        parts = ((hits, predicted), (hits, true), (2 * hits, predicted + true), (violated, edges))
        values = [above / below if below else float("nan") for above, below in parts]
        return dict(zip(LABEL_SET_NAMES, values, strict=True))


@reads(read_counted)
def multilabel_hierarchical_metrics(cells: Cells, hierarchy: Hierarchy) -> dict[str, float]:
    """Sets of labels on a tree, exact.

    A label is predicted above probability 0.5; predicted and true sets are closed, so that a label brings those above
    it; the tree's root, which is in every set, does not count. Over all samples together, P the predicted and T the
    true labels of one:

    - ``hierarchical_precision``: ``sum |P and T| / sum |P|``; ``hierarchical_recall``: ``sum |P and T| / sum |T|``;
      ``hierarchical_f1``: their harmonic mean.
    - ``hierarchy_violations``: the share of pairs of a label and the one above it, of all samples, where the lower one
      is the more probable.

    Args:
        values: ``(..., K)`` probabilities or logits.
        labels: ``(..., K)`` zeros and ones, or shares of votes, of which more than half counts.
        hierarchy: the K labels in the tree.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0.
        mask: ``(..., K)`` or ``(...)`` bools, False where a label is unknown: it takes no part, and closes nothing.

    Raises:
        InvalidArgument: NaN, another number of labels than the tree's, labels outside [0, 1], nothing counted.

    Source: Kiritchenko, Matwin, Nock and Famili, "Learning and Evaluation in the Presence of Class Hierarchies:
    Application to Text Categorization", Canadian AI 2006; the share of violations is our own.
    """
    sums = LabelSetSums(hierarchy)
    return sums.metrics(sums.of(cells))
