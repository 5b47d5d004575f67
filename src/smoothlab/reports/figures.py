"""Figures of calibration, each a matplotlib Figure that a run saves and every logger gets.

One style for all: blue is right or under-confident, orange-red wrong or over-confident (Okabe and Ito's
colours, told apart by all common forms of colour blindness); hatching and line styles say the same again in
black and white. Nothing here touches pyplot, so that no backend, window or global state is involved.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothlab.errors import InvalidArgument
from smoothlab.metrics.calibration_error import classwise_bins, expected_error
from smoothlab.metrics.groups import group
from smoothlab.metrics.inputs import reads
from smoothlab.metrics.prediction import Prediction
from smoothlab.metrics.selective import RiskCoverage
from smoothlab.metrics.small_samples import calibrated_eces
from smoothlab.reports.curve import Curve
from smoothlab.reports.reliability import Bin, Reliability, filled_bins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from smoothlab.metrics.inputs import Array

LONGEST_NAME = 20
UNDER, OVER, MODEL, BAND, GUIDE = "#0072B2", "#D55E00", "#222222", "#D0D0D0", "#777777"
STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 9.0,
    "legend.fontsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "figure.dpi": 150.0,
}
# A legend over the right end of its panel, where no curve can run through it.
ABOVE: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.1}


@contextmanager
def _figure(width: float, height: float, title: str | None) -> Iterator[Figure]:
    """A figure in the one style; sizes in inches."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        if title:
            figure.suptitle(title, fontsize=11)
        yield figure


def _apart(figure: Figure) -> None:
    """Room between panels, so that the 100% of one and the 0% of the next stay two labels."""
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(w_pad=0.1)  # type: ignore[call-arg]


def _percent(axis: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=None))


