"""Figures: drawn without a display, right in what they show, whole with any input a run may have."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from smoothlab.errors import InvalidArgument
from smoothlab.metrics import reliability_bins
from smoothlab.reports import figures


def draw(n, k, seed=0, scale=2.0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, k, generator=generator) * scale
    return logits, torch.multinomial(torch.softmax(logits * 0.6, 1), 1, generator=generator)[:, 0]


def every(logits, labels):
    known = {"from_logits": True, "title": "a title"}
    return {
        "reliability": figures.reliability_diagram(logits, labels, **known),
        "before_and_after": figures.before_and_after(logits, logits * 0.6, labels, **known),
        "confidence": figures.confidence_histogram(logits, labels, **known),
        "classwise": figures.classwise_reliability(logits, labels, **known),
        "risk_coverage": figures.risk_coverage_curve(logits, labels, target_risk=0.1, **known),
    }


def saved(figure):
    assert isinstance(figure, Figure)
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=50)
    return target.getvalue()


@pytest.mark.parametrize(("n", "k"), [(400, 3), (1, 2), (60, 15)])
def test_all_figures_are_drawn(n, k):
    for name, figure in every(*draw(n, k)).items():
        assert saved(figure)[:4] == b"\x89PNG", name
        assert figure._suptitle.get_text().startswith("a title"), name


@pytest.mark.parametrize("right", [True, False])
def test_all_right_and_all_wrong_are_drawn(right):
    logits = torch.tensor([[3.0, 0.0]] * 5)
    for figure in every(logits, torch.zeros(5).long() if right else torch.ones(5).long()).values():
        saved(figure)


def texts(figure):
    return " ".join(text.get_text() for axes in figure.axes for text in (axes.title, axes._left_title))


def test_the_diagram_says_the_error_the_sign_and_the_number():
    logits, labels = draw(500, 4)
    drawn_texts = texts(figures.reliability_diagram(logits, labels, from_logits=True))
    assert "over-confident" in drawn_texts
    assert "N = 500" in drawn_texts
    bins = reliability_bins(logits, labels, from_logits=True)
    assert f"ECE {float(bins.share @ np.abs(bins.gap)):.3f}" in drawn_texts
    assert "under-confident" in texts(figures.reliability_diagram(logits * 0.2, labels, from_logits=True))


def test_counts_of_the_diagram_are_those_of_the_bins():
    logits, labels = draw(300, 3)
    lower = figures.reliability_diagram(logits, labels, from_logits=True, num_bins=10).axes[1]
    heights = [patch.get_height() for patch in lower.patches]
    assert heights == reliability_bins(logits, labels, from_logits=True, num_bins=10).count.tolist()


def test_no_text_overlaps_another_or_leaves_the_figure():
    figure_of = every(*draw(400, 5))
    figure_of["epochs"] = figures.calibration_over_epochs(
        range(30),
        {
            "nll": np.linspace(2, 1, 30),
            "ece": np.linspace(0.2, 0.05, 30),
            "smece": np.linspace(0.2, 0.04, 30),
            "confidence_gap": np.linspace(-0.2, 0.1, 30),
        },
        title="a title",
    )
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for name, figure in figure_of.items():
        FigureCanvasAgg(figure).draw()
        artists = [figure._suptitle]
        for axes in figure.axes:
            if axes.get_visible():
                labels = [
                    tick.label1
                    for axis in (axes.xaxis, axes.yaxis)
                    for tick in axis.get_major_ticks()
                    if axis.get_view_interval()[0] <= tick.get_loc() <= axis.get_view_interval()[1]
                ]
                artists += [
                    axes.title,
                    axes._left_title,
                    axes._right_title,
                    axes.xaxis.label,
                    axes.yaxis.label,
                    *labels,
                ]
                artists += axes.get_legend().get_texts() if axes.get_legend() else []
        for legend in figure.legends:
            artists += legend.get_texts()
        boxes = [
            (text.get_text(), text.get_window_extent())
            for text in artists
            if text.get_text() and text.get_visible() and text.get_window_extent().width > 1
        ]
        size = figure.get_window_extent()
        for i, (words, box) in enumerate(boxes):
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= size.x1 + 1 and box.y1 <= size.y1 + 1
            assert inside, (name, words)
            for other_words, other in boxes[:i]:
                shared = min(box.x1, other.x1) - max(box.x0, other.x0), min(box.y1, other.y1) - max(box.y0, other.y0)
                assert min(shared) <= 1, (name, words, other_words)


def test_the_worst_classes_are_shown_where_there_are_many():
    figure = figures.classwise_reliability(*draw(300, 15), from_logits=True, most=6)
    assert sum(axes.get_visible() for axes in figure.axes) == 6
    assert "6 of 15 classes" in figure._suptitle.get_text()
    with pytest.raises(InvalidArgument, match="class_names"):
        figures.classwise_reliability(*draw(30, 3), from_logits=True, class_names=["a"])


def test_epochs_need_something_to_draw():
    with pytest.raises(InvalidArgument, match="metrics"):
        figures.calibration_over_epochs([0, 1], {"loss": [1.0, 0.5]})
    saved(figures.calibration_over_epochs([0], {"ece": [0.1]}))


def test_pyplot_is_never_imported():
    import subprocess
    import sys

    code = (
        "import sys, torch; from smoothlab.reports.figures import reliability_diagram;"
        "reliability_diagram(torch.randn(9, 3), torch.zeros(9).long(), from_logits=True);"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
