"""Figures of an inspection: the soft target of each class, epsilon, and the logits that they ask for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothlab.reports.figures import ABOVE, BAND, GUIDE, MODEL, OVER, UNDER, _apart, _figure, _percent, short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from smoothlab.inspection.epsilon import EpsilonCurve
    from smoothlab.inspection.inspection import Inspection
    from smoothlab.inspection.soft_targets import SoftTargets

MOST_NUMBERS = 10  # classes up to which each cell says its value
MOST_NAMES = 40  # classes up to which the axes say their names
MOST_CELLS = 256  # classes of a heat map
MOST_BARS = 30
WIDE = 100.0  # a ratio of shares above which their colours are logarithmic


def figures(inspection: Inspection) -> dict[str, Figure]:
    """All figures of an inspection by their names as files."""
    drawn = {
        "soft_targets": soft_target_map(inspection),
        "logit_gaps": logit_gaps(inspection),
        "epsilon": epsilon_curves(inspection),
    }
    if inspection.history is not None and inspection.history.epsilon is not None:
        drawn["epsilon_by_epoch"] = epsilon_by_epoch(inspection)
    return drawn


def soft_target_map(inspection: Inspection) -> Figure:
    """The soft target of each class as a row of a heat map; of a run, before its training and as it was learned.

    The label's own cell is grey, so that the colours tell the others apart. Of more than 256 classes the largest are
    drawn.
    """
    shown = [("", inspection.targets)]
    if inspection.history is not None:
        shown = [
            ("before the training", inspection.history.start),
            (f"after epoch {inspection.history.epoch}", inspection.targets),
        ]
    places = _largest(inspection.targets, MOST_CELLS)
    count = len(places)
    labelled = count <= MOST_NAMES
    side = 1.2 + (0.62 if count <= MOST_NUMBERS else 0.2) * count if labelled else 5.2
    side = min(max(side, 2.2), 7.5)
    longest = max(len(short_name(inspection.class_names[k])) for k in inspection.targets.classes[places].tolist())
    margin = 0.075 * longest if labelled else 0.5
    upright = labelled and 0.085 * longest > 0.9 * side / count
    panels = len(shown)
    title = f"Soft targets{_of(inspection, count)}"
    below = 0.5 + (margin if upright else 0.2)
    with _figure((side + 0.4) * panels + margin + 0.8, side + below + 1.0, title) as figure:
        figure.set_layout_engine("compressed")  # for panels whose cells stay square
        grid = figure.subplots(1, panels, squeeze=False)[0]
        norm = _norm([targets for _, targets in shown], places)
        for place, (axes, (name, targets)) in enumerate(zip(grid, shown, strict=True)):
            _map(axes, inspection, targets, places, norm, first=place == 0, upright=upright)
            keeps = targets.keeps[places]
            head = f"label keeps {_range(float(keeps.min()), float(keeps.max()))} (grey)"
            head += ", cells in %" * (count <= MOST_NUMBERS)
            moment = name or ("" if len(inspection.moments) == 1 else f"at {targets.progress:.0%} of the training")
            axes.set_title("\n".join(filter(None, (moment, head))), fontsize=9)
        if count > MOST_NUMBERS and norm is not None:
            bar = figure.colorbar(grid[0].images[0], ax=list(grid), shrink=0.7, pad=0.02)
            bar.set_label("share of another class" + (", logarithmic" if _is_log(norm) else ""))
            bar.outline.set_visible(False)
            if not _is_log(norm):
                _percent(bar.ax.yaxis)
    return figure


def _map(
    axes: Axes,
    inspection: Inspection,
    targets: SoftTargets,
    places: list[int],
    norm: Any,
    *,
    first: bool,
    upright: bool,
) -> None:
    classes = targets.classes[places]
    values = targets.matrix[places][:, classes].numpy()
    others = np.ma.array(values, mask=np.eye(len(places), dtype=bool))
    if norm is not None and _is_log(norm):
        others = np.ma.array(np.maximum(others, norm.vmin), mask=others.mask)
    from matplotlib import colormaps

    colours = colormaps["Blues"].with_extremes(bad="#8C8C8C")
    axes.imshow(others, cmap=colours, norm=norm, interpolation="nearest", aspect="equal")
    axes.spines[:].set_visible(False)
    axes.set_xlabel("class that gets the mass")
    if first:
        axes.set_ylabel("label")
    if len(places) > MOST_NAMES:
        return
    names = [short_name(inspection.class_names[k]) for k in classes.tolist()]
    axes.set_xticks(range(len(names)), names, rotation=90 if upright else 0, fontsize=8)
    axes.set_yticks(range(len(names)), names if first else [], fontsize=8)
    axes.tick_params(length=0)
    if len(places) <= MOST_NUMBERS:
        for i, j in np.ndindex(values.shape):
            bright = i == j or (norm is not None and norm(values[i, j]) > 0.55)
            axes.text(
                j, i, _cell(float(values[i, j])), ha="center", va="center", color="w" if bright else MODEL, fontsize=7.5
            )


def logit_gaps(inspection: Inspection) -> Figure:
    """What the label keeps, and how far its logit is asked to stand above the others', class by class.

    The gap is ``log q_label - log q_other`` of the cross-entropy's optimum. It has no end where another class is to
    get nothing: an arrow. Of more than 30 classes the largest are drawn.
    """
    targets = inspection.targets
    places = _largest(targets, MOST_BARS)
    names = [short_name(inspection.class_names[k]) for k in targets.classes[places].tolist()]
    keeps = targets.keeps[places].numpy()
    near, far = targets.smallest_gap[places].numpy(), targets.largest_gap[places].numpy()
    y = np.arange(len(places))
    with _figure(
        7.2, max(2.4, 0.24 * len(places) + 1.6), f"What the targets ask for{_of(inspection, len(places))}"
    ) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        left.barh(y, keeps, color=UNDER, height=0.7)
        left.set(xlim=(0, 1), xlabel="mass that the label keeps", yticks=y)
        left.set_yticklabels(names, fontsize=8)
        left.set_ylim(len(places) - 0.4, -0.6)
        left.tick_params(axis="y", length=0)
        _percent(left.xaxis)
        finite = np.concatenate([near[np.isfinite(near)], far[np.isfinite(far)]])
        least = min(0.0, float(finite.min(initial=0.0)))
        edge = max(1.0, float(finite.max(initial=1.0))) * 1.12
        right.hlines(y, np.minimum(near, edge), np.minimum(far, edge), color=BAND, linewidth=4, zorder=1)
        for values, colour, marker, label in (
            (near, OVER, "o", "to the class that gets most"),
            (far, UNDER, "D", "to the class that gets least"),
        ):
            there = np.isfinite(values)
            right.plot(values[there], y[there], marker, color=colour, markersize=4, label=label)
            if not there.all():  # an empty line that is not clipped would upset the layout
                right.plot(np.full((~there).sum(), edge), y[~there], ">", color=colour, markersize=5, clip_on=False)
        right.axvline(0, color=GUIDE, linewidth=0.8)
        right.set(xlim=(least * 1.1, edge), xlabel="best logit gap (arrow: no end)")
        right.tick_params(axis="y", length=0)
        figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def epsilon_curves(inspection: Inspection) -> Figure:
    """Epsilon over the training, and over the model's confidence where the strength looks at it."""
    panels = 2 if inspection.by_confidence else 1
    with _figure(4.6 * panels, 3.4, "Epsilon, as the config says") as figure:
        _apart(figure)
        first, *rest = figure.subplots(1, panels, squeeze=False)[0]
        what = "of the rows" + (", confidence swept" if inspection.by_confidence else "")
        _band(first, inspection.epsilon, UNDER, "-", "mean", f"smallest to largest {what}")
        first.set(xlim=(0, 1), xlabel="progress of the training")
        _percent(first.xaxis)
        epochs, stop = inspection.plan.epochs, inspection.plan.earliest_stop
        if epochs is not None:
            first.set_xlabel(f"progress of the training ({epochs} epochs)")
            if inspection.history is None and stop is not None and stop < epochs and not inspection.epsilon.is_flat:
                label = f"early stopping possible (epoch {stop})"
                first.axvline(stop / epochs, color=OVER, linestyle=":", label=label)
        _finish(first, [inspection.epsilon])
        for axes in rest:
            right, wrong = inspection.by_confidence["right"], inspection.by_confidence["wrong"]
            same = np.allclose(right.mean, wrong.mean)
            _band(axes, right, UNDER, "-", "model right or wrong" if same else "model right", None)
            if not same:
                _band(axes, wrong, OVER, "--", "model wrong", None)
            axes.set(xlim=(0, 1), xlabel="confidence of the model (a sweep that is made up)")
            _percent(axes.xaxis)
            _finish(axes, [right, wrong])
    return figure