def short_name(name: str) -> str:
    """A class's name as axes have room for it."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 3] + "..."


@reads(Prediction.of)
def reliability_diagram(prediction: Prediction, *, num_bins: int = 15, title: str | None = None) -> Figure:
    """Accuracy over confidence, the gap to the diagonal coloured by its sign, and the counts below.

    Grey is where the accuracies of a calibrated model would fall, bin by bin, in 95% of test sets of this
    size. Arguments as in ``smoothlab.metrics.reliability_bins``.

    Source: DeGroot and Fienberg, The Statistician 1983; the band, Bröcker and Smith, Weather and Forecasting
        2007.
    """
    with _figure(4.6, 5.2, title) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        upper.set_title(_reliability(upper, lower, prediction, num_bins), loc="left", fontsize=8)
        _legend(figure, columns=3)
        upper.set_ylabel("accuracy")
        lower.set_ylabel("samples")
        lower.set_xlabel("confidence (probability of the predicted class)")
    return figure


def before_and_after(
    before: Any,
    after: Any,
    labels: Any,
    *,
    from_logits: bool,
    mask: Any = None,
    num_bins: int = 15,
    names: tuple[str, str] = ("before", "after"),
    title: str | None = None,
) -> Figure:
    """Two reliability diagrams of the same samples side by side: before and after a calibrator.

    Args:
        before: ``(..., K)`` probabilities or logits.
        after: the same, calibrated.
        labels: ``(...)`` class indices, or ``(..., K)`` votes.
        from_logits: whether both are logits.
        mask: ``(...)`` bools, False where a position does not count.
        num_bins: bins of equal width.
        names: what to call the two.
        title: over both.
    """
    with _figure(7.6, 5.2, title) as figure:
        _apart(figure)
        axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(4, 1))
        for column, (values, name) in enumerate(zip((before, after), names, strict=True)):
            prediction = Prediction.of(values, labels, from_logits=from_logits, mask=mask)
            numbers = _reliability(axes[0, column], axes[1, column], prediction, num_bins)
            head = f"{name}: NLL {prediction.mean(prediction.nll):.3f}"
            axes[0, column].set_title(f"{head}\n{numbers}", loc="left", fontsize=8)
            axes[1, column].set_xlabel("confidence (probability of the predicted class)")
        _legend(figure, columns=5)
        axes[0, 0].set_ylabel("accuracy")
        axes[1, 0].set_ylabel("samples")
    return figure


def _reliability(upper: Axes, lower: Axes, prediction: Prediction, num_bins: int) -> str:
    """Draw the diagram over its counts; return its numbers in two lines."""
    shown = Reliability.of(prediction, num_bins)
    bins = shown.bins
    _gaps(upper, shown.filled)
    upper.set_ylim(0, 1)
    lower.bar(bins.lower, bins.count, bins.upper - bins.lower, align="edge", color=GUIDE, edgecolor="white")
    lower.set_xlim(0, 1)
    for axis in (upper.xaxis, upper.yaxis, lower.xaxis):
        _percent(axis)
    chance = calibrated_eces(prediction.confidence, num_bins, draws=200, seed=0).mean()
    error = f"ECE {shown.ece:.3f} (chance alone {chance:.3f})"
    return f"{error}, N = {len(prediction.confidence):,}\nconfidence gap {shown.gap:+.3f}, {shown.sign}"


PALE = 0.35
SIGNS = ((True, OVER, "////", "over-confident"), (False, UNDER, "....", "under-confident"))


def _gaps(axes: Axes, bins: Sequence[Bin]) -> None:
    """Bars from confidence to accuracy by sign, over the diagonal and a calibrated model's band.

    A gap that stays inside the band is pale: it may be chance.
    """
    for part in bins:
        axes.bar(part.lower, part.most - part.least, part.upper - part.lower, part.least, align="edge", color=BAND)
    axes.plot([0, 1], [0, 1], color=GUIDE, linestyle="--", linewidth=1, zorder=2)
    styles: dict[bool, Any] = {over: {"facecolor": colour, "hatch": hatch} for over, colour, hatch, _ in SIGNS}
    for part in bins:
        width = part.upper - part.lower
        axes.bar(
            part.lower + width * 0.25,
            part.accuracy - part.confidence,
            width * 0.5,
            bottom=part.confidence,
            align="edge",
            edgecolor="white",
            alpha=PALE if part.may_be_chance else 1.0,
            zorder=3,
            **styles[part.over_confident],
        )
    # Points at 0% and 100% are whole: the axes would cut them in half.
    x, y = [(part.lower + part.upper) / 2 for part in bins], [part.accuracy for part in bins]
    axes.plot(x, y, "o", color=MODEL, markersize=3.5, zorder=4, clip_on=False)


def _legend(figure: Figure, columns: int) -> None:
    """What the marks of a reliability diagram mean, below everything."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Line2D([], [], color=MODEL, marker="o", linestyle="none", markersize=3.5, label="accuracy"),
        Patch(facecolor=BAND, label="95% if calibrated"),
    ]
    for _, colour, hatch, name in SIGNS:
        handles.append(Patch(facecolor=colour, edgecolor="white", hatch=hatch, label=name))
    handles.append(Patch(facecolor=OVER, alpha=PALE, edgecolor="white", hatch="////", label="pale: may be chance"))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=1.6)


@reads(Prediction.of, weights=False)
def confidence_histogram(prediction: Prediction, *, num_bins: int = 30, title: str | None = None) -> Figure:
    """How confident the model was where it was right, and where it was wrong.

    The two have axes of their own, since a good model is seldom wrong. Arguments as in
    ``smoothlab.metrics.reliability_bins``.
    """
    right = prediction.correct > 0
    with _figure(4.6, 4.2, title) as figure:
        panels = figure.subplots(2, 1, sharex=True)
        edges = np.linspace(0, 1, num_bins + 1)
        for axes, chosen, colour, hatch, name in (
            (panels[0], right, UNDER, None, "right"),
            (panels[1], ~right, OVER, "////", "wrong"),
        ):
            confidence = prediction.confidence[chosen]
            axes.hist(confidence, edges, facecolor=colour, edgecolor="white", hatch=hatch)
            share = len(confidence) / len(right)
            head = f"{name}: {len(confidence):,} of {len(right):,} ({share:.1%})"
            if len(confidence):
                mean = float(confidence.mean())
                axes.axvline(mean, color=MODEL, linestyle=":", linewidth=1.4)
                head += f", mean confidence {mean:.1%} (dotted)"
            axes.set_title(head, loc="left", fontsize=9)
            axes.set_ylabel("samples")
            axes.set_xlim(0, 1)
            axes.set_ylim(bottom=0, top=None if len(confidence) else 1)
        _percent(panels[1].xaxis)
        panels[1].set_xlabel("confidence (probability of the predicted class)")
    return figure


