"""Which classes are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from smoothlab.errors import InvalidArgument
from smoothlab.metrics.bins import sums_at
from smoothlab.metrics.inputs import reads
from smoothlab.metrics.prediction import Prediction
from smoothlab.reports.figures import MODEL, _figure, _percent, short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from smoothlab.metrics.inputs import Array

MOST_NUMBERS = 12  # classes up to which each cell says its number


@reads(Prediction.of)
def confusion_counts(prediction: Prediction) -> Array:
    """(K, K) weight of the samples of each label (row) that were predicted as each class (column).

    Args:
        values: ``(..., K)`` probabilities or logits; among equal ones the first class is predicted.
        labels: ``(...)`` class indices, or ``(..., K)`` votes, whose mode is the label.
        from_logits: whether ``values`` are logits.
        sample_weight: ``(...)`` numbers >= 0.
        mask: ``(...)`` bools, False where a position does not count.
    """
    cells = prediction.labels.numpy() * prediction.num_classes + prediction.predicted.numpy()
    counts = sums_at(cells, prediction.weights, prediction.num_classes**2)
    return counts.reshape(prediction.num_classes, -1)


def confusion_matrix(
    values: Any,
    labels: Any,
    *,
    from_logits: bool,
    class_names: Sequence[str],
    most: int = 40,
    title: str | None = None,
) -> Figure:
    """Rows are labels, columns predictions; colours are shares of a row, numbers are samples.

    With more than ``most`` classes, those are drawn that take part in most mistakes.

    Args:
        values: ``(..., K)`` probabilities or logits.
        labels: ``(...)`` class indices, or ``(..., K)`` votes.
        from_logits: whether ``values`` are logits.
        class_names: K names.
        most: classes to draw.
        title: of the figure.

    Raises:
        InvalidArgument: as many names as classes were expected.
    """
    counts = confusion_counts(values, labels, from_logits=from_logits)
    size = len(counts)
    if len(class_names) != size:
        raise InvalidArgument("class_names", len(class_names), f"{size} names")
    wrong = counts.sum(0) + counts.sum(1) - 2 * counts.diagonal()
    shown = np.arange(size) if size <= most else np.sort(np.argsort(-wrong, kind="stable")[:most])
    if size > most:
        worst = f"the {most} of {size:,} classes in most mistakes"
        title = f"{title}: {worst}" if title else worst[0].upper() + worst[1:]
    rows = counts.sum(1, keepdims=True)
    shares = np.divide(counts, rows, out=np.zeros_like(counts), where=rows > 0)[np.ix_(shown, shown)]
    names = [short_name(class_names[k]) for k in shown]
    cell = 0.52 if len(shown) <= MOST_NUMBERS else 0.19
    side = max(2.2, cell * len(shown))
    margin = 0.075 * max(map(len, names))
    with _figure(side + margin + 1.6, side + margin + 1.1, title) as figure:
        axes = figure.subplots()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest", aspect="equal")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        small = 8 if len(shown) <= MOST_NUMBERS else 6
        axes.set_xticks(range(len(shown)), names, rotation=90, fontsize=small)
        axes.set_yticks(range(len(shown)), names, fontsize=small)
        axes.set_xlabel("prediction")
        axes.set_ylabel("label")
        if len(shown) <= MOST_NUMBERS:
            _numbers(axes, counts[np.ix_(shown, shown)], shares)
        bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02)
        bar.set_label("share of the label's samples")
        bar.outline.set_visible(False)
        _percent(bar.ax.yaxis)
    return figure


def _numbers(axes: Axes, counts: Array, shares: Array) -> None:
    for i, j in np.ndindex(counts.shape):
        if counts[i, j]:
            colour = "w" if shares[i, j] > 0.55 else MODEL
            axes.text(j, i, f"{counts[i, j]:.0f}", ha="center", va="center", color=colour, fontsize=7.5)