def epsilon_by_epoch(inspection: Inspection) -> Figure:
    """The epsilon that a run used, from its metrics.csv."""
    assert inspection.history is not None
    used = inspection.history.epsilon
    assert used is not None
    return used_epsilon(used, inspection.history.epoch)


def used_epsilon(used: EpsilonCurve, at: int, *, title: str = "Epsilon that was used") -> Figure:
    """Epsilon by epoch, with the epoch of the checkpoint marked.

    Args:
        used: by epoch.
        at: the checkpoint's epoch.
        title: of the figure.
    """
    from matplotlib.ticker import MaxNLocator

    with _figure(4.8, 3.4, title) as figure:
        axes = figure.subplots()
        _band(axes, used, UNDER, "-", "mean of the epoch", "smallest to largest")
        if len(used.x) == 1:
            axes.plot(used.x, used.mean, "o", color=UNDER)
        if used.x[0] <= at <= used.x[-1]:
            axes.axvline(at, color=GUIDE, linestyle="--", linewidth=1, label=f"checkpoint, epoch {at}")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _finish(axes, [used])
    return figure


def _band(axes: Axes, curve: EpsilonCurve, colour: str, line: str, name: str, band: str | None) -> None:
    if curve.has_spread:
        axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0, label=band)
    axes.plot(curve.x, curve.mean, color=colour, linestyle=line, label=name)