@reads(Prediction.of, weights=False)
def classwise_reliability(
    prediction: Prediction,
    *,
    class_names: Sequence[str] | None = None,
    num_bins: int = 10,
    most: int = 12,
    title: str | None = None,
) -> Figure:
    """Each class against the rest: how often it is the label, over the probability it was given.

    With more than ``most`` classes, those with the largest class-wise ECE are drawn. Other arguments as in
    ``smoothlab.metrics.reliability_bins``.
    """
    classes = class_names or [f"class {k}" for k in range(prediction.num_classes)]
    if len(classes) != prediction.num_classes:
        raise InvalidArgument("class_names", len(classes), f"{prediction.num_classes} names")
    every = classwise_bins(prediction, num_bins)
    errors = np.array([expected_error(bins) for bins in every])
    shown = np.arange(len(every)) if len(every) <= most else np.sort(np.argsort(-errors)[:most])
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    if len(every) > most:
        worst = f"the {len(shown)} of {len(every)} classes with the largest error"
        title = f"{title}: {worst}" if title else worst[0].upper() + worst[1:]
    with _figure(2.3 * columns + 0.5, 2.4 * rows + 0.9, title) as figure:
        _apart(figure)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place >= len(shown):
                axes.set_visible(False)
                continue
            k = shown[place]
            _gaps(axes, filled_bins(every[k]))
            count = int(prediction.weights[prediction.labels.numpy() == k].sum())
            axes.set_title(f"{classes[k]} ({count:,})\nECE {errors[k]:.3f}", fontsize=9)
            axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
            _percent(axes.xaxis)
            _percent(axes.yaxis)
            if place % columns == 0:
                axes.set_ylabel("how often the label", fontsize=8)
            if place + columns >= len(shown):  # nothing is drawn below
                axes.tick_params(labelbottom=True)
                axes.set_xlabel("probability of the class", fontsize=8)
        _legend(figure, columns=5 if columns > 2 else 3 if columns == 2 else 1)
    return figure


@reads(Prediction.of, weights=False)
def risk_coverage_curve(
    prediction: Prediction, *, target_risk: float | None = None, title: str | None = None
) -> Figure:
    """Error rate among the accepted samples over their share, beside the best and the useless ranking.

    Args:
        values: ``(..., K)`` probabilities or logits.
        labels: ``(...)`` class indices, or ``(..., K)`` votes.
        from_logits: whether ``values`` are logits.
        mask: ``(...)`` bools, False where a position does not count.
        target_risk: marks how much can be accepted at this error rate.
        title: of the figure.
    """
    curve = RiskCoverage(group(prediction.confidence, prediction.correct))
    oracle = curve.oracle()
    with _figure(4.6, 3.6, title) as figure:
        axes = figure.subplots()
        points = min(2000, len(prediction.confidence))
        lines = Curve.of("model", *curve.curve(points)), Curve.of("errors last", *oracle.curve(points))
        areas = curve.area(), oracle.area()
        for line, area, colour, style in zip(lines, areas, (UNDER, MODEL), ("-", ":"), strict=True):
            axes.plot(line.at, line.value, color=colour, linestyle=style, label=f"{line.name}, AURC {area:.4f}")
        axes.axhline(curve.error_rate, color=GUIDE, linestyle="--", label=f"random order, {curve.error_rate:.4f}")
        if target_risk is not None:
            coverage = curve.coverage_at(target_risk)
            label = f"{coverage:.1%} accepted at risk {target_risk:.1%}"
            where = [coverage] if coverage > 0 else []
            axes.plot(where, [target_risk] * len(where), "D", color=OVER, label=label)
        highest = max(1e-3, 1.25 * curve.error_rate, float(curve.curve(20)[1].max()) * 1.1)
        axes.set(xlim=(0, 1), ylim=(0, min(1.0, highest)))
        axes.set_xlabel("coverage (share of samples accepted, most confident first)")
        axes.set_ylabel("risk (error rate among them)")
        _percent(axes.xaxis)
        _percent(axes.yaxis)
        axes.legend(loc="best")
    return figure