def _finish(axes: Axes, curves: Sequence[EpsilonCurve]) -> None:
    low = min(min(curve.low) for curve in curves)
    high = max(max(curve.high) for curve in curves)
    room = 0.08 * max(high - min(low, 0.0), 0.02)
    axes.set_ylim(min(0.0, low) - (room if low < 0 else 0), max(high, 0.0) + room)
    axes.set_ylabel("epsilon")
    if low < 0:
        axes.axhline(0, color=GUIDE, linewidth=0.8)
    axes.legend(**ABOVE, ncols=1)


def _norm(shown: Sequence[SoftTargets], places: list[int]) -> Any:
    """Colours of the cells beside the label's, the same for all panels; None where there are none."""
    from matplotlib.colors import LogNorm, Normalize

    values = []
    for targets in shown:
        cells = targets.matrix[places][:, targets.classes[places]].numpy()
        values.append(cells[~np.eye(len(places), dtype=bool)])
    flat = np.concatenate(values)
    if not flat.size:
        return None
    positive, high = flat[flat > 0], float(flat.max())
    if positive.size and flat.min() >= 0 and high / float(positive.min()) > WIDE:
        return LogNorm(max(float(positive.min()), high * 1e-4), high)
    # from 0, so that colours tell amounts, and not to the darkest, which would hide that all cells are the same
    return Normalize(min(0.0, float(flat.min())), 1.25 * high if high > 0 else 1.0)


def _is_log(norm: Any) -> bool:
    from matplotlib.colors import LogNorm

    return isinstance(norm, LogNorm)


def _largest(targets: SoftTargets, most: int) -> list[int]:
    """Places of the classes with the most rows, in the order of the classes."""
    if len(targets.classes) <= most:
        return list(range(len(targets.classes)))
    return sorted(targets.counts.argsort(descending=True, stable=True)[:most].tolist())


def _of(inspection: Inspection, count: int) -> str:
    every = len(inspection.class_names)
    return "" if count == every else f" of the {count} largest of {every:,} classes"


def _cell(value: float) -> str:
    if value == 0:
        return "0"
    text = f"{100 * value:.1f}"
    return text if float(text) else f"{100 * value:.0e}".replace("e-0", "e-")


def _range(low: float, high: float) -> str:
    texts = f"{low:.1%}", f"{high:.1%}"
    return texts[0] if texts[0] == texts[1] or math.isclose(low, high) else " to ".join(texts)