def calibration_over_epochs(
    epochs: Sequence[int], metrics: Mapping[str, Sequence[float]], *, title: str | None = None
) -> Figure:
    """How loss, calibration errors and the signed confidence gap went during training.

    Args:
        epochs: (E,) epoch numbers. metrics: (E,) values by name, such as the columns of metrics.csv without
        ``val/``. Drawn are ``nll``; of the
            errors ``ece``, ``ece_equal_mass``, ``smece``; and ``confidence_gap``, those that are there.
        title: of the figure.
    """
    panels = [
        ("NLL (nats)", [name for name in ("nll",) if name in metrics]),
        ("calibration error", [name for name in ("ece", "ece_equal_mass", "smece") if name in metrics]),
        ("confidence gap", [name for name in ("confidence_gap",) if name in metrics]),
    ]
    panels = [(label, names) for label, names in panels if names]
    if not panels:
        raise InvalidArgument("metrics", sorted(metrics), "at least nll, ece or confidence_gap")
    with _figure(4.8, 1.7 * len(panels) + 0.5, title) as figure:
        stack = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (label, names) in zip(stack, panels, strict=True):
            lines = [Curve.of(name, epochs, metrics[name]) for name in names]
            for line, colour, style in zip(lines, (UNDER, OVER, MODEL), ("-", "--", ":"), strict=False):
                axes.plot(line.at, line.value, color=colour, linestyle=style, label=line.name)
            axes.set_ylabel(label)
            if names[0] == "confidence_gap":
                _fill_gap(axes, lines[0].at, lines[0].value)
            elif len(names) > 1:
                axes.legend(**ABOVE, ncols=len(names))
        if "nll" in metrics:
            best = int(np.nanargmin(metrics["nll"]))
            for axes in stack:
                axes.axvline(epochs[best], color=GUIDE, linewidth=1, linestyle="--")
            stack[0].set_title(f"lowest NLL at epoch {epochs[best]} (dashed)", loc="right", fontsize=8)
        stack[-1].set_xlabel("epoch")
        stack[-1].xaxis.get_major_locator().set_params(integer=True)
        figure.align_ylabels(list(stack))
    return figure


def metrics_by_slice(
    places: Sequence[str],
    metrics: Mapping[str, Sequence[float]],
    rows: Sequence[int],
    *,
    column: str,
    title: str | None = None,
) -> Figure:
    """How metrics drift along a column, such as time: a point a slice of the samples.

    Args:
        places: of S slices, in their order.
        metrics: ``nll``, ``accuracy``, ``ece`` and ``confidence_gap``, S values each, NaN where there is none.
        rows: samples of each slice.
        column: by which they are cut.
        title: of the figure.
    """
    panels = [("NLL (nats)", "nll"), ("accuracy", "accuracy"), ("ECE", "ece"), ("confidence gap", "confidence_gap")]
    x = np.arange(len(places))
    width = min(4.8 + 0.25 * max(len(places) - 8, 0), 14.0)
    with _figure(width, 6.4, title) as figure:
        stack = figure.subplots(len(panels), 1, sharex=True)
        for axes, (label, name) in zip(stack, panels, strict=True):
            values = np.asarray(metrics[name], float)
            axes.set_ylabel(label)
            if name == "confidence_gap":
                axes.axhline(0, color=GUIDE, linewidth=1)
                for colour, hatch, there in ((OVER, "////", values > 0), (UNDER, "....", values <= 0)):
                    axes.bar(x[there], values[there], color=colour, alpha=0.3, hatch=hatch, width=0.6)
            else:
                axes.plot(x, values, "o-", color=UNDER, markersize=4)
            if name == "accuracy":
                _percent(axes.yaxis)
        counted = f"{min(rows):,}" if min(rows) == max(rows) else f"{min(rows):,} to {max(rows):,}"
        stack[0].set_title(f"{counted} samples a slice", loc="right", fontsize=8)
        stack[-1].set_xticks(x, places, rotation=30 if max(map(len, places)) > 4 else 0, ha="right", fontsize=7)
        stack[-1].set_xlabel(column)
        figure.align_ylabels(list(stack))
    return figure


def _fill_gap(axes: Axes, epochs: Array, gap: Array) -> None:
    axes.axhline(0, color=GUIDE, linewidth=1)
    above = axes.fill_between(epochs, gap, 0, where=gap > 0, interpolate=True, facecolor=OVER, alpha=0.3, hatch="////")
    below = axes.fill_between(epochs, gap, 0, where=gap < 0, interpolate=True, facecolor=UNDER, alpha=0.3, hatch="....")
    used = [(above, "over-confident", gap > 0), (below, "under-confident", gap < 0)]
    shown = [(area, name) for area, name, there in used if there.any()]
    if shown:
        axes.legend([area for area, _ in shown], [name for _, name in shown], **ABOVE, ncols=2)
